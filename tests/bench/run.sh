#!/bin/sh
# run.sh - messages a second and CPU a message through a real daemon.
#
#   sh tests/bench/run.sh [BUILD-FOLDER [SECONDS]]      (default: build 3)
#
# For RSA-2048 and Ed25519, 2 KB and 10 KB, 1, 20 and 100 sessions: the load
# generator and the sink of this folder on loopback, sharing the machine with
# the daemon. Each row is the median of three rounds; "direct" is load to sink
# without anything between, in the same round. CPU is that of all Sealpost
# processes for 1000 messages. Markdown on standard output.
set -eu
build=$(cd "${1:-build}" && pwd)
seconds=${2:-3}
home=$(mktemp -d)
pids=
cleanup() {
    for p in $pids; do kill "$p" 2>/dev/null || true; done
    rm -rf "$home"
}
trap cleanup EXIT INT TERM
make -s -C "$build" sealpost sealpostd tests/bench/bench_load \
    tests/bench/bench_sink >/dev/null

free_port() {
    python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
sink=$(free_port) port=$(free_port)
mkdir -p "$home/state"
cat >"$home/sealpost.conf" <<CONF
[server]
hostname = relay.bench.example
state_dir = $home/state
[listen bench]
address = 127.0.0.1:$port
tls = none
auth = optional
trusted_networks = 127.0.0.0/8
trusted_user = bench
upstream = sink
[upstream sink]
address = 127.0.0.1:$sink
tls = none
signatures = rsa
[limits]
connections_per_ip = 20000
CONF
tool="$build/sealpost"
cli() { command=$1; shift; "$tool" "$command" -c "$home/sealpost.conf" "$@" >/dev/null; }
echo secret-for-the-bench |
    cli user add bench --from example.com --password-stdin
cli key generate example.com r1 --type rsa --activate
cli key generate example.com e1 --type ed25519 --activate
if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody "$home"
fi
"$build/tests/bench/bench_sink" "$sink" >/dev/null &
pids=$!

start() { # ALGORITHM
    sed -i "s/^signatures = .*/signatures = $1/" "$home/sealpost.conf"
    "$build/sealpostd" -f -c "$home/sealpost.conf" 2>"$home/log" &
    daemon=$!
    n=0
    until grep -q event=ready "$home/log"; do
        n=$((n + 1))
        if [ $n -gt 100 ]; then cat "$home/log"; exit 1; fi
        sleep 0.1
    done
}
# CPU seconds of the daemon and all below it, dead ones too.
cpu() {
    python3 - "$daemon" <<'PY'
import os, sys
want, found, ticks = {int(sys.argv[1])}, True, os.sysconf("SC_CLK_TCK")
parents = {}
for p in filter(str.isdigit, os.listdir("/proc")):
    try:
        f = open(f"/proc/{p}/stat").read().rpartition(")")[2].split()
        parents[int(p)] = (int(f[1]), sum(map(int, f[11:15])))
    except OSError:
        pass
while found:
    more = {p for p, (up, _) in parents.items() if up in want} - want
    found = bool(more)
    want |= more
print(sum(parents[p][1] for p in want if p in parents) / ticks)
PY
}
field() { sed -n "s/.*$1=\([0-9.]*\).*/\1/p"; }
median() { sort -n | sed -n 2p; }
load() { # PORT SESSIONS OCTETS
    "$build/tests/bench/bench_load" -p "$1" -s "$2" -b "$3" -t "$seconds"
}

echo "| signature | octets | sessions | messages/s | p50 ms | p99 ms |" \
    "CPU s/1000 | direct/s | ratio |"
echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
for algorithm in rsa ed25519; do
    start "$algorithm"
    load "$port" 1 2048 >/dev/null
    for octets in 2048 10240; do
        for sessions in 1 20 100; do
            rm -f "$home"/m.*
            for round in 1 2 3; do
                load "$sink" "$sessions" "$octets" | field rate >>"$home/m.direct"
                before=$(cpu)
                line=$(load "$port" "$sessions" "$octets")
                after=$(cpu)
                echo "$line" | field rate >>"$home/m.rate"
                echo "$line" | field p50_ms >>"$home/m.p50"
                echo "$line" | field p99_ms >>"$home/m.p99"
                n=$(echo "$line" | field messages)
                echo "$before $after $n" |
                    awk '{ printf "%.3f\n", ($2 - $1) * 1000 / $3 }' \
                        >>"$home/m.cpu"
            done
            rate=$(median <"$home/m.rate") direct=$(median <"$home/m.direct")
            echo "| $algorithm | $octets | $sessions | $rate |" \
                "$(median <"$home/m.p50") | $(median <"$home/m.p99") |" \
                "$(median <"$home/m.cpu") | $direct |" \
                "$(echo "$rate $direct" | awk '{ printf "%.2f", $1 / $2 }') |"
        done
    done
    kill "$daemon"
    wait "$daemon" || true
done
