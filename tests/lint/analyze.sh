#!/bin/sh
# analyze.sh - looks for mistakes in what was written, not in what it does.
#
#   analyze.sh WAY FLAGS...    what `make analyze-WAY` runs, in a build folder
#
#   cppcheck   all of smtp/, dkim/, proxy/
#   tidy       clang-tidy with .clang-tidy, the analyzer's checks left out:
#   scan       scan-build does those, in a build of its own
#   msan       unit tests and corpora of smtp/ and dkim/ in a build of their
#              own with MemorySanitizer
#   valgrind   unit tests and corpora of this build, but for valgrind.txt
#
# FLAGS are the compiler's. FILES="FILE..." limits cppcheck and tidy to these.
# It installs nothing: what is missing is named. Exit 0: nothing was found.
set -u
export LC_ALL=C
top=${srcdir:-$(dirname "$0")/../..}
top=$(cd "$top" && pwd)
way=${1-}
[ $# -gt 0 ] && shift
out=analyze
mkdir -p "$out" || exit 99

# need PROGRAM PACKAGE
need() {
	command -v "$1" >/dev/null || {
		echo "$way: $1 is missing: apt-get install $2"
		exit 99
	}
}

# The product's files, one a line.
product() {
	if [ -n "${FILES-}" ]; then
		printf '%s\n' $FILES
	else
		find "$top/smtp" "$top/dkim" "$top/proxy" -name '*.c' | sort
	fi
}

# own_build CONFIGURE-ARGUMENTS...: an empty folder, configured
own_build() {
	rm -rf "$out/$way"
	mkdir "$out/$way" && cd "$out/$way" &&
		"$top/configure" -q --enable-werror "$@"
}

# The macros of lists come before the files: cppcheck reads no system headers.
queue_h() {
	printf '#include <sys/queue.h>\n' | cc -E - |
		sed -n 's/^# 1 "\(.*queue\.h\)".*/\1/p'
}

# units TESTS VARIABLE=VALUE...: says what did not pass, and its end. `check`
# would build the programs first, which these tests do not need.
units() {
	tests=$(echo $1)
	shift
	find . -name '*.trs' -exec rm -f {} +
	make -k -s -j2 check-TESTS check_PROGRAMS="$tests" TESTS="$tests" "$@" \
		>check.log 2>&1 && return 0
	grep -A 3 -E 'error:|undefined reference' check.log | head -40
	for trs in $(grep -lE '^:test-result: *(FAIL|ERROR)' \
		$(find . -name '*.trs')); do
		echo "FAIL ${trs%.trs}"
		tail -40 "${trs%.trs}.log"
	done
	return 1
}

# Only what is included and defined: cppcheck takes no other flag. What it
# finds over several files does not change its exit code: all it says counts.
analyze_cppcheck() {
	need cppcheck cppcheck
	mkdir -p "$out/cppcheck"
	for flag; do
		shift
		case $flag in -[ID]*) set -- "$@" "$flag" ;; esac
	done
	product >"$out/cppcheck.files"
	cppcheck -q -j2 --std=c11 --enable=warning,performance,portability \
		--library=posix,openssl --include="$(queue_h)" \
		--cppcheck-build-dir="$out/cppcheck" --inline-suppr \
		--suppressions-list="$top/tests/lint/cppcheck.txt" \
		--error-exitcode=1 "$@" --file-list="$out/cppcheck.files" \
		>"$out/cppcheck.log" 2>&1
	status=$?
	cat "$out/cppcheck.log"
	[ "$status" -eq 0 ] && [ ! -s "$out/cppcheck.log" ]
}

# What it counts and what it hides are lines of their own: not findings.
analyze_tidy() {
	need clang-tidy clang-tidy
	product | xargs -P 2 -I '{}' clang-tidy --quiet \
		--checks='-clang-analyzer-*' --warnings-as-errors='*' '{}' -- "$@" \
		2>"$out/tidy.log"
	status=$?
	grep -vE '^([0-9]+ warnings? (and [0-9]+ errors? )?generated|Suppressed|Use -header-filter)' \
		"$out/tidy.log"
	return "$status"
}

analyze_scan() {
	need scan-build clang-tools
	need clang clang
	(own_build CC=clang &&
		scan-build --use-cc=clang --status-bugs -o reports \
			make -s -j2 libsmtp.a libdkim.a libproxy.a sealpost sealpostd)
}

analyze_msan() {
	need clang clang
	(own_build CC=clang CFLAGS='-g -O1' --enable-sanitizers=memory &&
		units "$(make -s pure-tests) ${MSAN_MORE-tests/unit/test_arc
			tests/unit/test_dmarc tests/unit/test_spf
			tests/unit/test_spf_limits tests/unit/test_spf_macros}")
}

analyze_valgrind() {
	need valgrind valgrind
	make -s check-programs | grep -vxF "$(sed 's/ .*//' \
		"$top/tests/lint/valgrind.txt")" >"$out/valgrind.tests"
	units "$(cat "$out/valgrind.tests")" LOG_COMPILER=valgrind LOG_FLAGS="-q \
		--error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
		--errors-for-leak-kinds=definite"
}

case $way in
cppcheck | tidy | scan | msan | valgrind) ;;
*)
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit 64
	;;
esac
began=$(date +%s)
"analyze_$way" "$@"
status=$?
echo "analyze-$way: $([ $status -eq 0 ] && echo clean || echo NOT CLEAN), $(($(date +%s) - began)) s"
exit "$status"
