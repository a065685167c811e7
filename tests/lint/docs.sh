#!/bin/sh
# docs.sh MEMFIT SCRATCH [--write]: what the documents show is what the program prints.
#
# Blocks that start with ```console hold commands, `$ memfit ...` or `$ ./run ...`, each followed by its real output.
# The documents are made again with the output of MEMFIT and compared; --write keeps the new text.
set -eu
scratch=$2
mkdir -p "$scratch/bin"
ln -sf "$1" "$scratch/bin/memfit"
PATH=$scratch/bin:$PATH
export PATH
unset HOME XDG_CONFIG_HOME XDG_DATA_HOME
status=0
for document in README.md CONTRIBUTING.md docs/*.md examples/README.md hwdb/README.md modeldb/README.md; do
    [ -f "$document" ] || continue
    new=$scratch/$(printf '%s' "$document" | tr / _)
    awk '
        /^```/ && inside { inside = 0; print; next }
        /^```console/ { inside = 1; print; next }
        inside && /^\$ / {
            print
            command = substr($0, 3)
            sub(/^\.\/run/, "memfit", command)
            if (command !~ /^memfit/) {
                print FILENAME ":" FNR ": a console block runs memfit only, use ```sh here" > "/dev/stderr"
                exit 2
            }
            fflush()
            system(command " 2>&1")
            next
        }
        inside { next }
        { print }' "$document" >"$new"
    if [ "${3-}" = --write ]; then
        cmp -s "$new" "$document" || cp "$new" "$document"
    elif ! diff -u "$document" "$new"; then
        echo "$document differs from what memfit prints; after a look at the change:" \
            "sh tests/lint/docs.sh build/release/src/cli/memfit build/docs --write"
        status=1
    fi
done
exit $status
