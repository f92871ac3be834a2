#!/bin/sh
# check-hardening - what checksec looks at, in the programs as they are built:
# PIE, RELRO, immediate binding, no executable stack or writable code, no
# search path for libraries, canary, _FORTIFY_SOURCE=3 and, on x86-64, CET.
#
# A sanitizer takes the place of the last two: they are not asked for then.
set -u
command -v readelf >/dev/null || {
	echo "readelf is missing: apt-get install binutils"
	exit 77
}
failed=0

# want WHAT: fails, with its name, when the last command did
want() {
	[ "$?" -eq 0 ] || {
		echo "$program: no $1"
		failed=1
	}
}

# has PATTERN OPTION...: what readelf says of the program
has() {
	pattern=$1
	shift
	LC_ALL=C readelf -W "$@" "$program" | grep -Eq -- "$pattern"
}

# Each object of ours: one alone without the note takes it from the program,
# and so may a library, which is not ours to mend.
objects_with_cet() {
	for archive in libsmtp.a libdkim.a libproxy.a; do
		LC_ALL=C readelf -W -n "$archive" | awk -v archive="$archive" '
			/^File: / { file = $2; objects++; missing[file] = 1 }
			/IBT, SHSTK/ { delete missing[file] }
			END {
				for (file in missing) print file ": no CET"
				if (objects == 0) print archive ": no objects"
			}'
	done
}

for program in sealpostd sealpost; do
	if [ ! -x "$program" ]; then
		echo "$program is not built"
		exit 1
	fi
	has 'Type: +DYN' -h && has 'FLAGS_1.*PIE' -d
	want "PIE"
	has 'GNU_RELRO' -l
	want "RELRO"
	has 'FLAGS.*NOW' -d
	want "immediate binding: RELRO is but partial"
	has 'GNU_STACK.* RW +0x' -l
	want "stack without execution"
	! has ' RWE ' -l
	want "separation of code and data"
	! has 'RPATH|RUNPATH' -d
	want "list of libraries free of RPATH"
	has '__stack_chk_fail' --dyn-syms
	want "canary"
	if has '__(asan|tsan|msan)_init' --dyn-syms; then
		continue
	fi
	has '_chk@GLIBC' --dyn-syms && grep -Eq \
		'^HARDEN_CFLAGS = .*-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3' Makefile
	want "_FORTIFY_SOURCE=3"
	if [ "$program" = sealpostd ] && has 'X86-64' -h; then
		without=$(objects_with_cet)
		if [ -n "$without" ]; then
			printf '%s\n' "$without"
			failed=1
		fi
	fi
done
exit "$failed"
