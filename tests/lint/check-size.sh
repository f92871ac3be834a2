#!/bin/sh
# check-size - functions of at most 100 lines, files of 800, headers of 200.
#
# Tables inside a test make long functions there; they are read as data.
set -eu
cd "${srcdir:-.}"
find include smtp dkim proxy tests -name '*.[ch]' | sort | awk '
function fail(text) { print text; failed = 1 }

# A body stands between "{" and "}" at the left margin, which nothing else has.
function check_file(path,    line, n, start, max) {
    while ((getline line < path) > 0) {
        n++
        if (line == "{")
            start = n
        if (line == "}" && start > 0) {
            functions++
            if (n - start + 1 > 100 && path !~ /^tests\//)
                fail(path ":" start ": a function of " n - start + 1 " lines")
            start = 0
        }
    }
    close(path)
    max = path ~ /\.h$/ ? 200 : 800
    if (path in longer)
        max = longer[path]
    if (n > max)
        fail(path ": " n " lines, at most " max)
}

BEGIN {
    # One struct after the other, as the manual has them.
    longer["proxy/config/conf.h"] = 800
}

{ files++; check_file($0) }

END {
    if (functions == 0)
        fail("check-size: no function found in " files " files")
    exit failed
}'
