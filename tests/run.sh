#!/bin/sh
# run.sh - installs what is missing, builds, runs every test, counts.
#
#   sh tests/run.sh             everything
#   sh tests/run.sh NAME...     only integration tests whose name has NAME
#   sh tests/run.sh --long      everything, and in full what is else cut short:
#                               some seven hours, five of them fuzzing
#
# SEALPOST_FUZZ_S="N NAME=N..." says for how many seconds each target is fuzzed,
# and NAME: SEALPOST_FUZZ_S=30 tests/run.sh --long takes two hours.
#
# Four builds: build/ as it is shipped, build-asan/ with AddressSanitizer and
# UBSan, build-tsan/ with ThreadSanitizer, build-fuzz/ with libFuzzer. Unit
# tests run in the first two, those with threads in the third; loaders of files
# (--long: all) are fuzzed with the fourth. --long: build-coverage/, which says
# what all tests reach. Below build/ are those of MemorySanitizer, for smtp/ and
# dkim/, and what cppcheck found. Integration tests run in the second, some in
# the first too. The last line is "N passed, N failed[, N skipped]"; exit 1 when
# any failed.
set -eu
exec </dev/null
cd "$(dirname "$0")/.."
top=$PWD
fuzz_s=6 integration_s=900
if [ "${1-}" = --long ]; then
    shift
    SEALPOST_LONG=1 fuzz_s=600 integration_s=20000
    export SEALPOST_LONG
fi
PATH=$PATH:/usr/sbin:/sbin
export PATH LC_ALL=C

nobody="setpriv --reuid=nobody --regid=nogroup --clear-groups"
if [ "$(id -u)" -eq 0 ] && $nobody true && ! $nobody test -r "$top/configure.ac"
then
    echo "tests run programs as the account nobody, who may not read $top"
    echo "clone into a folder that all may enter, such as /srv"
    exit 1
fi

# Libraries, compilers and tools; no package that runs a service. The mail
# servers that some tests need are only unpacked: tests/support/peers.py.
packages="autoconf automake pkg-config gcc make clang libclang-rt-14-dev
libc6-dev libevent-dev libssl-dev libinih-dev libcrypt-dev libgsasl-dev
libidn2-dev libseccomp-dev libcurl4-openssl-dev libjansson-dev libxml2-dev
libarchive-dev libcmocka-dev
python3 python3-dkim python3-nacl openssl swaks
libnet-ssleay-perl msmtp curl bind9-dnsutils gsasl valgrind strace iproute2
binutils cppcheck xz-utils ${SEALPOST_LONG:+llvm}"

missing=
for p in $packages; do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
        grep -qx installed || missing="$missing $p"
done
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing:$missing"
        echo "as root: apt-get install --no-install-recommends$missing"
        exit 1
    fi
    echo "installing$missing"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get -qq update >/dev/null 2>&1 || true
    if ! apt-get -qq -y install --no-install-recommends $missing \
        >install.log 2>&1; then
        tail -20 install.log
        echo "this failed: apt-get install --no-install-recommends$missing"
        exit 1
    fi
    rm -f install.log
fi

passed=0 failed=0 skipped=0
begin=$(date +%s)

# phase TEXT: how far it is, and since when
phase() {
    now=$(($(date +%s) - begin))
    printf '== %d:%02d:%02d %s\n' $((now / 3600)) $((now / 60 % 60)) \
        $((now % 60)) "$*"
}

threaded_tests="tests/unit/test_keeper_client tests/unit/test_keeper_handles
tests/unit/test_keeper_lost tests/unit/test_keeper_protocol
tests/unit/test_keeper_queue tests/unit/test_keywalk
tests/integration/test_keeper tests/integration/test_keeper_life
tests/integration/test_keeper_trouble"
threaded_tests=$(echo $threaded_tests)
targets=

