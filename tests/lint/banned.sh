#!/bin/sh
# Calls and words that the house does without. Run from the top of the repository.
set -eu
findings=$1/findings.txt
: >"$findings"

# report RULE: lines on stdin are findings.
report()
{
    awk -v rule="$1" 'NR == 1 { print rule } { print "  " $0 }' >>"$findings"
}

code()
{
    strings=$1
    shift
    find "$@" \( -name '*.c' -o -name '*.h' \) -type f | sort | xargs awk -v strings="$strings" -f tests/lint/code.awk
}
programs=src
[ ! -d examples ] || programs="src examples"
# shellcheck disable=SC2086
code 0 $programs >"$1/code.txt"
# shellcheck disable=SC2086
code 1 $programs >"$1/strings.txt"

grep -E '\b(sprintf|vsprintf|strcpy|strcat|gets|strncpy|strtok|rand|srand|alloca)\(' "$1/code.txt" |
    report "unsafe or not reproducible; use mf_str, snprintf, strchr or a seeded generator"
grep -vE '^src/base/num\.c:' "$1/code.txt" | grep -E '\b(strtod|strtof|strtold|atof|atoi|atol|sscanf|setlocale)\(' |
    report "depends on the locale or hides errors; use base/num.h"
grep -vE '^(src/base/num\.c:|examples/)' "$1/strings.txt" | grep -E '"[^"]*%[-+#0-9.*]*[lL]?[fFgGeEaA]' |
    report "a fraction printed with the locale's comma; use mf_number_text or mf_fixed_text of base/num.h"
grep -vE '^(src/(cli|detect)/|examples/)' "$1/code.txt" | grep -E '\b(getenv|secure_getenv|time|clock_gettime|clock)\(' |
    report "only cli/ and detect/ look at the environment or the clock"
grep -vE '^(src/cli/|examples/)' "$1/code.txt" | grep -E '\b(printf|puts|putchar|exit|_exit|abort|perror)\(|\b(stdout|stderr)\b' |
    report "only cli/ prints or exits; return an mf_status and write into mf_error or a mf_str"
grep -E '\bgsl_rng_env_setup\(' "$1/code.txt" | report "reads the environment inside the library"

# Files that git has, or all of them in a folder without git.
if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files >"$1/files.txt"
else
    find . -type f ! -path './build*' ! -path './.git/*' >"$1/files.txt"
fi
grep -vE '^(hwdb|modeldb|tests/truth|tests/data)/' "$1/files.txt" | tr '\n' '\0' |
    xargs -0 grep -InE '\b(TOD[O]|FIXM[E]|HAC[K])\b' | report "unfinished work belongs into an issue"
# mkstemp's templates may name the folder that every system has.
tr '\n' '\0' <"$1/files.txt" | xargs -0 grep -InE '(^|[^A-Za-z0-9_.$}~-])/(wor[k]|tm[p]|hom[e])/' |
    grep -v XXXXXX | report "a path of somebody's machine"
cat "$findings"
[ ! -s "$findings" ]
