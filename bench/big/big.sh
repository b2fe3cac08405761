#!/usr/bin/env bash
# Two stacks beside each other, the second with millions of finished runs, measured in turn: one that is
# empty, for throughput.py, or one with ten thousand, for reading.py. The big one stays for the next
# time, with what migrations were added since: BASE/bench-big, some 12 GB, made in a few minutes.
# BIG_RUNS says how many (10,000,000).
#   big.sh throughput | reading
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tools/dev/env.sh
. tools/dev/progress.sh
. bench/stack.sh
: "${OUT:=$DEV/log/bench}"
BIG_RUNS=${BIG_RUNS:-10000000}
SMALL_RUNS=10000
export INST BIG_RUNS OUT PYTHONPATH=$ROOT/bench PYTHONDONTWRITEBYTECODE=1
unset HTTPS_PORT HTTP_PORT PG_PORT REDIS_PORT HOOK_PORT HOOKS_PORT MANAGEMENT_PORT AUTOMATION_PORT SAGA_PORT USUAL_PORTS
here=bench/big

in_stack() { # NAME COMMAND…
  (export STATE=$BASE/bench-$1 RUN=$RUNS/bench-$1 && "${@:2}")
}
delete() {
  stack stop
  rm -rf "$STATE" "$RUN"
}
# What comes from OUT.sql into TABLE, in one transaction: see open.sql.
copied() { # TABLE RUNS COLUMNS
  stack psql -v runs="$2" -f "$here/$1.sql" |
    stack psql -1 -v table="$1" -f "$here/open.sql" -c "copy millrace.$1_p0 ($3) from stdin with (freeze)" -f "$here/close.sql"
}
fill() { # RUNS
  PG_OPTIONS="-c wal_level=minimal -c max_wal_senders=0 -c checkpoint_timeout=1h -c autovacuum=off" stack start postgres
  stack migrate
  stack psql -f "$here/owners.sql"
  copied runs "$1" "id, tenant_id, workflow_id, version, status, queued, fence, seq, trigger_type, triggered_by, correlation_id,
    progress, input, result, error, created_at, started_at, completed_at" &
  local runs=$!
  copied journal "$1" "id, tenant_id, run_id, seq, kind, step, step_execution_id, at, duration_us, data" &
  local journal=$!
  wait "$runs"
  wait "$journal"
  stack psql -v runs="$1" -f "$here/end.sql"
  stack stop postgres
  echo "$1" >"$STATE/filled"
}
filled() { # NAME RUNS
  if [ "$(cat "$STATE/filled" 2>/dev/null)" != "$2" ]; then
    delete
    bench_settings
    progress "$2 runs" "$OUT/$1-fill.log" fill "$2"
  fi
  stack start postgres
  stack migrate
  progress "vacuum" "$OUT/$1-vacuum.log" stack psql -f "$here/settle.sql"
  stack start
  bench_environment "$tenant" >"$OUT/$1.env"
}
empty() {
  delete
  bench_settings
  progress "empty stack" "$OUT/empty.log" stack start
  bench_environment "$tenant" >"$OUT/empty.env"
}
down() {
  in_stack big stack stop
  in_stack "$beside" delete
}

mkdir -p "$OUT"
case $1 in
throughput) tenant=bench beside=empty fill_beside=(empty) ;;
reading) tenant=big beside=small fill_beside=(filled small "$SMALL_RUNS") ;;
*) die "no such measurement: $1" ;;
esac
trap down EXIT
in_stack "$beside" "${fill_beside[@]}"
in_stack big filled big "$BIG_RUNS"
python3 "$here/$1.py" "$OUT/$beside.env" "$OUT/big.env"
if [ "$1" = reading ]; then python3 "$here/lists.py" "$OUT/big.env"; fi
