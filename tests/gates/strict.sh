#!/bin/sh
# strict.sh COMPILER FOLDER: a release build without one warning. Optimisation finds what a debug build does not.
set -eu
cmake -S . -B "$2" -G Ninja -DCMAKE_C_COMPILER="$1" -DCMAKE_BUILD_TYPE=Release -DMF_WERROR=ON
cmake --build "$2" -j 2
