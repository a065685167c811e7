# code.awk - C text without its comments, line by line, and with strings=0 without the contents of its strings.
# Usage: awk -v strings=1 -f code.awk FILE...; prints file:line:text for lines that have some.
BEGIN { in_comment = 0 }
FNR == 1 { in_comment = 0 }
{
    out = ""
    quote = ""
    n = length($0)
    for (i = 1; i <= n; i++) {
        c = substr($0, i, 1)
        two = substr($0, i, 2)
        if (in_comment) {
            if (two == "*/") {
                in_comment = 0
                i++
            }
        } else if (quote != "") {
            if (c == "\\") {
                if (strings) out = out two
                i++
            } else if (c == quote) {
                quote = ""
                out = out c
            } else if (strings) {
                out = out c
            }
        } else if (two == "/*") {
            in_comment = 1
            i++
        } else if (two == "//") {
            break
        } else {
            if (c == "\"" || c == "'") quote = c
            out = out c
        }
    }
    if (out ~ /[^ \t]/) print FILENAME ":" FNR ":" out
}
