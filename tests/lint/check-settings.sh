#!/bin/sh
# check-settings.sh - every setting is documented, and nothing else is.
#
# Three lists of "section key" must be the same: the rows of the table in
# proxy/config/settings.c, the settings in etc/sealpost.conf (those behind a
# `;` too) and the .It lines of etc/man/sealpost.conf.5. Also: each default of
# the table stands in the example and is told by the page, and the pages are
# clean mdoc.
set -u
srcdir=${srcdir:-$(dirname "$0")/../..}
table=$srcdir/proxy/config/settings.c
example=$srcdir/etc/sealpost.conf
page=$srcdir/etc/man/sealpost.conf.5
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failed=0

# "section|key|default", NULL for none.
tr -d '\n' <"$table" | sed 's/const struct conf_kind conf_kinds.*//' |
	grep -oE '\{ "[a-z]+", *"[a-z_0-9]+", *CONF_[A-Z_]+, *[^"N]*("[^"]*"|NULL)' |
	sed -E 's/^\{ "([a-z]+)", *"([a-z_0-9]+)", *CONF_.*, *("[^"]*"|NULL)$/\1|\2|\3/' |
	tr -d '"' >"$dir/rows"
cut -d'|' -f1,2 "$dir/rows" | sort >"$dir/table"

# "section|key|value" of the example; prose behind `; ` is no setting.
sed -nE -e 's/^;?\[([a-z]+)[^]]*\]$/[\1/p' \
	-e 's/^;?([a-z_0-9]+) =[ ]?(.*)$/\1|\2/p' "$example" |
	awk '/^\[/ { s = substr($0, 2); next } { print s "|" $0 }' |
	grep -v '|include|' >"$dir/lines"
cut -d'|' -f1,2 "$dir/lines" | sort >"$dir/example"

# "section|key" of the page.
awk '/^\.Ss \[/ { s = $2; gsub(/[][]/, "", s); next }
	/^\.S[sh] / { s = "" }
	s != "" && /^\.It Ic / { print s "|" $3 }' "$page" | sort >"$dir/page"

# same(WHAT, LIST): as the table, each once.
same() {
	if ! diff "$dir/table" "$dir/$2" >"$dir/diff"; then
		echo "FAIL: $1 and $table differ (< only in the table):"
		grep '^[<>]' "$dir/diff"
		failed=1
	fi
}
rows=$(wc -l <"$dir/table")
literals=$(grep -cE '^ *\{ "[a-z]+", "[a-z_0-9]+",' "$table")
if [ "$rows" -lt 70 ] || [ "$rows" -ne "$literals" ]; then
	echo "FAIL: $rows of $literals rows read from $table"
	failed=1
fi
same "$example" example
same "$page" page

# A setting behind a semicolon shows its default, unless it is a sample.
samples='authserv_id nameserver username password_file publish server'
samples="$samples tsig_key_file token_url client_secret_file"
while IFS='|' read -r section key standard; do
	case " $samples " in *" $key "*) continue ;; esac
	if [ "$standard" = NULL ]; then
		continue
	fi
	if ! grep -qxF "$section|$key|$standard" "$dir/lines" &&
		! grep -q "^$key = " "$example"; then
		echo "FAIL: [$section] $key: its default is not in $example"
		failed=1
	fi
done <"$dir/rows"

# The page tells the default of each setting that has one; "Default, each"
# is that of all above it which had none.
awk -F'|' '
	NR == FNR { if ($3 != "" && $3 != "NULL") has[$1 "|" $2] = 1; next }
	/^\.Ss / { s = substr($0, 6); gsub(/[][]| NAME/, "", s); key = ""; next }
	/^\.Sh / { s = ""; key = "" }
	/^\.It Ic / && s != "" { split($0, w, " "); key = s "|" w[3] }
	/Default, each/ { for (k in has) if (index(k, s "|") == 1 && k in seen) told[k] = 1 }
	key != "" { seen[key] = 1 }
	key != "" && /[Dd]efault/ { told[key] = 1 }
	END { for (k in has) if (!(k in told)) { print k; bad = 1 } exit bad }
' "$dir/rows" "$page" >"$dir/untold" || {
	echo "FAIL: $page does not tell the default of:"
	cat "$dir/untold"
	failed=1
}

if command -v mandoc >/dev/null; then
	for file in "$srcdir"/etc/man/sealpost.conf.5 \
		"$srcdir"/etc/man/sealpost-users.conf.5; do
		mandoc -T lint -W warning "$file" || failed=1
	done
else
	echo "note: mandoc is missing, pages not checked: apt-get install mandoc"
fi
[ "$failed" -eq 0 ] && echo "$rows settings: table, example and page agree"
exit "$failed"
