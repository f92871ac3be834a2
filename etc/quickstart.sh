#!/bin/sh
# quickstart.sh - Sealpost from its source to a signed message, in one command.
#
#   sh etc/quickstart.sh [--once] [--relay HOST:PORT --relay-user USER]
#                        [--from ADDRESS] [--to ADDRESS]
#
# Installs what is missing to build it, builds it in build/, makes a user, a
# key and a certificate in a scratch folder, and sends one message through it.
# Upstream is `sealpost sink`, which keeps mail in a Maildir, or with --relay
# your own smarthost: its password is asked for, or taken from the environment
# variable RELAY_PASSWORD. It stays up until Ctrl-C, which removes everything;
# --once: it ends after the first message.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
PATH=$PATH:/usr/sbin:/sbin
export PATH

say() {
    printf '\n== %s\n' "$*"
}

die() {
    printf 'quickstart: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '4,5s/^#  *//p' "$top/etc/quickstart.sh" >&2
    exit 64
}

once=no relay='' relay_user='' from='' to=''
while [ $# -gt 0 ]; do
    case $1 in
    --once) once=yes ;;
    --relay | --relay-user | --from | --to)
        [ $# -ge 2 ] || usage
        case $1 in
        --relay) relay=$2 ;;
        --relay-user) relay_user=$2 ;;
        --from) from=$2 ;;
        --to) to=$2 ;;
        esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done
if [ -n "$relay" ]; then
    case $relay in
    *:*) ;;
    *) die "--relay $relay: HOST:PORT is wanted, as in smtp.example.net:587" ;;
    esac
    [ -n "$relay_user" ] || die "--relay needs --relay-user, its login"
    case $relay_user in
    *@*) from=${from:-$relay_user} to=${to:-$relay_user} ;;
    esac
    [ -n "$from" ] && [ -n "$to" ] ||
        die "--relay-user $relay_user is no mail address: add --from and --to"
