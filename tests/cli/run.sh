#!/bin/sh
# run.sh MEMFIT CASES.test SCRATCH [--write]: the program's whole output, case by case, against what is written down.
#
# A case is a line "$ memfit ..." and what follows: everything the command prints, standard error included, then a line
# "exit N" if N is not 0. Lines that start with # before the first case are kept. $DATA is a scratch folder.
# --write keeps the new text: read it line by line before committing it.
set -eu
cases=$2
scratch=$3
name=$(basename "$cases" .test)
# What an earlier run left would show in this one.
rm -rf "$scratch/data"
mkdir -p "$scratch/bin" "$scratch/data"
ln -sf "$1" "$scratch/bin/memfit"
PATH=$scratch/bin:$PATH
DATA=$scratch/data
export PATH DATA
unset HOME XDG_DATA_HOME MEMFIT_DATA NO_COLOR
new=$scratch/$name.out
awk '
    /^\$ / { exit }
    { print }' "$cases" >"$new"
grep '^\$ ' "$cases" | while IFS= read -r line; do
    printf '%s\n' "$line" >>"$new"
    status=0
    (eval "${line#\$ }") >"$scratch/$name.one" 2>&1 </dev/null || status=$?
    # The scratch folder has another name on every machine.
    sed "s|$scratch|SCRATCH|g" "$scratch/$name.one" >>"$new"
    [ "$status" -eq 0 ] || printf 'exit %s\n' "$status" >>"$new"
done
if [ "${4-}" = --write ]; then
    cmp -s "$new" "$cases" || cp "$new" "$cases"
elif ! diff -u "$cases" "$new"; then
    echo "after a look at the change: sh tests/cli/run.sh build/release/src/cli/memfit $cases build/cli --write"
    exit 1
fi
if grep -qE '(Address|Leak|Memory|Undefined\w*)Sanitizer|runtime error:' "$new"; then
    echo "a sanitizer spoke"
    exit 1
fi
