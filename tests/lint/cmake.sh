#!/bin/sh
# Every C source is named in the CMakeLists.txt of its folder: what is not built is not tested.
set -u
status=0
for source in $(find src tests examples -name '*.c' ! -path '*/data/*' 2>/dev/null | sort); do
    name=${source##*/}
    if ! grep -qwF -e "$name" -e "${name%.c}" "${source%/*}/CMakeLists.txt" 2>/dev/null; then
        echo "$source: not named in ${source%/*}/CMakeLists.txt"
        status=1
    fi
done
# shellcheck disable=SC2046
if grep -nE 'file\(GLO[B]' $(find CMakeLists.txt cmake src tests -name CMakeLists.txt -o -name '*.cmake'); then
    echo "list the sources: a new file is not seen by a configured build otherwise"
    status=1
fi
exit $status
