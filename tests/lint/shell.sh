#!/bin/sh
# SC2016: awk programs have $ in single quotes.
set -eu
find run check .ci/run scripts tests -type f \( -name '*.sh' -o -name run -o -name check \) | sort | xargs shellcheck -x -e SC2016
