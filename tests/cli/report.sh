#!/bin/sh
# report.sh MEMFIT SCRATCH CHROMIUM: every definition of reports/ as a document: the same bytes twice, complete in itself, each
# figure traceable, and drawn by a browser (CHROMIUM is empty where there is none).
set -eu
memfit=$1
scratch=$2
chromium=$3
mkdir -p "$scratch"
status=0

fail()
{
    echo "$1"
    status=1
}

# The commands of the questions as one document more: sections that no report has.
{
    printf '{"schema": 1, "title": "Questions", "text": ["All of them."], "sections": [\n'
    grep -E '^\$ memfit (fit|compare|plan|cost) ' docs/questions.md |
        sed 's/^\$ memfit //; s/"/\\"/g; s/.*/{"heading": "One", "command": "&"}/' | paste -sd ,
    printf ']}\n'
} >"$scratch/questions.json"

# And answers that none of these has: a raised limit, host memory beside cards, several users, models that do not run, an API.
cat >"$scratch/answers.json" <<'END'
{"schema": 1, "title": "Answers", "text": ["Further ones."], "sections": [
{"heading": "Raised", "command": "plan qwen3-235b-a22b --on strix-halo-128gb"},
{"heading": "Users", "command": "plan llama-3.3-70b --parallel 4 --ctx 32768 --on pc-2x-rtx-4090,mac-studio-m5-max-40c-64gb --around-cards 1500"},
{"heading": "Host", "command": "plan deepseek-r1 --on pc-2x-r9700,server-a100-sxm-80gb --around-cards 1500"},
{"heading": "Models", "command": "plan gpt-oss-120b,llama-3.3-70b,qwen3-8b --on mac-mini-m6-12c-16gb"},
{"heading": "Missed", "command": "plan gpt-oss-120b --on mac-mini-m6-12c-16gb,pc-rtx-4060,strix-halo-96gb --min-tok-s 30"},
{"heading": "Both", "command": "plan qwen3-235b-a22b,gpt-oss-120b --on strix-halo-128gb --min-tok-s 8"},
{"heading": "Long", "command": "plan llama-3.1-8b --on mac-studio-m5-max-40c-128gb --ctx 131072"},
{"heading": "Release", "command": "fit qwen3-coder-30b-a3b --on pc-2x-rtx-3090"}
]}
END

for definition in reports/*.json "$scratch/questions.json" "$scratch/answers.json"; do
    name=$(basename "$definition" .json)
    page=$scratch/$name.html
    "$memfit" report "$definition" -o "$page" || fail "$name can't be made"
    case $name in
    *-or-*) # draws, and many machines
        "$memfit" report "$definition" --format html >"$scratch/again.html"
        cmp "$page" "$scratch/again.html" || fail "$name is not the same twice"
        ;;
    esac
    if grep -qE '<link|@import|<(script|img|iframe)[^>]* src=|url\(' "$page"; then
        fail "$name loads something"
    fi
    grep -q '<svg' "$page" || [ "$(grep -c '<table' "$page")" -gt 0 ] || fail "$name has no table and no drawing"
    if grep -o '<svg[^>]*>' "$page" | grep -vE 'aria-hidden|role="img" aria-label="..' | grep -q .; then
        fail "a drawing of $name has no words"
    fi
    "$memfit" report "$definition" -o "$scratch/$name.out.json"
    "$memfit" explain "$scratch/$name.out.json" >"$scratch/figures.txt"
    [ -s "$scratch/figures.txt" ] || fail "$name has no figure that can be traced"
    figure=$(head -n 1 "$scratch/figures.txt" | cut -d ' ' -f 1)
    "$memfit" explain "$scratch/$name.out.json" "$figure" >"$scratch/one.txt"
    grep -q '^  formula: ..' "$scratch/one.txt" || fail "'$figure' of $name has no formula"
    if grep -qE '"(formula|unit)": ("",|null)|"inputs": \[\]' "$scratch/$name.out.json"; then
        fail "a figure of $name has no formula, unit or input"
    fi
    if grep '^not traced' "$scratch/figures.txt"; then
        fail "numbers of $name can't be traced"
    fi
    if [ -n "$chromium" ]; then
        rm -f "$scratch/$name.png"
        HOME=$scratch "$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1200,2000 \
            "--user-data-dir=$scratch/browser" "--screenshot=$scratch/$name.png" "file://$page" >"$scratch/browser.txt" 2>&1 || true
        # A page without anything on it is a few kilobytes.
        if [ ! -f "$scratch/$name.png" ] || [ "$(wc -c <"$scratch/$name.png")" -lt 40000 ]; then
            fail "$name is not drawn:"
            tail -n 5 "$scratch/browser.txt"
        fi
    fi
done
exit $status
