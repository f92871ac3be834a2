#!/bin/sh
# check-pure - the archives that only compute call nothing else (pure.txt)
# and keep no state: no writable data but what the loader relocates once.
set -eu
allowed=${srcdir:-.}/tests/lint/pure.txt
nm=${NM:-nm}
failed=0

# Names of archive $1 that match the awk condition $2 on nm's output.
symbols()
{
    "$nm" -f posix "lib$1.a" | awk "NF >= 2 && ($2) { print \$1 }" | sort -u
}

# Is symbol $2 of archive $1 in pure.txt?
is_allowed()
{
    while read -r who pattern; do
        # The pattern is one: no quotes.
        # shellcheck disable=SC2254
        case $who:$2 in
        both:$pattern | "$1":$pattern) return 0 ;;
        esac
    done <"$allowed"
    return 1
}

for archive in smtp dkim; do
    if [ ! -f "lib$archive.a" ]; then
        echo "lib$archive.a is not built"
        exit 1
    fi
    if "$nm" "lib$archive.a" | grep -Eq '__(asan|ubsan|sanitizer|msan|tsan|gcov|llvm)_'; then
        echo "skipped: the build is instrumented"
        exit 77
    fi
    defined=$(symbols "$archive" '$2 != "U"')
    if [ -z "$defined" ]; then
        echo "lib$archive.a defines nothing"
        exit 1
    fi
    for name in $(symbols "$archive" '$2 == "U"'); do
        if printf '%s\n' "$defined" | grep -Fqx -- "$name"; then
            continue
        fi
        if ! is_allowed "$archive" "$name"; then
            echo "lib$archive.a calls $name, which is not in pure.txt"
            failed=1
        fi
    done
    # The System V format names the section: .data.rel.ro is constant.
    writable=$("$nm" -f sysv "lib$archive.a" | awk -F'|' '
        $3 ~ /^ *[BbCcDdGgSs] *$/ && $7 !~ /^\.data\.rel\.ro/ { print $1 }')
    if [ -n "$writable" ]; then
        echo "lib$archive.a has writable data:" $writable
        failed=1
    fi
done
exit "$failed"
