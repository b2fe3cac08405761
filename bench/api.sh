#!/usr/bin/env bash
# GET of one workflow with a JWT, behind row-level security, beside a static file of that size.
# Run by bench/run.sh.
set -euo pipefail
: "${MILLRACE_URL:?}" "${STATE:?}" "${OUT:?}"
ROUNDS=${ROUNDS:-5}
SECONDS_EACH=${SECONDS_EACH:-6}

definition='{"name":"bench-get-'$$'","description":"Three log steps.","workflow_config":{"steps":[{"name":"one","type":"log","config":{"message":"one"}},{"name":"two","type":"log","config":{"message":"two"}},{"name":"three","type":"log","config":{"message":"three"}}]}}'
id=$(curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $MILLRACE_TOKEN" -H 'Content-Type: application/json' \
  -d "$definition" "$MILLRACE_URL/api/v1/workflows" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $MILLRACE_TOKEN" -o "$OUT/answer.json" \
  "$MILLRACE_URL/api/v1/workflows/$id"
mkdir -p "$STATE/www/static"
cp "$OUT/answer.json" "$STATE/www/static/bench.json"
chmod -R a+rX "$STATE/www"

load() { # PATH: requests a second; fails when any answer was not 2xx
  wrk -t2 -c32 -d"${SECONDS_EACH}s" -H "Authorization: Bearer $MILLRACE_TOKEN" "$MILLRACE_URL$1" >"$OUT/wrk.out"
  if grep -q 'Non-2xx' "$OUT/wrk.out"; then
    cat "$OUT/wrk.out" >&2
    return 1
  fi
  awk '/^Requests\/sec:/ {print $2}' "$OUT/wrk.out"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

load "/api/v1/workflows/$id" >/dev/null # warm
: >"$OUT/api.list"
: >"$OUT/static.list"
for i in $(seq "$ROUNDS"); do
  a=$(load "/api/v1/workflows/$id")
  s=$(load /static/bench.json)
  echo "$a" >>"$OUT/api.list"
  echo "$s" >>"$OUT/static.list"
  echo "  round $i: $a/s, static file $s/s"
done
a=$(median <"$OUT/api.list")
s=$(median <"$OUT/static.list")
ratio=$(awk -v a="$a" -v s="$s" 'BEGIN {printf "%.3f", a / s}')
printf '| `GET /workflows/{id}`, JWT, row-level security, %s bytes | %.0f/s, %s of the static file'"'"'s %.0f/s | ≥ 0.18 |\n' \
  "$(stat -c %s "$OUT/answer.json")" "$a" "$ratio" "$s" >"$OUT/1-api.rows"