# build FOLDER CONFIGURE-ARGUMENTS...
build() {
    folder=$1
    shift
    mkdir -p "$folder"
    phase "building $folder"
    if ! (cd "$folder" && "$top/configure" -q --enable-werror "$@" &&
        make -s -j2 $targets) >"$folder.log" 2>&1; then
        tail -40 "$folder.log"
        echo "FAIL building $folder"
        failed=$((failed + 1))
        return 1
    fi
    rm -f "$folder.log"
}

# unit FOLDER [TEST...]: every test program that make check ran is one test
unit() {
    phase "unit tests with $1"
    (cd "$1" && find . -name '*.trs' -exec rm -f {} + &&
        make -k -s -j2 check ${2:+check_PROGRAMS="$2" TESTS="$2"}) \
        >"$1/check.log" 2>&1 || true
    before=$failed
    ran=0
    for trs in $(cd "$1" && find . -name '*.trs' | sort); do
        name=${trs#./}
        name=${name%.trs}
        result=$(sed -n 's/^:test-result: *//p' "$1/$trs" | sort -u | head -1)
        ran=$((ran + 1))
        case $result in
        PASS | XFAIL)
            passed=$((passed + 1))
            echo "ok   $1/$name"
            ;;
        SKIP)
            skipped=$((skipped + 1))
            echo "skip $1/$name"
            ;;
        *)
            failed=$((failed + 1))
            echo "FAIL $1/$name"
            tail -40 "$1/$name.log"
            ;;
        esac
    done
    if [ "$ran" -eq 0 ]; then
        grep -A 3 -E 'error:|undefined reference' "$1/check.log" | head -40
        failed=$((failed + 1))
        echo "FAIL $1: make check could not build its programs"
    elif [ "$before" -eq "$failed" ] && grep -q '^make.*Error' "$1/check.log"
    then
        grep -B 20 '^make.*Error' "$1/check.log" | tail -40
        failed=$((failed + 1))
        echo "FAIL $1: make check"
    fi
}

# cost FOLDER: instructions and system calls of a message, one test
cost() {
    if (cd "$1" && make -s check-cost) >"$1/cost.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $1/check-cost"
    else
        failed=$((failed + 1))
        echo "FAIL $1/check-cost"
        tail -40 "$1/cost.log"
    fi
}

# analyze FOLDER WAY [VARIABLE=VALUE]: one of `make analyze`, one test
analyze() {
    if (cd "$1" && make -s "analyze-$2" ${3+"$3"}) >"$1/$2.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $1/analyze-$2"
    else
        failed=$((failed + 1))
        echo "FAIL $1/analyze-$2"
        tail -40 "$1/$2.log"
    fi
}

# integration FOLDER [NAME...]: one test more at a time than there are CPUs, for
# much of the time is waiting
integration() {
    folder=$1
    shift
    phase "integration tests with $folder"
    rm -f "$folder/counts"
    SEALPOST_BUILD=$top/$folder SEALPOST_KEEP=$top/build PYTHONDONTWRITEBYTECODE=1 \
        timeout -k 10 "$integration_s" /usr/bin/python3 tests/support/runner.py \
        --counts "$folder/counts" --jobs $(($(nproc) + 1)) "$@" || true
    if [ -f "$folder/counts" ]; then
        read -r p f s <"$folder/counts"
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    else
        failed=$((failed + 1))
        echo "FAIL $folder: the integration tests did not come to their end"
    fi
}

# coverage FOLDER: what all tests reach together, one test
coverage() {
    phase "what tests reach, with $1"
    if (cd "$1" && env -u SEALPOST_LONG make -s coverage) \
        >"$1/coverage.log" 2>&1; then
        passed=$((passed + 1))
        echo "ok   $1/coverage"
    else
        failed=$((failed + 1))
        echo "FAIL $1/coverage"
    fi
    grep -E '^FAIL|  goal ' "$1/coverage.log" || tail -40 "$1/coverage.log"
}

