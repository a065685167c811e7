#!/bin/sh
# accuracy.sh SPEED_ACCURACY SCRATCH [--write]: the line on accuracy in README.md is what the program measures now, and what
# reports/validation.md says of chips left out (memfit validate tests/truth/speed.csv --leave-out chip --report reports).
set -eu
mkdir -p "$2"
"$1" >"$2/accuracy.txt" || true # its bars are a test of their own
awk '
    FILENAME ~ /validation.md$/ {
        if (/^### /) {
            section = substr($0, 5)
        }
        if (/^\| all \|/ && (section == "decode" || section == "prefill")) {
            split($0, cells, "|")
            n_tests++
            unseen[n_tests] = cells[4]
        }
        next
    }
    /^(decode|prefill):/ { test = substr($1, 1, length($1) - 1); next }
    test && $1 == "all" && !(test in rows) { rows[test] = $2; mean[test] = $3 }
    END {
        printf "**Accuracy**: over %d published single-device measurements the mean error is %.0f %% for decode ",
            rows["decode"] + rows["prefill"], mean["decode"]
        printf "and %.0f %% for prefill;\non chips kept out of the fit %.0f %% and %.0f %% ", mean["prefill"],
            unseen[1], unseen[2]
        printf "([how, and where it fails](reports/validation.md)).\n"
    }' reports/validation.md "$2/accuracy.txt" >"$2/line.txt"
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
