#!/bin/sh
# setup.sh SCRATCH: how ./run gets its packages, on systems made of stubs: a PATH with the few programs a fresh one has.
set -eu
top=$PWD
scratch=$1
status=0

# fresh PROGRAM...: a new system with stubs for the given package managers and sudo; they log what they are told.
fresh()
{
    rm -rf "$scratch"
    mkdir -p "$scratch/bin" "$scratch/top"
    cp -R "$top/run" "$top/scripts" "$scratch/top/"
    for tool in sh sed tr sort dirname mkdir tail env find cat mv; do
        ln -s "$(command -v $tool)" "$scratch/bin/$tool"
    done
    stub id 'echo "$FAKE_UID"'
    for tool in "$@"; do
        case $tool in
        sudo) stub sudo 'echo "sudo $*" >>"$LOG"; [ "$1" = -v ] || [ "$1" = -n ] || exec "$@"' ;;
        *) stub "$tool" 'echo "'"$tool"' $*" >>"$LOG"; : >"$INSTALLED"' ;;
        esac
    done
}

stub()
{
    printf '#!/bin/sh\n%s\n' "$2" >"$scratch/bin/$1"
    chmod +x "$scratch/bin/$1"
}

# answer UID: ./run on that system; its output in $scratch/out. Everything is there once a package manager ran.
answer()
{
    cat >>"$scratch/top/scripts/setup.sh" <<'LATER'
present()
{
    [ -e "$INSTALLED" ]
}
LATER
    FAKE_UID=$1 LOG=$scratch/log INSTALLED=$scratch/installed PATH=$scratch/bin \
        "$scratch/bin/sh" "$scratch/top/run" --version >"$scratch/out" 2>&1 </dev/null || echo "exit $?" >>"$scratch/out"
}

# expect FILE TEXT
expect()
{
    if ! grep -qF -- "$2" "$scratch/$1"; then
        printf "%s: no '%s' in %s, which has:\n" "$case" "$2" "$1"
        cat "$scratch/$1"
        status=1
    fi
}

packages='cmake gcc libc6-dev libcjson-dev libgsl-dev ninja-build pkg-config'

case='root without sudo'
fresh apt-get
answer 0
expect log "apt-get install -y --no-install-recommends $packages"
expect out "memfit: building"

case='user with sudo'
fresh apt-get sudo
answer 1000
expect log "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages"

case='user without sudo'
fresh apt-get
: >"$scratch/log"
answer 1000
expect out "run this as root: apt-get install -y --no-install-recommends $packages"
expect out 'exit 4'
[ ! -s "$scratch/log" ] || {
    echo "$case: something was run"
    status=1
}

case='Fedora'
fresh dnf
answer 0
expect log 'dnf install -y cjson-devel cmake gcc gsl-devel ninja-build pkgconf-pkg-config'

case='macOS as a user'
fresh brew
answer 501
expect log 'brew install cjson cmake gcc gsl ninja pkgconf'

case='nothing to install with'
fresh
answer 0
expect out 'no apt-get, dnf or brew is here to install them'
expect out 'exit 4'

exit $status
