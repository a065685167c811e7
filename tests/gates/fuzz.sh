#!/bin/sh
# fuzz.sh FOLDER: builds the libFuzzer programs and runs each from its corpus, with a fixed seed, up to a number of runs or 20
# seconds, two at a time. What is found goes into the first folder of each, not into the repository.
set -eu
cmake -B "$1" --preset fuzz
names=$(for source in tests/fuzz/fuzz_*.c; do basename "$source" .c; done)
# shellcheck disable=SC2086
cmake --build "$1" -j 2 --target $names
printf '%s\n' "$names" | FOLDER=$1 ROOT=$PWD xargs -P 2 -I{} sh -c '
    set -eu
    mkdir -p "$FOLDER/found/{}"
    cd "$FOLDER/found"
    name={}
    "$FOLDER/tests/fuzz/$name" -seed=1 -runs=20000 -max_total_time=20 -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
        -verbosity=0 -print_final_stats=1 "$name" "$ROOT/tests/fuzz/corpus/${name#fuzz_}" >"$name.log" 2>&1 ||
        { cat "$name.log"; exit 1; }
    cat "$name.log"'
