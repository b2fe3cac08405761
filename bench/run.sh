#!/usr/bin/env bash
# ./dev bench: measures on a stack of its own. A suite that was measured whole goes to RESULTS.md.
#   run.sh [--big] [NAME…]          api latency bulk create list conditional jwt limits memory; big with --big
#   run.sh api --all                every operation of the document and each list's search, a row each
#   run.sh load                     the reads and the common writes in turn at 1,000 connections for two minutes
#   run.sh engine [--big] [NAME…]   bulk bulk100k submit latency http sleepers foreach expr pipeline; big with --big
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/dev/env.sh
. tools/dev/progress.sh
export STATE=$BASE/bench RUN=$RUNS/bench INST
unset HTTPS_PORT HTTP_PORT PG_PORT REDIS_PORT HOOK_PORT HOOKS_PORT MANAGEMENT_PORT AUTOMATION_PORT SAGA_PORT USUAL_PORTS
. bench/stack.sh
OUT=$DEV/log/bench
BUILD=$DEV/build

suite=api
all=(api latency bulk create list conditional jwt limits memory)
if [ "${1:-}" = engine ]; then
  shift
  suite=engine
  all=(bulk bulk100k submit latency http sleepers foreach expr pipeline)
fi
case ${1:-} in
api)
  shift
  if [ "${1:-}" = --all ]; then
    shift
    suite=routes
    all=(every)
    export PG_OPTIONS="-c shared_preload_libraries=pg_stat_statements"
  fi
  ;;
load)
  shift
  suite=load
  all=(load)
  ;;
esac
if [ "${1:-}" = --big ]; then
  shift
  all+=(big)
fi
names=("$@")
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

mkdir -p "$OUT" "$STATE"
LOAD_BEFORE=$(cut -d' ' -f1-3 /proc/loadavg)
rm -f "$OUT"/*.rows
bench_settings
install -m 0644 tools/dev/receiver.py "$STATE/receiver.py"
trap 'stack stop' EXIT
progress "start" "$OUT/start.log" stack start
set -a
environment=$(bench_environment bench)
eval "$environment"
set +a
stack admin issuer create --tenant bench --issuer https://bench.test --audience millrace \
  --key-name dev.key --provision >/dev/null
TOKEN=$(stack admin token --issuer https://bench.test --audience millrace --subject bench \
  --key-file "$STATE/keys/dev.key" --scope admin --roles admin --expires 86400 | tail -n 1)
PGBENCH=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/pgbench
export MILLRACE_TOKEN=$TOKEN OUT BUILD PGBENCH PYTHONPATH=$ROOT/bench:$ROOT/tools/dev PYTHONDONTWRITEBYTECODE=1
for _ in $(seq 100); do # workers learn of a new issuer within a second
  if curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $TOKEN" -o /dev/null "$MILLRACE_URL/api/v1/workflows"; then break; fi
  sleep 0.1
done

measure() { # SUITE NAME
  case $1-$2 in
  api-api | api-jwt | api-memory) bash "bench/$2.sh" ;;
  api-latency) python3 bench/latency.py 2-latency "p50 ≤ 6 ms, p99 ≤ 25 ms" ;;
  api-limits) python3 bench/api/limits.py ;;
  api-create | api-list | api-conditional) python3 bench/api/beside.py "$2" ;;
  api-bulk) python3 bench/bulk.py 3-bulk 10000 5 "≥ 2,000/s" ;;
  routes-every) python3 bench/api/every.py ;;
  load-load) python3 bench/api/load.py ;;
  engine-bulk) python3 bench/bulk.py 11-bulk 10000 5 "≥ 10,000/s, ≥ 0.5" ;;
  engine-bulk100k) python3 bench/bulk.py 12-bulk 100000 1 "≥ 10,000/s, ≥ 0.5" ;;
  engine-latency) python3 bench/latency.py 14-latency "p50 ≤ 4 ms, p99 ≤ 15 ms" ;;
  engine-pipeline)
    stack start receiver
    python3 bench/engine/pipeline.py
    stack stop receiver
    ;;
  engine-expr) python3 bench/engine/condition.py ;;
  engine-http) python3 bench/engine/calls.py ;;
  engine-big) bash bench/big/big.sh throughput ;;
  api-big) bash bench/big/big.sh reading ;;
  engine-submit | engine-sleepers | engine-foreach) python3 "bench/engine/$2.py" ;;
  *) die "no such measurement: $2" ;;
  esac
}
failed=()
for name in "${names[@]}"; do
  say "== $name"
  # what the measurement before has left to clean up is not done beside this one
  stack psql -c "vacuum analyze" -c checkpoint
  measure "$suite" "$name" || failed+=("$name")
done

say
cat "$OUT"/*.rows
[ ${#failed[@]} = 0 ] || die "failed: ${failed[*]}"
[ ${#names[@]} = ${#all[@]} ] || exit 0
{
  echo "Machine: $(nproc) × $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)," \
    "$(awk '/MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo), Linux $(uname -r);" \
    "PostgreSQL $("$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/postgres" --version | awk '{print $3}') with fsync" \
    "and synchronous_commit on, $(nginx -v 2>&1 | sed 's/.*: //'), $(wrk -v 2>&1 | head -n 1 | awk '{print $1, $2}')."
  echo "Client, servers and database share its cores; load average before and after: $LOAD_BEFORE, $(cut -d' ' -f1-3 /proc/loadavg)."
} >"$OUT/machine"
python3 bench/results.py "$suite" "$OUT/machine" "$OUT"/*.rows
say
say "written to bench/RESULTS.md"
