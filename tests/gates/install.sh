#!/bin/sh
# install.sh BUILD PREFIX: installs a build and uses it as a stranger would: by pkg-config, by CMake, as a program.
set -eu
build=$1
prefix=$2
rm -rf "$prefix" "$prefix-work"
mkdir -p "$prefix-work"
cmake --install "$build" --prefix "$prefix" >"$prefix-work/install.log"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name memfit.pc)")
export PKG_CONFIG_PATH
data=$(pkg-config --variable=datadir memfit)
[ -d "$data/hwdb" ] || {
    echo "memfit.pc names '$data', which has no hwdb"
    exit 1
}
LD_LIBRARY_PATH=$(pkg-config --variable=libdir memfit)
export LD_LIBRARY_PATH
# shellcheck disable=SC2046
cc -std=c17 -Wall -Wextra -Wpedantic -Werror examples/memfit.c -o "$prefix-work/by-pkg-config" \
    $(pkg-config --cflags --libs memfit)
"$prefix-work/by-pkg-config"
unset LD_LIBRARY_PATH

for library in memfit memfit_static; do
    folder=$prefix-work/$library
    cmake -S examples -B "$folder" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DMF_EXAMPLE_LIBRARY=$library
    cmake --build "$folder"
    ctest --test-dir "$folder" --output-on-failure --no-tests=error
done

(cd / && "$prefix/bin/memfit" fit qwen3-8b --on pc-rtx-4090 && "$prefix/bin/memfit" db check) >"$prefix-work/memfit.log"
