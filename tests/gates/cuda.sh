#!/bin/sh
# cuda.sh SCRATCH: the CUDA backend against a driver library whose device is the processor, which runs bench.cu as C++;
# the shipped PTX must hold the same kernels, and is assembled where ptxas is.
# shellcheck disable=SC2086
set -eu
top=$PWD
tests=$top/tests/cuda
code=$top/src/calibrate
rm -rf "$1"
mkdir -p "$1/lib"
cd "$1"
include="-I$top/src -I$top/src/include -I$top/tests/metal -I$tests -I$code/kernels"
c="-std=c17 -D_POSIX_C_SOURCE=200809L -O1 -g -Wall -Wextra -Werror -fPIC $include"

cc $c -c "$code/blocks.c" -o blocks.o
g++ -std=c++17 -O2 -shared -fPIC -w $include "$tests/fake_cuda.cpp" "$top/tests/metal/runner.cpp" blocks.o -o lib/libcuda.so.1
# One library under all names, so that all have the same clock.
ln lib/libcuda.so.1 lib/libcublas.so.13
ln lib/libcuda.so.1 lib/libcublasLt.so.13
cmake -DIN="$code/kernels/bench.ptx" -DOUT="$PWD/ptx.c" -DNAME=mf_cuda_source -P "$top/cmake/embed.cmake"
sources="$code/cuda.c $code/cuda_blas.c $code/gpu.c $code/gpu_check.c $code/blocks.c ptx.c $top/src/base/status.c $top/src/base/num.c"
cc $c -D_GNU_SOURCE "$tests/test_cuda.c" "$tests/names.c" $sources -ldl -lm -o test_cuda

# on KNOBS ARGUMENT...: with both libraries in the way of the loader.
on()
{
    knobs=$1
    shift
    FAKE_CUDA=$knobs LD_LIBRARY_PATH=$PWD/lib timeout 120 ./test_cuda "$@" >log 2>&1 || {
        echo "FAKE_CUDA='$knobs' test_cuda $*"
        cat log
        exit 1
    }
    if grep misuse log; then
        echo "FAKE_CUDA='$knobs' test_cuda $*"
        exit 1
    fi
}
on '' all
on 'wrong' wrong
on '' count 14
on 'no-blas' count 12
on 'no-lt' count 13
on 'no-algorithm' short
on 'spin attend' count 12
on 'no-init' refuse 'does not start'
on 'no-device' refuse 'no device'
on 'no-context' refuse 'no context'
on 'bad-ptx' refuse 'Unsupported .version'
for left in 0 1 2 3 4 5 7 9 12 17 23 31 43; do
    FAKE_CUDA_LEFT=$left on '' short
done
rm lib/libcublas.so.13 lib/libcublasLt.so.13
ldconfig -p | grep -q libcublas || on '' count 11
rm lib/libcuda.so.1
ldconfig -p | grep -q 'libcuda\.so' || on '' refuse 'no NVIDIA driver'

toolkit=/usr/local/cuda/include
if [ -f "$toolkit/cublasLt.h" ]; then
    cc $c -isystem "$toolkit" -fsyntax-only "$tests/headers.c"
    echo "declarations agree with NVIDIA's headers"
fi
ptxas=$(command -v ptxas || ls /usr/local/cuda/bin/ptxas 2>/dev/null || true)
if [ -z "$ptxas" ]; then
    echo "PTX not assembled: no ptxas here"
    exit 0
fi
for chip in sm_75 sm_80 sm_90; do
    "$ptxas" -arch=$chip "$code/kernels/bench.ptx" -o assembled
done
echo "PTX assembled for sm_75, sm_80 and sm_90"
