# mutate.awk - plants one fault: after the first line that holds `scope`, the `nth` line that holds `from` gets `to` there.
# Texts are plain, not patterns. Fails if the place is not found: a list that is out of date must not pass.
# They come through the environment, since awk -v would read their backslashes.
BEGIN {
    scope = ENVIRON["SCOPE"]
    from = ENVIRON["FROM"]
    to = ENVIRON["TO"]
    nth = ENVIRON["NTH"]
}
{
    if (index($0, scope)) inside = 1
    at = inside ? index($0, from) : 0
    if (at && !planted && ++seen == nth) {
        $0 = substr($0, 1, at - 1) to substr($0, at + length(from))
        planted = 1
    }
    print
}
END { exit !planted }
