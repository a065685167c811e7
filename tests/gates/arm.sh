#!/bin/sh
# arm.sh SCRATCH: the CPU backend's ARM kernels, compiled for it and run on emulated processors: each set where it exists.
set -eu
mkdir -p "$1"
program=$1/kernels
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc -std=c17 -O2 -static -Wall -Wextra -Werror -D_POSIX_C_SOURCE=200809L -Isrc -Isrc/include \
    tests/gates/arm/kernels.c src/calibrate/blocks.c src/calibrate/cpu_*avx*.c src/calibrate/cpu_neon.c \
    src/calibrate/cpu_plain.c -lm -o "$program"
status=0
# expect PROCESSOR SETS: passes, and chose these sets.
expect()
{
    if ! qemu-aarch64 -cpu "$1" "$program" >"$1.txt"; then
        cat "$1.txt"
        status=1
    elif [ "$(tr '\n' ',' <"$1.txt")" != "$2" ]; then
        echo "$1: runs $(tr '\n' ',' <"$1.txt") instead of $2"
        status=1
    fi
}
program=$(realpath "$program")
cd "$1"
expect cortex-a53 'plain C,NEON,'
expect cortex-a76 'plain C,NEON,NEON dot product,'
expect max 'plain C,NEON,NEON dot product,NEON i8mm,'
exit $status
