#!/bin/sh
# headers.sh CC CXX: each header compiles alone and twice, public ones as C++ too; guards are MF_<DIR>_<FILE>_H.
set -u
status=0
for header in src/*/*.h src/include/memfit/*.h; do
    guard=$(printf '%s' "$header" | sed 's:^src/::; s:^include/::; s:\.h$:_H:' | tr 'a-z/.-' 'A-Z___')
    if ! grep -q "^#ifndef MF_$guard\$" "$header" || ! grep -q "^#define MF_$guard\$" "$header"; then
        echo "$header: the include guard is not MF_$guard"
        status=1
    fi
    name=${header#src/}
    name=${name#include/}
    printf '#include "%s"\n#include "%s"\ntypedef int mf_not_empty;\n' "$name" "$name" >"$3/header.c"
    "$1" -std=c17 -Wall -Wextra -Wpedantic -Werror -D_POSIX_C_SOURCE=200809L -Isrc -Isrc/include -fsyntax-only \
        "$3/header.c" || status=1
    case $header in
    src/include/*)
        "$2" -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Isrc/include -fsyntax-only "$3/header.c" || status=1
        ;;
    esac
done
exit $status
