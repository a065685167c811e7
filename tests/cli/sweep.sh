#!/bin/sh
# sweep.sh MEMFIT SCRATCH MPIRUN: the table is the same bytes however it is split: in parts, and over 1, 2 and 4 ranks.
# MPIRUN is empty where memfit was built without MPI.
set -eu
memfit=$1
scratch=$2
mpirun=$3
mkdir -p "$scratch"
models=gemma-3-4b,gpt-oss-20b,llama-3.1-8b,lfm2-1.2b,deepseek-v2-lite
machines=mac-mini-m2-10c-8gb,pc-2x-rtx-3090,dgx-spark-128gb,2x-mac-studio-m4-max-40c-128gb,host-2ch-ddr5-64gb
status=0

table()
{
    sweep "$models" --on "$machines" --quant Q8_0,Q4_K_M,IQ2_XXS --contexts 2048,16384,131072 --format csv "$@"
}

sweep()
{
    "$memfit" sweep "$@"
}

same()
{
    if ! cmp "$scratch/whole.csv" "$scratch/$1.csv"; then
        echo "$1 is another table"
        status=1
    fi
}

table >"$scratch/whole.csv" 2>"$scratch/errors.txt"
lines=$(wc -l <"$scratch/whole.csv")
[ "$lines" -eq 226 ] || {
    echo "$lines lines, not a header and 5 x 5 x 3 x 3 cases"
    status=1
}

# Sums over a computer's memories can't tell: what the fullest place has left does.
awk -F, '$9 != "" && NR > 1 { n++; bad += ($9 == 1) != ($10 >= 0) } END { exit bad > 0 || n < 100 }' "$scratch/whole.csv" || {
    echo "what fits is not what has headroom"
    status=1
}

for n in 1 3 7 40; do
    : >"$scratch/parts-$n.csv"
    i=1
    while [ "$i" -le "$n" ]; do
        table --shard "$i/$n" >>"$scratch/parts-$n.csv" 2>>"$scratch/errors.txt"
        i=$((i + 1))
    done
    same "parts-$n"
done

table -o "$scratch/file.csv" 2>>"$scratch/errors.txt"
same file

if [ -n "$mpirun" ]; then
    # Open MPI itself leaks at its end.
    export ASAN_OPTIONS=detect_leaks=0 OMPI_MCA_rmaps_base_oversubscribe=1
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    for n in 1 2 4; do
        "$mpirun" --oversubscribe --allow-run-as-root -n "$n" "$memfit" sweep "$models" --on "$machines" \
            --quant Q8_0,Q4_K_M,IQ2_XXS --contexts 2048,16384,131072 --format csv \
            >"$scratch/ranks-$n.csv" 2>>"$scratch/errors.txt"
        same "ranks-$n"
    done
    # An error of one rank ends all of them, with its code.
    code=0
    "$mpirun" --oversubscribe --allow-run-as-root -n 2 "$memfit" sweep no-such-model >"$scratch/out.txt" 2>&1 || code=$?
    if [ "$code" -ne 2 ] || ! grep -q "unknown model 'no-such-model'" "$scratch/out.txt"; then
        echo "an unknown model gave exit $code:"
        cat "$scratch/out.txt"
        status=1
    fi
fi
if grep -qE 'Sanitizer|runtime error:' "$scratch/errors.txt"; then
    cat "$scratch/errors.txt"
    status=1
fi
exit $status