fi
from=${from:-alice@example.com}
to=${to:-bob@example.net}
domain=${from#*@}

# --- what is needed -------------------------------------------------------

packages="autoconf automake pkg-config gcc make libc6-dev libevent-dev
libcurl4-openssl-dev libjansson-dev libxml2-dev libarchive-dev
libssl-dev libinih-dev libcrypt-dev libgsasl-dev libidn2-dev libseccomp-dev libcmocka-dev openssl curl"
missing=
for p in $packages; do
    dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null |
        grep -qx installed || missing="$missing $p"
done
if [ -n "$missing" ]; then
    install="apt-get install --no-install-recommends$missing"
    [ "$(id -u)" -eq 0 ] || die "missing packages; as root: $install"
    say "installing$missing"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get -qq update >/dev/null 2>&1 || true
    apt-get -qq -y install --no-install-recommends $missing >/dev/null ||
        die "this failed: $install"
fi

# --- build ----------------------------------------------------------------

scratch=$(mktemp -d "${TMPDIR:-/tmp}/sealpost-quickstart.XXXXXX")
sink_pid='' daemon_pid=''

stop() {
    trap '' INT TERM HUP
    trap - EXIT
    for pid in $daemon_pid $sink_pid; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $daemon_pid $sink_pid; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap 'stop' EXIT
trap 'stop; exit 0' INT TERM HUP

say "building in build/ (the first time takes a minute)"
(
    if [ ! -f configure ]; then
        autoreconf -fi
    fi
    mkdir -p build
    cd build
    [ -f Makefile ] || ../configure -q
    make -s -j2
) </dev/null >"$scratch/build.log" 2>&1 || {
    tail -30 "$scratch/build.log"
    die "the build failed"
}

# --- a user, a key, a certificate -----------------------------------------

# A free port of loopback: curl says 7 where nobody listens.
free_port() {
    port=$1
    while :; do
        code=0
        curl -s -m 1 "telnet://127.0.0.1:$port" </dev/null >/dev/null 2>&1 ||
            code=$?
        [ "$code" -ne 7 ] || break
        port=$((port + 1))
        [ "$port" -lt $(($1 + 200)) ] || die "no free port from $1 on"
    done
    echo "$port"
}

# Waits up to 15 s for a line in a file, while a process lives.
wait_line() {
    n=0
    until grep -qs "$1" "$2"; do # it is made by what was started
        n=$((n + 1))
        if [ "$n" -gt 150 ] || ! kill -0 "$3" 2>/dev/null; then
            cat "$2"
            die "$4 did not start"
        fi
        sleep 0.1
    done
}

umask 077
listen=$(free_port 2525)
password=$(openssl rand -hex 8)
mkdir "$scratch/state"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$scratch/key.pem" -out "$scratch/cert.pem" 2>/dev/null

if [ -n "$relay" ]; then
    if [ -z "${RELAY_PASSWORD:-}" ]; then
        printf 'Password of %s at %s: ' "$relay_user" "$relay"
        stty -echo 2>/dev/null || true
        read -r RELAY_PASSWORD || true
        stty echo 2>/dev/null || true
        echo
    fi
    [ -n "${RELAY_PASSWORD:-}" ] || die "no password for $relay_user"
    printf '%s\n' "$RELAY_PASSWORD" >"$scratch/relay.password"
    upstream="address = $relay
tls = starttls
login = password
username = $relay_user
password_file = $scratch/relay.password"
    case $relay in
    *:465) upstream=$(printf '%s' "$upstream" |
        sed 's/^tls = .*/tls = implicit/') ;;
    esac
else
    build/sealpost sink --listen 127.0.0.1:0 --maildir "$scratch/maildir" \
        </dev/null >"$scratch/sink.log" 2>&1 &
    sink_pid=$!
    wait_line '127\.0\.0\.1:[0-9]' "$scratch/sink.log" "$sink_pid" \
        "sealpost sink"
    sink=$(sed -n 's/.*\(127\.0\.0\.1:[0-9][0-9]*\).*/\1/p' \
        "$scratch/sink.log" | head -1)
    upstream="address = $sink
tls = none"
fi

accounts=
if [ "$(id -u)" -eq 0 ]; then
    accounts='user = nobody
keys_user = nobody'
fi
cat >"$scratch/sealpost.conf" <<CONF
[server]
hostname = localhost
state_dir = $scratch/state
workers = 1
$accounts

[listen submission]
address = 127.0.0.1:$listen
tls = starttls
certificate = $scratch/cert.pem
private_key = $scratch/key.pem
upstream = smarthost

[upstream smarthost]
$upstream
CONF

say "a user and a key: sealpost user add, sealpost key generate"
build/sealpost user add alice -c "$scratch/sealpost.conf" --from "$domain" \
    --password-stdin <<PASSWORD
$password
PASSWORD
build/sealpost key generate "$domain" quickstart --activate \
    -c "$scratch/sealpost.conf"
record=$(build/sealpost key show "$domain" quickstart --format value \
    -c "$scratch/sealpost.conf")
printf 'quickstart._domainkey.%s TXT "%s"\n' "$domain" "$record" \
    >"$scratch/dns"

if [ "$(id -u)" -eq 0 ]; then
    chmod 755 "$scratch"
    chown -R nobody "$scratch/state" "$scratch/key.pem" "$scratch/cert.pem"
    [ -z "$relay" ] || chown nobody "$scratch/relay.password"
fi
build/sealpostd -c "$scratch/sealpost.conf" -f </dev/null \
    >"$scratch/log" 2>&1 &
daemon_pid=$!
wait_line event=ready "$scratch/log" "$daemon_pid" sealpostd

# --- the first message ----------------------------------------------------

{
    printf 'From: %s\r\nTo: %s\r\n' "$from" "$to"
    printf 'Subject: Sealpost says hello\r\n\r\n'
    printf 'This message was signed on its way.\r\n'
} >"$scratch/message"

send() {
    curl -sS --ssl-reqd --cacert "$scratch/cert.pem" \
        --url "smtp://localhost:$listen/localhost" --user "alice:$password" \
        --mail-from "$from" --mail-rcpt "$to" --upload-file "$scratch/message"
}

say "sending as alice over STARTTLS and AUTH to localhost:$listen"
send </dev/null || {
    cat "$scratch/log"
    die "the message was refused; the log above says why"
}
if [ -n "$relay" ]; then
    say "$relay took it; the log says"
    grep event=message "$scratch/log" | tail -1
    echo
    echo "Its receiver can check the signature once this record is in DNS:"
    cat "$scratch/dns"
else
    delivered=$(find "$scratch/maildir/new" -type f | head -1)
    say "what the upstream was given"
    tr -d '\r' <"$delivered"
    say "what a receiver will say of it: sealpost verify"
    build/sealpost verify --dns "$scratch/dns" <"$delivered" ||
        die "the signature is not good"
fi
[ "$once" = no ] || exit 0

cat <<NEXT

== up until Ctrl-C; the next message

curl --ssl-reqd --cacert $scratch/cert.pem \\
    --url smtp://localhost:$listen/localhost --user alice:$password \\
    --mail-from $from --mail-rcpt $to --upload-file $scratch/message

the log      $scratch/log
NEXT
[ -n "$relay" ] || echo "the Maildir  $scratch/maildir"
code=0
wait "$daemon_pid" || code=$?
daemon_pid=
cat "$scratch/log"
die "sealpostd ended by itself with exit code $code"
