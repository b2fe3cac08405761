#!/usr/bin/env bash
# ./dev bench: measures on a stack of its own and writes bench/RESULTS.md when all was measured.
#   run.sh [api] [latency] [bulk] [memory]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/dev/env.sh
. tools/dev/progress.sh
export STATE=$BASE/bench RUN=$RUNS/bench INST
unset HTTPS_PORT HTTP_PORT PG_PORT REDIS_PORT HOOK_PORT HOOKS_PORT
stack() { bash tools/dev/stack.sh "$@"; }
OUT=$DEV/log/bench
mkdir -p "$OUT" "$STATE"
rm -f "$OUT"/*.rows
# The capacity guard stays on; one client address carries the whole load here.
printf '%s\n' "nginx_rate = 1000000" "nginx_burst = 100000" >"$STATE/extra.conf"
trap 'stack stop' EXIT
progress "start" "$OUT/start.log" stack start
stack admin tenant create --name bench >/dev/null
KEY=$(stack admin key create --tenant bench --name "bench-$$" --scopes admin --roles admin | awk 'END {print $NF}')
stack admin issuer create --tenant bench --issuer https://bench.test --audience millrace \
  --key-name dev.key --provision >/dev/null
TOKEN=$(stack admin token --issuer https://bench.test --audience millrace --subject bench \
  --key-file "$STATE/keys/dev.key" --scope admin --roles admin --expires 86400 | tail -n 1)
set -a
eval "$(stack env | grep -v '^MILLRACE_KEY=')"
export MILLRACE_KEY=$KEY MILLRACE_TOKEN=$TOKEN OUT
set +a
for _ in $(seq 100); do # workers learn of a new issuer within a second
  if curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $TOKEN" -o /dev/null "$MILLRACE_URL/api/v1/workflows"; then break; fi
  sleep 0.1
done

names=("$@")
[ ${#names[@]} -gt 0 ] || names=(api latency bulk memory)
for name in "${names[@]}"; do
  say "== $name"
  case $name in
  api | memory) bash "bench/$name.sh" ;;
  latency | bulk) python3 "bench/$name.py" ;;
  *) die "no such measurement: $name" ;;
  esac
done

table() {
  echo "| what | measured | wanted |"
  echo "|---|---|---|"
  cat "$OUT"/*.rows
}
say
table
if [ ${#names[@]} = 4 ]; then
  {
    echo "# Results"
    echo
    echo "Made by \`./dev bench\` on $(date -u +%Y-%m-%d), version $(sed -n 's/^AC_INIT(\[millrace\], \[\([^]]*\)\].*/\1/p' configure.ac)."
    echo
    echo "Machine: $(nproc) × $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)," \
      "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), Linux $(uname -r);" \
      "PostgreSQL $("$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/postgres" --version | awk '{print $3}') with fsync on," \
      "$(nginx -v 2>&1 | sed 's/.*: //'), $(wrk -v 2>&1 | head -n 1 | awk '{print $1, $2}')." \
      "Client, servers and database share its cores."
    echo
    table
    echo
    echo "How: \`api\` and \`memory\` by wrk over TLS, keep-alive, 32 connections; each run of the API stands"
    echo "beside one of nginx serving a static file of the answer's size with the same TLS and log settings,"
    echo "five times in turn, medians. \`latency\` starts runs one after another with \`?wait=\`. \`bulk\` submits"
    echo "10,000 runs in one request and waits until the last has completed, in turn with naive_loop.sql, which"
    echo "writes the same rows without carrying anything out; medians of five."
  } >bench/RESULTS.md
  say
  say "written to bench/RESULTS.md"
fi
