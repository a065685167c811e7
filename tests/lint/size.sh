#!/bin/sh
# Files of 600 lines, functions of 60, lines of 150 columns at most (clang-format breaks all but tables and comments at 100).
set -eu
find src tests examples \( -name '*.c' -o -name '*.h' \) -type f 2>/dev/null | sort | xargs awk '
    function bad(text) { print FILENAME ":" FNR ": " text; failed = 1 }
    FNR == 1 { start = 0 }
    FNR == 601 { bad("more than 600 lines, split the file by topic") }
    length($0) > 150 { bad(length($0) " columns") }
    /^\{/ { start = FNR }
    /^\}/ && start {
        if (FNR - start - 1 > 60) bad("a function of " FNR - start - 1 " lines ends here, 60 at most")
        start = 0
    }
    END { exit failed }'
