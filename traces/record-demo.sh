#!/usr/bin/env bash
# Records traces/demo.pcapng: real traffic of real programs between two network namespaces.
#
# May touch: two namespaces it makes and removes, a temporary directory, and demo.pcapng and MANIFEST.json in this folder, or beside the file named as argument.
# Nothing outside the two namespaces is contacted: they have one veth pair, no route and no way out.
# Run as root: `bash traces/record-demo.sh`. Another recording differs in timing, ports and sequence numbers, not in kind.
# Needs (Debian): iproute2 ethtool tcpdump tshark nginx-light dnsmasq-base bind9-dnsutils curl iputils-ping python3
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
output=${1:-$here/demo.pcapng}
server=model-t-server-$$
client=model-t-client-$$
work=$(mktemp -d)
# Children are started by `ip netns exec` itself, not through a function, so that the recorded process id is theirs.
daemons=()

in_client() { ip netns exec "$client" "$@"; }

clean_up() {
  for pid in "${daemons[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait || true
  ip netns del "$server" 2>/dev/null || true
  ip netns del "$client" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

require() {
  for program in "$@"; do
    command -v "$program" >/dev/null || { echo "record-demo: $program is not installed" >&2; exit 3; }
  done
  [ "$(id -u)" = 0 ] || { echo "record-demo: network namespaces need root" >&2; exit 3; }
}

# The kernel must fill in every checksum and cut every segment before the capture sees it, hence no offload at all.
make_link() {
  ip netns add "$server"
  ip netns add "$client"
  ip -n "$server" link add name wire address 02:00:00:00:00:01 type veth \
    peer name wire address 02:00:00:00:00:02 netns "$client"
  local side
  for side in "$server" "$client"; do
    ip netns exec "$side" ethtool -K wire tso off gso off gro off sg off tx off rx off txvlan off rxvlan off > /dev/null
    ip -n "$side" link set lo up
    ip -n "$side" link set wire up
  done
  ip -n "$server" address add 192.0.2.1/24 dev wire
  ip -n "$server" address add 2001:db8::1/64 dev wire nodad
  local host
  for host in 10 11 12 13 14 15; do
    ip -n "$client" address add "192.0.2.$host/24" dev wire
    ip -n "$client" address add "2001:db8::$host/64" dev wire nodad
  done
}

# Text from a fixed seed: it compresses like prose, and nobody else wrote it.
make_pages() {
  mkdir -p "$work/pages"
  python3 - "$work/pages" <<'PYTHON'
import random, sys
folder, draw = sys.argv[1], random.Random(20)
syllables = 'ba de fi go lu ma ne pi ro su ta ve wi xo zu'.split()
words = [''.join(draw.choices(syllables, k=draw.randint(1, 4))) for _ in range(900)]
weights = [1 / (rank + 2) for rank in range(len(words))]
def prose(size):
    text = []
    while sum(map(len, text)) + len(text) < size:
        text.append(' '.join(draw.choices(words, weights, k=draw.randint(5, 14))).capitalize() + '.')
    return '\n'.join(text)[:size]
for number, size in enumerate([300, 900, 2_000, 4_000, 8_000, 12_000, 20_000, 40_000]):
    title = f'Page {number}'
    with open(f'{folder}/page{number}.html', 'w') as page:
        page.write(f'<!doctype html><title>{title}</title><h1>{title}</h1>\n<p>{prose(size)}</p>\n')
with open(f'{folder}/download.txt', 'w') as download:
    download.write(prose(260_000))
with open(f'{folder}/download6.txt', 'w') as download:
    download.write(prose(110_000))
PYTHON
  touch -d 2026-01-01T00:00:00Z "$work"/pages/*
  chmod -R a+rX "$work"
}

start_web_server() {
  cat > "$work/nginx.conf" <<CONF
daemon off;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx-error.log;
events { worker_connections 64; }
http {
  access_log off;
  types { text/plain txt; }
  default_type text/html;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  gzip on; gzip_min_length 256;
  server {
    listen 192.0.2.1:80; listen [2001:db8::1]:80;
    server_name www.example.test;
    root $work/pages;
    location /close/ { keepalive_timeout 0; alias $work/pages/; }
    location /upload { client_max_body_size 1m; proxy_pass http://127.0.0.1:8080; }
  }
  server { listen 127.0.0.1:8080; return 204; }
}
CONF
  ip netns exec "$server" nginx -e "$work/nginx-error.log" -c "$work/nginx.conf" &
  daemons+=($!)
}

start_name_server() {
  {
    echo 'local=/example.test/'
    echo 'host-record=www.example.test,192.0.2.1,2001:db8::1,300'
    echo 'cname=web.example.test,www.example.test'
    echo 'mx-host=example.test,mail.example.test,10'
    echo 'txt-record=example.test,"v=spf1 -all"'
    local host
    for host in $(seq 1 40); do
      echo "host-record=host$host.example.test,198.51.100.$host,2001:db8:1::$host"
      echo "host-record=many.example.test,198.51.100.$((100 + host)),2001:db8:2::$host"
    done
  } > "$work/dnsmasq.conf"
  ip netns exec "$server" dnsmasq --keep-in-foreground --conf-file="$work/dnsmasq.conf" --no-resolv --no-hosts --no-poll --pid-file \
    --user=root --bind-interfaces --listen-address=192.0.2.1,2001:db8::1 --edns-packet-max=1232 2> "$work/dnsmasq.log" &
  daemons+=($!)
}

look_up() { in_client dig +tries=1 +time=2 +nocookie "$@" > /dev/null || true; }
fetch() { in_client curl --silent --show-error --fail --output /dev/null "$@"; }

make_name_traffic() {
  local host address family
  for host in $(seq 1 40); do
    address=192.0.2.$((10 + host % 6))
    look_up -b "$address" @192.0.2.1 "host$host.example.test" A
    [ $((host % 2)) = 0 ] || look_up -b "2001:db8::$((10 + host % 6))" @2001:db8::1 "host$host.example.test" AAAA
  done
  for family in 192.0.2.1 2001:db8::1; do
    look_up @$family example.test TXT
    look_up @$family example.test MX
    look_up @$family web.example.test A
    look_up @$family absent.example.test A           # NXDOMAIN
    look_up @$family many.example.test AAAA +bufsize=512   # truncated, then asked again over TCP
    look_up @$family many.example.test A +bufsize=1232
    look_up @$family www.example.test A +tcp
    look_up @$family many.example.test AAAA +tcp
  done
  look_up @192.0.2.1 -p 5353 www.example.test A      # nobody listens: ICMP port unreachable
  look_up @2001:db8::1 -p 5353 www.example.test A
}

make_web_traffic() {
  local page lap
  local v4=http://192.0.2.1 v6='http://[2001:db8::1]'
  for lap in 0 1 2 3; do
    for page in 0 1 2 3 4 5 6 7; do
      fetch --compressed --header 'Host: www.example.test' --interface "192.0.2.$((10 + (page + lap) % 6))" "$v4/close/page$page.html"
    done
    fetch --compressed --header 'Host: www.example.test' --interface "2001:db8::$((10 + lap))" "$v6/close/page$((lap * 2)).html"
  done
  # One connection, many requests.
  in_client curl --silent --fail --compressed --header 'Host: www.example.test' --interface 192.0.2.12 "$v4/page[0-7].html" > /dev/null
  in_client curl --silent --fail --compressed --header 'Host: www.example.test' --interface 2001:db8::13 "$v6/page[0-5].html" > /dev/null
  in_client curl --silent --header 'Host: www.example.test' "$v4/absent.html" > /dev/null
  head -c 60000 "$work/pages/download.txt" > "$work/upload.txt"
  fetch --header 'Host: www.example.test' --data-binary "@$work/upload.txt" "$v4/upload"
  fetch --header 'Host: www.example.test' "$v4/download.txt"
  fetch --header 'Host: www.example.test' "$v6/download6.txt"
  # Small requests side by side: most packets of a network are small, and flows overlap.
  local round
  for round in 1 2 3 4 5 6 7 8; do
    in_client curl --parallel --parallel-max 8 --fail --header 'Host: www.example.test' --interface "192.0.2.$((10 + round % 6))" \
      "$v4/close/page[0-2].html" "$v4/close/page[0-2].html" > /dev/null 2>&1     # --parallel shows its meter whatever one says
  done
}

make_echo_traffic() {
  in_client ping -q -n -c 5 -i 0.02 192.0.2.1 > /dev/null
  in_client ping -q -n -c 5 -i 0.02 2001:db8::1 > /dev/null
  in_client ping -q -n -c 3 -i 0.02 -s 1400 192.0.2.1 > /dev/null
  in_client ping -q -n -c 3 -i 0.02 -s 1400 2001:db8::1 > /dev/null
  in_client ping -q -n -c 2 -i 0.02 -s 3000 192.0.2.1 > /dev/null     # fragments
  in_client ping -q -n -c 2 -i 0.02 -s 3000 2001:db8::1 > /dev/null
}

record() {
  ip netns exec "$server" tcpdump --interface wire --snapshot-length 65535 --time-stamp-precision nano --buffer-size 16384 \
    --immediate-mode -Z root -w "$work/demo.pcap" 2> "$work/tcpdump.log" &
  local recorder=$!
  daemons+=("$recorder")
  until grep -q 'listening on' "$work/tcpdump.log"; do sleep 0.1; done
  ip -n "$client" neighbour flush all
  ip -n "$server" neighbour flush all
  make_echo_traffic
  make_name_traffic
  make_web_traffic
  sleep 1
  kill -TERM "$recorder"     # a shell starts background programs with SIGINT ignored
  wait "$recorder"
  grep -q '^0 packets dropped by kernel' "$work/tcpdump.log" || { cat "$work/tcpdump.log" >&2; exit 4; }
  editcap -F pcapng "$work/demo.pcap" "$output"
}

check() {
  local bad
  bad=$(tshark -r "$output" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
    -Y 'ip.checksum.status==0 || tcp.checksum.status==0 || udp.checksum.status==0 || icmp.checksum.status==0 || icmpv6.checksum.status==0' 2>/dev/null | wc -l)
  [ "$bad" = 0 ] || { echo "record-demo: $bad packets with a bad checksum" >&2; exit 4; }
}

first_line() { "$@" 2>&1 | head -n 1; }

write_manifest() {
  python3 - "$output" "$(dirname "$output")/MANIFEST.json" \
    "$(first_line tcpdump --version)" "$(first_line editcap --version)" "$(nginx -v 2>&1 | sed 's/.*: //')" \
    "$(first_line dnsmasq --version)" "$(first_line curl --version | cut -d' ' -f1,2)" "$(first_line dig -v)" "$(first_line ping -V)" \
    "$(capinfos -M -c "$output" | sed -n 's/^Number of packets: *//p')" <<'PYTHON'
import datetime, hashlib, json, os, sys
path, manifest, *programs, packets = sys.argv[1:]
content = open(path, 'rb').read()
programs = [name.split(' Copyright')[0].strip().rstrip('.') for name in programs]
entry = {
    'path': os.path.basename(path), 'bytes': len(content), 'sha256': hashlib.sha256(content).hexdigest(),
    'packets': int(packets), 'format': 'pcapng', 'linkType': 'EN10MB (1)',
    'made': 'recorded by record-demo.sh on a veth pair between two network namespaces, all offloads off',
    'programs': programs, 'date': datetime.date.today().isoformat(), 'licence': 'MIT',
}
with open(manifest, 'w') as out:
    json.dump({'schemaVersion': 1, 'captures': [entry]}, out, indent=2)
    out.write('\n')
PYTHON
}

require ip ethtool tcpdump editcap capinfos tshark nginx dnsmasq dig curl ping python3
make_link
make_pages
start_web_server
start_name_server
until in_client curl --silent --output /dev/null http://192.0.2.1/page0.html; do sleep 0.1; done
until in_client dig +time=1 +tries=1 @2001:db8::1 www.example.test > /dev/null; do sleep 0.1; done
record
check
write_manifest
capinfos -M -c -s -S -e "$output" >&2 || true
