#!/bin/sh
# run.sh - measures a build and writes tables and a plot; see README.md.
#
#   sh tests/bench/run.sh [--quick] [--build FOLDER] [--out FOLDER] [PART...]
#
# Without PART all of them; --help names them. Options go to the program in
# tests/bench/measure, which does the work.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here/../support:$here/measure"
PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH PYTHONDONTWRITEBYTECODE
exec "$(command -v /usr/bin/python3 || command -v python3)" \
    "$here/measure/main.py" "$@"
