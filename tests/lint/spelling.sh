#!/bin/sh
# Words that codespell takes for misspelt but are meant go into spelling.txt, one a line, lower case.
set -eu
find . -type f \( -name '*.md' -o -name '*.[ch]' -o -name '*.sh' -o -name '*.txt' -o -name '*.1' -o -name '*.cmake' \) \
    ! -path './build*' ! -path './.git/*' ! -path '*/data/*' ! -path './tests/truth/*' ! -path './LICENSE' |
    sort | xargs codespell --ignore-words tests/lint/spelling.txt