# fuzz_time NAME: seconds
fuzz_time() {
    seconds=$fuzz_s
    if [ -n "${SEALPOST_LONG-}" ]; then
        case $1 in
        smtp_data | dkim_header | dns_packet | session) seconds=3600 ;;
        esac
    fi
    for word in ${SEALPOST_FUZZ_S-}; do
        case $word in
        "$1="*) seconds=${word#*=} ;;
        *=*) ;;
        *) seconds=$word ;;
        esac
    done
    echo "$seconds"
}

# fuzz_each NAME...: one after the other
fuzz_each() {
    for name in "$@"; do
        seconds=$(fuzz_time "$name")
        grown=build-fuzz/corpus-$name
        mkdir -p "$grown"
        phase "fuzzing $name for $seconds s"
        if (cd build-fuzz && "tests/fuzz/fuzz_$name" -rss_limit_mb=2048 \
            -max_total_time="$seconds" "corpus-$name" \
            "$top/tests/fuzz/corpus/$name") >"build-fuzz/$name.log" 2>&1; then
            echo "ok   build-fuzz/fuzz_$name"
            rm "build-fuzz/$name.fails"
        else
            echo "FAIL build-fuzz/fuzz_$name"
            tail -40 "build-fuzz/$name.log"
        fi
    done
}

# fuzz NAME...: two at a time
fuzz() {
    odd='' even=''
    for name in "$@"; do
        : >"build-fuzz/$name.fails" # until it has not
        new=$odd
        odd="$even $name" even=$new
    done
    fuzz_each $odd &
    other=$!
    fuzz_each $even
    wait "$other"
    for name in "$@"; do
        if [ -f "build-fuzz/$name.fails" ]; then
            failed=$((failed + 1))
        else
            passed=$((passed + 1))
        fi
    done
}

if ! autoreconf -fi >autoreconf.log 2>&1; then
    cat autoreconf.log
    exit 1
fi
rm -f autoreconf.log
if [ $# -gt 0 ]; then
    build build && integration build "$@"
else
    if build build; then
        if [ -z "${SEALPOST_LONG-}" ]; then
            SEALPOST_STEPS=1000000 # of the session's model: 25 s of a processor
            export SEALPOST_STEPS
        fi
        unit build
        unset SEALPOST_STEPS
        cost build
        analyze build cppcheck
        analyze build msan MSAN_MORE= # without what needs all of proxy/
    fi
    if build build-asan CC=clang CFLAGS="-g -O1" --enable-sanitizers; then
        # The shipped build walks the model's long way.
        if [ -n "${SEALPOST_LONG-}" ]; then
            SEALPOST_STEPS=1000000
            export SEALPOST_STEPS
        fi
        unit build-asan
        unset SEALPOST_STEPS
        integration build-asan
    fi
    if [ -n "${SEALPOST_LONG-}" ] && build build-coverage CC=clang \
        CFLAGS="-g -O1" --enable-coverage; then
        coverage build-coverage
    fi
    # The keeper has threads, and whoever lists a large key store.
    targets="libsmtp.a libdkim.a libproxy.a"
    if build build-tsan CC=clang CFLAGS="-g -O1" --enable-sanitizers=thread
    then
        unit build-tsan "$threaded_tests"
    fi
    fuzzed="config userfile domainfile pem keynote"
    if [ -n "${SEALPOST_LONG-}" ]; then
        fuzzed=$(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
    fi
    targets=$(printf ' tests/fuzz/fuzz_%s' $fuzzed)
    if build build-fuzz CC=clang CFLAGS="-g -O1" --enable-fuzzing \
        --enable-sanitizers; then
        fuzz $fuzzed
    fi
    if [ -x build/sealpostd ]; then
        # As shipped it is confined; with sanitizers it is not.
        integration build test_relay test_confine test_service test_reload \
            test_adversity test_reload_faults test_many test_tls_upstream \
            test_inbound.
    fi
fi

if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
