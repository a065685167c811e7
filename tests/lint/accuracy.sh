#!/bin/sh
# accuracy.sh SPEED_ACCURACY SCRATCH [--write]: the line on accuracy in README.md is what the program measures now.
set -eu
mkdir -p "$2"
"$1" >"$2/accuracy.txt" || true # its bars are a test of their own
awk '
    /^(decode|prefill):/ { test = substr($1, 1, length($1) - 1); next }
    test && $1 == "all" && !(test in rows) { rows[test] = $2; mean[test] = $3 }
    /^left out/ { test = "" }
    !test && $2 == "chip" && $3 == "all" && $4 == "shallow" { unseen[$1] = $5 }
    END {
        printf "**Accuracy**: over %d published single-device measurements the mean error is %.0f %% for decode ",
            rows["decode"] + rows["prefill"], mean["decode"]
        printf "and %.0f %% for prefill;\non chips kept out of the fit, of a class that has others, ", mean["prefill"]
        printf "%.0f %% and %.0f %% (short contexts).\n", unseen["decode"], unseen["prefill"]
    }' "$2/accuracy.txt" >"$2/line.txt"
awk -v line="$2/line.txt" '
    /^<!-- \/accuracy -->/ { inside = 0 }
    !inside { print }
    /^<!-- accuracy/ {
        inside = 1
        while ((getline text < line) > 0) print text
    }' README.md >"$2/README.md"
if [ "${3-}" = --write ]; then
    cp "$2/README.md" README.md
elif ! diff -u README.md "$2/README.md"; then
    echo "to take the new figures over: sh tests/lint/accuracy.sh build/asan/tests/truth/speed_accuracy build --write"
    exit 1
fi
