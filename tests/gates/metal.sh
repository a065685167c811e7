#!/bin/sh
# metal.sh SCRATCH: what can be proved of the Metal backend without a Mac.
#
# 1. The .metal texts compile as C++ through the shim with their address spaces checked, and run right in both orders.
# 2. They run again without address spaces under the sanitizers, and so does the host code.
# 3. The Objective-C file runs unchanged on the stand-in for Metal: every case, every failure, nothing left alive.
# 4. Every planted fault of the two lists is caught.
# 5. What is embedded are the files. 6. With APPLE_SDK set: types, analysis and a link for arm64 with the real headers.
# Flags are lists of words, and a compiler may be called clang++.
# shellcheck disable=SC2086,SC2100
set -eu
top=$PWD
tests=$top/tests/metal
code=$top/src/calibrate
mkdir -p "$1"
cd "$1"
rm -rf plain flat mutants
mkdir -p plain flat mutants

clang=
for name in clang-19 clang-18 clang-17 clang-16 clang; do
    if printf '_Float16 x;' | $name -x c -fsyntax-only - 2>/dev/null; then
        clang=$name
        break
    fi
done
[ -n "$clang" ] || {
    echo "no clang that knows _Float16: install clang-16 or newer"
    exit 1
}
case $clang in
*-*) clangxx=clang++-${clang#clang-} ;;
*) clangxx=clang++ ;;
esac
objc=$(dirname "$(gcc -print-file-name=libobjc.so)")
[ -e "$objc/libobjc.so" ] || {
    echo "no libobjc: install libobjc-12-dev"
    exit 1
}
warnings='-Wall -Wextra -Werror'
include="-I$top/src -I$top/src/include -I$tests -I$tests/fake"
c="-std=c17 -D_POSIX_C_SOURCE=200809L $include"

cc -O1 $warnings -Wno-format-nonliteral "$tests/binder.c" -o binder

# kernels OUT TEXT-FOLDER FLAGS: the two libraries as objects OUT/bench.o and OUT/tensor.o.
kernels()
{
    out=$1
    folder=$2
    shift 2
    ./binder "$folder/bench.metal" bench_kernels >"$out/bench.cpp"
    ./binder "$folder/tensor.metal" tensor_kernels >"$out/tensor.cpp"
    shim="-Wno-unknown-attributes -I$tests/shim -I$code/kernels -I$tests"
    $clangxx -std=c++14 -O1 -g $shim "$@" -c "$out/bench.cpp" -o "$out/bench.o"
    $clangxx -std=c++20 -O1 -g $shim "$@" -c "$out/tensor.cpp" -o "$out/tensor.o"
}

# support OUT FLAGS: everything beside the kernels and the code under test.
support()
{
    out=$1
    shift
    $clangxx -std=c++17 -O1 -g $warnings "$@" -I"$tests" -c "$tests/runner.cpp" -o "$out/runner.o"
    for source in calibrate/gpu_check calibrate/blocks; do
        $clang $c -O1 -g $warnings "$@" -c "$top/src/$source.c" -o "$out/$(basename $source).o"
    done
    $clang $c -O1 -g $warnings "$@" -c "$tests/test_kernels.c" -o "$out/test_kernels.o"
}

# host_support OUT FLAGS
host_support()
{
    out=$1
    shift
    mkdir -p "$out/lib"
    for source in calibrate/protocol calibrate/verdict calibrate/stats calibrate/apple facts/record facts/fields \
        facts/fields_write facts/json facts/json_scan facts/sources facts/machine facts/device facts/kernels facts/link base/init \
        base/num base/status base/str base/units; do
        # shellcheck disable=SC2046
        $clang $c $(pkg-config --cflags libcjson) -O1 -g -DMF_VERSION='"0"' "$@" -c "$top/src/$source.c" \
            -o "$out/lib/$(basename $source).o"
    done
    for name in bench tensor; do
        $clang -c "${name}_source.c" -o "$out/lib/${name}_source.o"
    done
    $clang -fobjc-runtime=gcc -O1 -g $warnings "$@" $include -I"$tests/fake/include" -c "$tests/fake/fake_metal.m" \
        -o "$out/lib/fake_metal.o"
    $clang $c -I"$tests/fake/include" -O1 -g $warnings "$@" -c "$tests/fake/fake_system.c" -o "$out/lib/fake_system.o"
    $clang $c -O1 -g $warnings "$@" -c "$tests/test_host.c" -o "$out/lib/test_host.o"
}

