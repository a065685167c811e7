#!/bin/sh
# The code is as clang-format writes it. To mend: clang-format -i FILE
set -eu
find src tests examples \( -name '*.c' -o -name '*.h' \) ! -path '*/data/*' ! -path 'tests/metal/fake/include/*' -type f 2>/dev/null | sort |
    xargs clang-format --dry-run --Werror
