#!/usr/bin/env bash
# Two stacks beside each other, one empty and one with millions of finished runs; big.py measures them
# in turn. The big one stays for the next time, with what migrations were added since:
# BASE/bench-big, some 12 GB, made in a few minutes. BIG_RUNS says how many (10,000,000).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tools/dev/env.sh
. tools/dev/progress.sh
. bench/stack.sh
: "${OUT:=$DEV/log/bench}"
export INST BIG_RUNS=${BIG_RUNS:-10000000}
export OUT PYTHONPATH=$ROOT/bench PYTHONDONTWRITEBYTECODE=1
unset HTTPS_PORT HTTP_PORT PG_PORT REDIS_PORT HOOK_PORT HOOKS_PORT
here=bench/engine

in_stack() { # NAME COMMAND…
  (export STATE=$BASE/bench-$1 RUN=$RUNS/bench-$1 && "${@:2}")
}
delete() {
  stack stop
  rm -rf "$STATE" "$RUN"
}
# What comes from OUT.sql into TABLE, in one transaction: see big_open.sql.
copied() { # TABLE COLUMNS
  stack psql -v runs="$BIG_RUNS" -f "$here/big_$1.sql" |
    stack psql -1 -v table="$1" -f "$here/big_open.sql" -c "copy millrace.$1_p0 ($2) from stdin with (freeze)" -f "$here/big_close.sql"
}
fill() {
  PG_OPTIONS="-c wal_level=minimal -c max_wal_senders=0 -c checkpoint_timeout=1h -c autovacuum=off" stack start postgres
  stack migrate
  stack psql -f "$here/big_owners.sql"
  copied runs "id, tenant_id, workflow_id, version, status, queued, fence, seq, trigger_type, triggered_by, correlation_id,
    progress, input, result, error, created_at, started_at, completed_at" &
  local runs=$!
  copied journal "id, tenant_id, run_id, seq, kind, step, step_execution_id, at, duration_us, data" &
  local journal=$!
  wait "$runs"
  wait "$journal"
  stack psql -v runs="$BIG_RUNS" -f "$here/big_end.sql"
  stack stop postgres
  echo "$BIG_RUNS" >"$STATE/filled"
}
big() {
  if [ "$(cat "$STATE/filled" 2>/dev/null)" != "$BIG_RUNS" ]; then
    delete
    bench_settings
    progress "$BIG_RUNS runs" "$OUT/big-fill.log" fill
  fi
  stack start
  bench_environment >"$OUT/big.env"
}
empty() {
  delete
  bench_settings
  progress "empty stack" "$OUT/empty.log" stack start
  bench_environment >"$OUT/empty.env"
}
down() {
  in_stack big stack stop
  in_stack empty delete
}

mkdir -p "$OUT"
trap down EXIT
in_stack empty empty
in_stack big big
[ "${1:-}" != up ] || { trap - EXIT; exit 0; }
python3 bench/engine/big.py "$OUT/empty.env" "$OUT/big.env"
