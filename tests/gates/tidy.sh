#!/bin/sh
# tidy.sh BUILD: clang-tidy over the sources that BUILD compiles; prints the findings only.
set -u
status=0
run-clang-tidy -quiet -j 2 -p "$1" "$PWD/(src|examples)/" >"$1/tidy.log" 2>&1 || status=$?
sed 's/\x1b\[[0-9;]*m//g' "$1/tidy.log" | grep -E '(warning|error|note): ' | awk '!seen[$0]++'
exit $status
