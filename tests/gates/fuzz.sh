#!/bin/sh
# fuzz.sh FOLDER: builds the libFuzzer programs and runs each from its corpus, with a fixed seed and number of runs.
set -eu
cmake -B "$1" --preset fuzz
cmake --build "$1" -j 2
for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    mkdir -p "$1/found/$name"
    # What is found goes into the first folder, not into the repository.
    (cd "$1/found" && "$1/tests/fuzz/$name" -seed=1 -runs=20000 -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
        -verbosity=0 -print_final_stats=1 "$name" "$OLDPWD/tests/fuzz/corpus/${name#fuzz_}")
done