# host OUT CODE-FOLDER SUPPORT FLAGS: the code under test with the rest of it.
host()
{
    out=$1
    from=$2
    rest=$3
    shift 3
    $clang -fobjc-runtime=objfw -fobjc-arc -O1 -g "$@" $include -I"$tests/fake/include" -c "$from/metal.m" -o "$out/metal.o" &&
        $clang $c -I"$tests/fake/include" -O1 -g "$@" -c "$from/metal_facts.c" -o "$out/facts.o" &&
        $clangxx -g "$@" "$out/metal.o" "$out/facts.o" "$rest"/lib/*.o "$rest/bench.o" "$rest/tensor.o" "$rest/runner.o" \
            "$rest/gpu_check.o" "$rest/blocks.o" -Wl,--wrap=__objc_exec_class -L"$objc" -lobjc -lgsl -lgslcblas -lcjson \
            -lm -o "$out/test_host"
}

echo "== 5. embedded texts"
for name in bench tensor; do
    cmake -DIN="$code/kernels/$name.metal" -DOUT="$PWD/${name}_source.c" -DNAME=mf_metal_${name}_source \
        -P "$top/cmake/embed.cmake"
    printf '#include <stdio.h>\n#include "%s_source.c"\nint main(void){return fputs(mf_metal_%s_source,stdout)<0;}\n' \
        $name $name >show.c
    cc show.c -o show
    ./show >shown
    awk -v folder="$code/kernels/" '
        /^#include "/ { file = folder substr($0, 11, length($0) - 11)
            while ((getline line < file) > 0) print line
            close(file)
            next }
        { print }' "$code/kernels/$name.metal" | cmp - shown
done

echo "== 1. kernels, address spaces checked"
support plain
kernels plain "$code/kernels" $warnings -Wno-unknown-attributes
$clangxx plain/*.o -lm -o plain/test_kernels
plain/test_kernels

echo "== 2. kernels under the sanitizers"
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
support flat $sanitize
kernels flat "$code/kernels" $warnings -Wno-unknown-attributes -DMSL_FLAT $sanitize
$clangxx $sanitize flat/*.o -lm -o flat/test_kernels
flat/test_kernels

echo "== 3. metal.m on the stand-in"
host_support plain
host plain "$code" plain $warnings
plain/test_host --first
host_support flat $sanitize
host flat "$code" flat $warnings $sanitize
ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 flat/test_host --first

echo "== 4. planted faults"
# kernel_mutant FOLDER FILE: builds the text with its fault and runs it; only the library that has it is made again.
kernel_mutant()
{
    cp plain/bench.o plain/tensor.o "$1"
    ./binder "$1/$2.metal" "$2_kernels" >"$1/$2.cpp"
    version=c++14
    [ "$2" = bench ] || version=c++20
    $clangxx -std=$version -O1 -w -I"$tests/shim" -I"$code/kernels" -I"$tests" -c "$1/$2.cpp" -o "$1/$2.o" &&
        $clangxx "$1/bench.o" "$1/tensor.o" plain/runner.o plain/gpu_check.o plain/blocks.o plain/test_kernels.o -lm \
            -o "$1/test" && timeout 60 "$1/test"
}

# host_mutant FOLDER: as much for the host code.
host_mutant()
{
    host "$1" "$1" plain -w && timeout 60 "$1/test_host" --first
}

# try_list LIST WHICH PART: every second fault of a list, from PART (0 or 1) on; what is missed goes to missed.txt.
try_list()
{
    folder=mutants/$2$3
    mkdir -p "$folder"
    n=0
    while IFS='|' read -r file scope nth from to; do
        n=$((n + 1))
        [ $((n % 2)) = "$3" ] || continue
        cp "$code/metal.m" "$code/metal_facts.c" "$folder"
        [ "$2" != kernel ] || file=$file.metal
        from_folder=$code
        [ "$2" != kernel ] || from_folder=$code/kernels
        if ! SCOPE=$scope NTH=$nth FROM=$from TO=$to awk -f "$tests/mutate.awk" "$from_folder/$file" >"$folder/$file"; then
            echo "no place for: $file|$scope|$from" >>mutants/missed.txt
        elif "$2_mutant" "$folder" "${file%.metal}" >"$folder/log" 2>&1; then
            echo "not caught: $file|$scope|$from|$to" >>mutants/missed.txt
        else
            echo caught >>"mutants/caught.$2$3"
        fi
    done <"$1"
}
: >mutants/missed.txt
for list in kernel host; do
    grep -v '^#' "$tests/${list}_mutants.txt" >mutants/$list.txt
    try_list mutants/$list.txt $list 0 &
    try_list mutants/$list.txt $list 1
    wait
done
cat mutants/missed.txt
echo "$(cat mutants/caught.kernel?| wc -l) faults of kernels and $(cat mutants/caught.host? | wc -l) of the host code caught"
[ ! -s mutants/missed.txt ]

if [ -z "${APPLE_SDK-}" ]; then
    echo "== 6. left out: APPLE_SDK names no folder of Apple's headers"
    exit 0
fi
echo "== 6. with the headers in $APPLE_SDK"
if [ -d "$APPLE_SDK/System/Library/Frameworks" ]; then
    sdk="-isysroot $APPLE_SDK"
else
    sdk="-nostdlibinc -isystem $APPLE_SDK/include -iframework $APPLE_SDK/Frameworks"
fi
target='-target arm64-apple-macos12'
for mode in -fsyntax-only --analyze; do
    out=
    [ $mode != --analyze ] || out='-o /dev/null'
    $clang $target -fobjc-arc $warnings $mode $sdk $include "$code/metal.m" $out
    $clang $target -std=c17 $warnings $mode $sdk $include "$code/metal_facts.c" $out
done
linker=$(command -v ld64.lld-14 || command -v ld64.lld || true)
if [ -d "$APPLE_SDK/System/Library/Frameworks" ] && [ -n "$linker" ]; then
    mkdir -p arm64
    # The SDK's compiler runtime is not there: what @available asks at run time.
    printf '#include "calibrate/metal.h"\nint __isPlatformVersionAtLeast(unsigned p, unsigned a, unsigned b, unsigned c);\n' >arm64/main.c
    printf 'int __isPlatformVersionAtLeast(unsigned p, unsigned a, unsigned b, unsigned c){return !(p+a+b+c);}\n' >>arm64/main.c
    printf 'int main(void){return mf_prober_metal.absent != 0;}\n' >>arm64/main.c
    $clang $target -mlinker-version=609 --ld-path="$linker" -fobjc-arc $sdk $include "$code/metal.m" -x c "$code/metal_facts.c" \
        "$code/apple.c" "$code/gpu_check.c" "$code/blocks.c" "$top/src/base/status.c" bench_source.c tensor_source.c \
        arm64/main.c -F "$APPLE_SDK/System/Library/Frameworks/MetalPerformanceShaders.framework/Frameworks" \
        -framework MPSCore -framework MPSMatrix -framework Foundation -framework CoreFoundation -framework Metal \
        -framework MetalPerformanceShaders -framework IOKit -lobjc -o arm64/program
    file arm64/program | grep -q 'Mach-O 64-bit.*arm64'
    echo "linked for arm64"
fi
