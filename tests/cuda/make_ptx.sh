#!/bin/sh
# make_ptx.sh: writes src/calibrate/kernels/bench.ptx anew with nvcc. The newest compiler writes a version that older
# drivers refuse; nothing in these kernels is newer than PTX 6.4 and the P100, so the text says that.
set -eu
cd "$(dirname "$0")/../.."
out=src/calibrate/kernels/bench.ptx
nvcc -O3 -ptx -arch=compute_75 src/calibrate/kernels/bench.cu -o "$out.new"
sed -e 's/^\.version .*/.version 6.4/' -e 's/^\.target .*/.target sm_60/' -e '/^\/\/ Compiler Build/d' \
    -e '/^\/\/ Based on NVVM/d' "$out.new" >"$out"
rm "$out.new"
