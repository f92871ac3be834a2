#!/bin/sh
# check-layers - no file includes what its room may not know (layers.txt).
set -eu
cd "${srcdir:-.}"
find include smtp dkim proxy -name '*.[ch]' | sort | awk '
function fail(text) { print text; failed = 1 }

# The room of a path, or "" when there is none.
function room_of(path,    p, best) {
    for (p in prefix_room)
        if (index(path, p) == 1 && length(p) > length(best))
            best = p
    if (best == "proxy/" && substr(path, 7) ~ /\//)
        return ""
    return best == "" ? "" : prefix_room[best]
}

# Does a pattern of layers.txt, perhaps with a * at its end, cover a header?
function covers(pattern, header) {
    if (pattern ~ /\*$/)
        return index(header, substr(pattern, 1, length(pattern) - 1)) == 1
    return pattern == header
}

function check_outside(where, room, header,    i, n, ok, pattern, words) {
    ok = !(room in system_of)
    n = ok ? 0 : split(system_of[room], words, " ")
    for (i = 1; i <= n; i++)
        ok = ok || covers(words[i], header)
    if (!ok)
        fail(where ": <" header "> is not for room " room)
    for (pattern in only)
        if (covers(pattern, header) && only[pattern] !~ (" " room " "))
            fail(where ": <" header "> is for" only[pattern] "only")
}

function check_include(where, path, header, quoted,    dir, target, from, to) {
    from = room_of(path)
    dir = path
    sub(/[^\/]*$/, "", dir)
    target = quoted && ((dir header) in exists) ? dir header \
        : (("include/" header) in exists) ? "include/" header \
        : (header in exists) ? header : ""
    if (target == "") {
        check_outside(where, from, header)
        return
    }
    to = room_of(target)
    if (to != from && uses[from] !~ (" (" to "|[*]) "))
        fail(where ": room " from " may not know room " to " (" header ")")
}

function check_file(path,    line, n, number, header) {
    if (room_of(path) == "") {
        fail(path ": no room in tests/lint/layers.txt")
        return
    }
    while ((getline line < path) > 0) {
        number++
        if (line ~ /^[ \t]*#[ \t]*include[ \t]*[<"]/) {
            includes++
            header = line
            sub(/^[^<"]*[<"]/, "", header)
            sub(/[>"].*$/, "", header)
            check_include(path ":" number, path, header, line ~ /include[ \t]*"/)
        }
    }
    close(path)
}

BEGIN {
    while ((getline line < "tests/lint/layers.txt") > 0) {
        while (line ~ /\\$/ && (getline more < "tests/lint/layers.txt") > 0)
            line = substr(line, 1, length(line) - 1) more
        n = split(line, word, " ")
        if (n == 0 || word[1] ~ /^#/)
            continue
        list = " "
        for (i = 3; i <= n; i++)
            list = list word[i] " "
        if (word[1] == "room")
            for (i = 3; i <= n; i++)
                prefix_room[word[i]] = word[2]
        else if (word[1] == "uses")
            uses[word[2]] = list
        else if (word[1] == "system")
            system_of[word[2]] = list
        else if (word[1] == "only")
            only[word[2]] = list
        else
            fail("layers.txt: unknown statement: " line)
    }
}

{ exists[$0] = 1; files[++count] = $0 }

END {
    for (i = 1; i <= count; i++)
        check_file(files[i])
    if (includes == 0)
        fail("check-layers: nothing to check in " count " files")
    exit failed
}'
