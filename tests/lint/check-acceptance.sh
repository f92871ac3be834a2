#!/bin/sh
# check-acceptance.sh - each row of tests/acceptance.txt names tests that are
# there, or says why there is none; tests/ACCEPTANCE.md is made from it.
set -eu
python=$(command -v python3) || {
	echo "python3 is missing: not checked"
	exit 77
}
exec "$python" "${srcdir:-$(dirname "$0")/../..}/tests/lint/acceptance.py" --check
