#!/usr/bin/env bash
# Private memory of each API worker over a million requests. Run by bench/run.sh.
set -euo pipefail
: "${MILLRACE_URL:?}" "${RUN:?}" "${OUT:?}"
REQUESTS=${REQUESTS:-1000000}

supervisor=$(cat "$RUN/api.pid")
workers() { cat "/proc/$supervisor/task/$supervisor/children"; }
private() { # the largest worker's, in KiB
  local w
  for w in $(workers); do
    awk '/^Private_(Clean|Dirty)/ {n += $2} END {print n}' "/proc/$w/smaps_rollup"
  done | sort -n | tail -n 1
}
id=$(curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $MILLRACE_TOKEN" \
  "$MILLRACE_URL/api/v1/workflows?limit=1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["items"][0]["id"])')
served=0
first=
before=$(workers)
while [ "$served" -lt "$REQUESTS" ]; do
  wrk -t2 -c32 -d10s -H "Authorization: Bearer $MILLRACE_TOKEN" "$MILLRACE_URL/api/v1/workflows/$id" >"$OUT/wrk.out"
  n=$(awk '/requests in/ {print $1}' "$OUT/wrk.out")
  served=$((served + n))
  now=$(private)
  [ -n "$first" ] || first=$now
  echo "  after $served requests: $now KiB"
done
[ "$before" = "$(workers)" ] || { echo "a worker died meanwhile" >&2; exit 1; }
printf '| private memory of the largest API worker | %s KiB after the first 10 s, %s KiB after %s requests | ≤ 10,240 KiB, flat |\n' \
  "$first" "$now" "$served" >"$OUT/4-memory.rows"
