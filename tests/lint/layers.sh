#!/bin/sh
# A layer includes its own headers, those of the layers above its line in src/CMakeLists.txt, and the public ones.
# calibrate stands beside the line: it measures, so nothing but cli may know it, and it knows no more than the estimator.
set -eu
layers=$(sed -n 's/^#*add_subdirectory(\([a-z_]*\)).*/\1/p' src/CMakeLists.txt)
find src -name '*.[ch]' ! -path 'src/include/*' | sort | xargs awk -v layers="$layers" '
    BEGIN {
        n = split(layers, names, /[ \n]+/)
        for (i = 1; i <= n; i++) rank[names[i]] = i
        split("base facts speed calibrate", known)
        for (i in known) below_calibrate[known[i]] = 1
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
        split(FILENAME, path, "/")
        split($0, quoted, "\"")
        mine = path[2]
        other = quoted[2]
        if (sub(/\/.*/, "", other) == 0) {
            bad = "write the layer: \"" mine "/" quoted[2] "\""
        } else if (!(mine in rank)) {
            bad = "layer \x27" mine "\x27 is not in src/CMakeLists.txt"
        } else if (other != "memfit" && mine == "calibrate" && !(other in below_calibrate)) {
            bad = "\x27calibrate\x27 may include base, facts and speed only, not \x27" quoted[2] "\x27"
        } else if (other == "calibrate" && mine != "calibrate" && mine != "cli") {
            bad = "only cli may include \x27" quoted[2] "\x27"
        } else if (other == "memfit" || (other in rank && rank[other] <= rank[mine])) {
            next
        } else {
            bad = "\x27" mine "\x27 may not include \x27" quoted[2] "\x27, which is not below it"
        }
        print FILENAME ":" FNR ": " bad
        failed = 1
    }
    END { exit failed }'
# The public headers stand alone: they are installed without the rest.
if grep -nE '^ *# *include *"' src/include/memfit/*.h | grep -v '"memfit/'; then
    echo "a public header includes a private one"
    exit 1
fi
