#!/bin/sh
# peaks.sh TEST_TRUTH_MEMORY SCRATCH [--write]: the lists of missed peaks in docs/memory.md are what the test prints now.
set -eu
mkdir -p "$2"
# One after another, so that the tables don't mix.
for engine in llama_cpp mlx; do
    "$1" --filter "peak/*_of_${engine}_are_met*" 2>"$2/$engine.err" | sed '/^\[/d' >"$2/$engine.txt" ||
        { cat "$2/$engine.txt" "$2/$engine.err"; exit 1; }
done
awk -v scratch="$2" '
    /^<!-- \/peaks -->/ { inside = 0 }
    !inside { print }
    /^<!-- peaks of / {
        inside = 1
        while ((getline text < (scratch "/" substr($4, 1, length($4) - 1) ".txt")) > 0) print text
    }' docs/memory.md >"$2/memory.md"
if [ "${3-}" = --write ]; then
    cp "$2/memory.md" docs/memory.md
elif ! diff -u docs/memory.md "$2/memory.md"; then
    echo "to take the new lists over: sh tests/lint/peaks.sh build/asan/tests/truth/test_truth_memory build --write"
    exit 1
fi
