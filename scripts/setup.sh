# shellcheck shell=sh
# setup.sh - what ./run and ./check share: finding and installing what a build needs, and quiet steps.
# Sourced from the top of the repository. Nothing here writes to stdout: that belongs to the answer.

# How a tool is found, and its packages in apt, dnf and brew.
# cmd NAME: a program; lib NAME: a pkg-config module; compiler NAME: a C compiler with the C library's headers;
# fuzzer: clang's libFuzzer runtime; float16: a clang that knows _Float16 on this processor (16 or newer); objc: the runtime
# of GCC's Objective-C; opencl: a device for OpenCL.
# shellcheck disable=SC2034 # used by ./run and ./check
packages_run='
compiler cc   gcc,libc6-dev   gcc                gcc
cmd cmake     cmake           cmake              cmake
cmd ninja     ninja-build     ninja-build        ninja
cmd pkg-config pkg-config     pkgconf-pkg-config pkgconf
lib gsl       libgsl-dev      gsl-devel          gsl
lib libcjson  libcjson-dev    cjson-devel        cjson
'
# shellcheck disable=SC2034
packages_check='
cmd g++       g++             gcc-c++            gcc
cmd clang     clang           clang              llvm
cmd clang-format clang-format clang-tools-extra  clang-format
cmd clang-tidy clang-tidy     clang-tools-extra  llvm
cmd cppcheck  cppcheck        cppcheck           cppcheck
cmd mandoc    mandoc          mandoc             mandoc
cmd shellcheck shellcheck     ShellCheck         shellcheck
cmd codespell codespell       codespell          codespell
lib criterion libcriterion-dev criterion-devel   criterion
cmd aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu,libc6-dev-arm64-cross gcc-aarch64-linux-gnu -
cmd qemu-aarch64 qemu-user    qemu-user          -
float16 -     clang-16,libclang-rt-16-dev clang  -
objc -        libobjc-12-dev  gcc-objc           -
opencl -      ocl-icd-libopencl1,pocl-opencl-icd ocl-icd,pocl pocl
cmd mpicc     libopenmpi-dev,openmpi-bin openmpi-devel  open-mpi
cmd chromium  chromium        chromium           chromium
fuzzer -      libclang-rt-14-dev compiler-rt     llvm
'

say()
{
    printf 'memfit: %s\n' "$*" >&2
}

die()
{
    say "$*"
    exit 4
}

# Is one row of a table there?
present()
{
    case $1 in
    cmd) command -v "$2" >/dev/null 2>&1 ;;
    compiler) printf '#include <stdio.h>\n' | "$2" -E - >/dev/null 2>&1 ;;
    lib) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$2" ;;
    float16)
        for clang in clang-19 clang-18 clang-17 clang-16 clang; do
            printf '_Float16 x;' | $clang -x c -fsyntax-only - >/dev/null 2>&1 && return 0
        done
        return 1
        ;;
    opencl) [ -n "$(find /etc/OpenCL/vendors -name '*.icd' -print 2>/dev/null)" ] || [ "$(uname)" = Darwin ] ;;
    objc) [ -e "$(gcc -print-file-name=libobjc.so 2>/dev/null)" ] ;;
    fuzzer)
        command -v clang >/dev/null 2>&1 &&
            [ -n "$(find "$(clang -print-resource-dir)" -name 'libclang_rt.fuzzer*' -print 2>/dev/null)" ]
        ;;
    esac
}

# missing TABLE COLUMN: the packages (column 3 apt, 4 dnf, 5 brew) of the rows that are not there, one line.
missing()
{
    printf '%s\n' "$1" | while read -r how name apt dnf brew; do
        [ -n "$how" ] || continue
        present "$how" "$name" && continue
        case $2 in
        apt) package=$apt ;;
        dnf) package=$dnf ;;
        *) package=$brew ;;
        esac
        # Of no use on that system.
        [ "$package" != - ] || continue
        printf '%s\n' "$package"
    done | tr ',' '\n' | sort -u | tr '\n' ' ' | sed 's/ $//'
}

# quietly LOG COMMAND...: runs it with all output in LOG, which is shown only when it fails.
quietly()
{
    log=$1
    shift
    mkdir -p "$(dirname "$log")"
    status=0
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" -ne 0 ] || return 0
    tail -n 60 "$log" >&2
    say "'$*' failed with status $status, its whole output is in '$log'"
    return "$status"
}

package_manager()
{
    if command -v apt-get >/dev/null 2>&1; then
        echo apt
    elif command -v dnf >/dev/null 2>&1; then
        echo dnf
    elif command -v brew >/dev/null 2>&1; then
        echo brew
    fi
}

# install_packages MANAGER PACKAGE...
install_packages()
{
    manager=$1
    shift
    case $manager in
    apt) command="apt-get install -y --no-install-recommends $*" ;;
    dnf) command="dnf install -y $*" ;;
    brew) command="brew install $*" ;;
    *) die "needs these packages or their like: $*; no apt-get, dnf or brew is here to install them" ;;
    esac
    root=
    if [ "$manager" != brew ] && [ "$(id -u)" -ne 0 ]; then
        # Without a terminal nobody can type a password.
        if ! command -v sudo >/dev/null 2>&1 || { ! [ -t 0 ] && ! sudo -n true 2>/dev/null; } || ! sudo -v; then
            die "needs packages that only root can install, run this as root: $command"
        fi
        root=sudo
    fi
    say "installing $*"
    # One word per argument is meant here.
    # shellcheck disable=SC2086
    set -- $root env DEBIAN_FRONTEND=noninteractive $command
    if [ "$manager" = apt ]; then
        # Lists may be missing or too old for the mirror.
        "$@" >build/install.log 2>&1 </dev/null || {
            # shellcheck disable=SC2086
            quietly build/install.log $root env DEBIAN_FRONTEND=noninteractive apt-get update
            quietly build/install.log "$@"
        }
    else
        quietly build/install.log "$@"
    fi
}

# need TABLE: installs what is missing of a table and makes sure that it is there then.
need()
{
    manager=$(package_manager)
    packages=$(missing "$1" "$manager")
    [ -n "$packages" ] || return 0
    mkdir -p build
    # shellcheck disable=SC2086
    install_packages "$manager" $packages || exit 4
    packages=$(missing "$1" "$manager")
    [ -z "$packages" ] || die "still missing after the installation: $packages"
}
