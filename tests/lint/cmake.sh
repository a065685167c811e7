#!/bin/sh
# cmake.sh COMPILE_COMMANDS: every C source is compiled by this build: what is not built is not tested. Gates build their
# own, the Metal backend among it.
set -u
status=0
for source in $(find src tests examples -name '*.c' ! -path '*/data/*' ! -path 'tests/gates/*' \
    ! -path 'tests/metal/*' ! -path 'tests/cuda/*' ! -path 'src/calibrate/metal_facts.c' | sort); do
    if ! grep -qF "\"file\": \"$PWD/$source\"" "$1"; then
        echo "$source: no CMakeLists.txt builds it"
        status=1
    fi
done
# shellcheck disable=SC2046
if grep -nE 'file\(GLO[B]' $(find CMakeLists.txt cmake src tests examples -name CMakeLists.txt -o -name '*.cmake'); then
    echo "list the sources: a new file is not seen by a configured build otherwise"
    status=1
fi
exit $status
