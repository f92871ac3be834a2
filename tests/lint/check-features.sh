#!/bin/sh
# check-features.sh - each row of etc/doc/features.md and of SECURITY.md names a
# test that exists.
#
# A row of a table is a line that begins with `|`; its last cell has words
# `FILE:TEST` in back quotes, FILE below tests/.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
failed=0

has_test() {
	case $1 in
	*.py) grep -qE "^    def $2\(" "$1" ;;
	*.c) grep -qE "^$2\(void \*\*state\)" "$1" ;;
	*) false ;;
	esac
}

# Headings are followed by |---|; they name no test.
check_page() {
	page=$1 rows=0
	while IFS= read -r line; do
		case $line in
		'| ---'* | *'| tests |') continue ;;
		esac
		rows=$((rows + 1))
		names=$(printf '%s\n' "${line%|}" | sed 's/.*| //' |
			grep -oE '`[^`]+`' | tr -d '\`') || names=
		if [ -z "$names" ]; then
			echo "$page: no test is named: $line"
			failed=1
		fi
		for name in $names; do
			file=tests/${name%%:*}
			if [ ! -f "$file" ] || ! has_test "$file" "${name#*:}"; then
				echo "$page: there is no test $name"
				failed=1
			fi
		done
	done <<-EOF
	$(grep '^|' "$page")
	EOF
	[ "$rows" -gt 10 ] || { echo "$page: no table"; failed=1; }
	echo "$page: $rows rows"
}

check_page etc/doc/features.md
check_page SECURITY.md
exit "$failed"
