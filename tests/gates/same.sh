#!/bin/sh
# same.sh FOLDER MEMFIT...: the same seed gives the same bytes, whatever compiler made the program and however it optimised.
set -eu
folder=$1
shift
rm -rf "$folder"
n=0
for memfit in "$@"; do
    n=$((n + 1))
    out=$folder/$n
    mkdir -p "$out"
    "$memfit" simulate llama-3.1-8b --on server-a100-sxm-80gb --engine vllm --rate 20 --spread 1 --burstiness 2 \
        --count 3000 --seed 7 --format json --requests "$out/vllm.csv" >"$out/vllm.json"
    "$memfit" simulate qwen3-30b-a3b --on mac-studio-m4-max-40c-128gb --workload examples/workloads/office.json \
        --ctx 131072 --format json --trace-out "$out/office.trace.json" >"$out/office.json"
    "$memfit" simulate llama-3.1-8b --on mac-studio-m4-max-40c-128gb --engine mlx --rate 0.2 --gaps weibull \
        --burstiness 3 --count 1000 --replications 3 --format html -o "$out/mlx.html"
    "$memfit" simulate llama-3.1-8b --on pc-rtx-4090 --find users --think 20 --slo-ttft 2 --count 500 >"$out/users.txt"
    [ "$n" -eq 1 ] || diff -rq "$folder/1" "$out" || {
        echo "$memfit prints something else than $first"
        exit 1
    }
    first=${first-$memfit}
done
