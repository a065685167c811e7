#!/bin/sh
# tidy.sh BUILD: clang-tidy over the sources that BUILD compiles; prints the findings only.
#
# clang-tidy analyses a source once for each of its commands, and tests compile some sources of src/ again. What they change
# there are warnings and sanitizers, so that of the commands of test programs (they define MF_SOURCE_DIR) only a first one counts.
set -eu
build=$1
mkdir -p "$build/tidy"
awk -v top="$PWD/" -v sources="$build/tidy/sources.txt" '
    /^ *"command":/ { command = $0 }
    /^ *"file":/ {
        file = $0
        gsub(/^ *"file": "|",?$/, "", file)
        keep = (index(file, top "src/") == 1 || index(file, top "examples/") == 1) &&
            (!(file in seen) || command !~ /-DMF_SOURCE_DIR=/)
        if (keep && !(file in seen))
            print file >sources
        if (keep)
            seen[file]
    }
    /^ *{/ { text = ""; next }
    /^ *}/ { if (keep) { printf "%s{\n%s}", n++ ? ",\n" : "[\n", text } keep = 0; next }
    { text = text $0 "\n" }
    END { print "\n]" }' "$build/compile_commands.json" >"$build/tidy/compile_commands.json"
[ -s "$build/tidy/sources.txt" ]

# The longest first, so that no processor waits for the other at the end.
status=0
tr '\n' '\0' <"$build/tidy/sources.txt" | xargs -0 ls -S |
    xargs -P 2 -n 1 clang-tidy -quiet -p "$build/tidy" >"$build/tidy.log" 2>&1 || status=$?
grep -E '(warning|error|note): ' "$build/tidy.log" | awk '!seen[$0]++'
# It says that it can't read its commands, and goes on without them.
! grep -q 'error: ' "$build/tidy.log" || status=1
exit $status
