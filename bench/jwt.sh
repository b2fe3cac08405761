#!/usr/bin/env bash
# GET of one workflow with a token of each algorithm in turn: what a worker remembers of a token costs
# the same whoever signed it. Run by bench/run.sh.
set -euo pipefail
: "${MILLRACE_URL:?}" "${STATE:?}" "${OUT:?}"
. bench/stack.sh
ROUNDS=${ROUNDS:-7}
SECONDS_EACH=${SECONDS_EACH:-4}
algorithms=(HS256 RS256 PS256 ES256 EdDSA)

id=$(curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $MILLRACE_TOKEN" -H 'Content-Type: application/json' \
  -d '{"name":"bench-jwt-'$$'","workflow_config":{"steps":[{"name":"one","type":"log","config":{"message":"one"}}]}}' \
  "$MILLRACE_URL/api/v1/workflows" | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
python3 bench/jwt_tokens.py "$STATE/keys" "$OUT" "${algorithms[@]}" >"$OUT/issuers.list"
while read -r algorithm file; do
  stack admin issuer create --tenant bench --issuer "https://$algorithm.bench.test" --audience millrace \
    --algorithm "$algorithm" --key-name "$file" --provision >/dev/null
done <"$OUT/issuers.list"

load() { # ALGORITHM: requests a second; fails when any answer was not 2xx
  wrk -t2 -c32 -d"${SECONDS_EACH}s" -H "Authorization: Bearer $(cat "$OUT/$1.token")" \
    "$MILLRACE_URL/api/v1/workflows/$id" >"$OUT/wrk.out"
  if grep -q 'Non-2xx' "$OUT/wrk.out"; then
    cat "$OUT/wrk.out" >&2
    return 1
  fi
  awk '/^Requests\/sec:/ {print $2}' "$OUT/wrk.out"
}
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

for algorithm in "${algorithms[@]}"; do
  : >"$OUT/$algorithm.list"
  : >"$OUT/$algorithm.ratio"
  known=0
  for _ in $(seq 200); do # workers learn of a new issuer within a second, each for itself
    if curl -sf --cacert "$MILLRACE_CA" -H "Authorization: Bearer $(cat "$OUT/$algorithm.token")" -o /dev/null \
      "$MILLRACE_URL/api/v1/workflows/$id"; then known=$((known + 1)); else known=0 && sleep 0.1; fi
    if [ "$known" = 16 ]; then break; fi
  done
  load "$algorithm" >/dev/null # warm
done
for i in $(seq "$ROUNDS"); do # HS256 before and after each of the others, so that drift is no difference
  line="  round $i:"
  before=$(load HS256)
  echo "$before" >>"$OUT/HS256.list"
  for algorithm in "${algorithms[@]:1}"; do
    n=$(load "$algorithm")
    after=$(load HS256)
    echo "$n" >>"$OUT/$algorithm.list"
    echo "$after" >>"$OUT/HS256.list"
    awk -v n="$n" -v a="$before" -v b="$after" 'BEGIN {print 2 * n / (a + b)}' >>"$OUT/$algorithm.ratio"
    line="$line $algorithm $n/s,"
    before=$after
  done
  echo "$line HS256 $before/s"
done
: >"$OUT/4-jwt.rows"
for algorithm in "${algorithms[@]:1}"; do
  printf '| `GET /workflows/{id}`, %s token, beside HS256 in turn | %.0f/s, %.3f of HS256'"'"'s %.0f/s | ≥ 0.95 |\n' \
    "$algorithm" "$(median <"$OUT/$algorithm.list")" "$(median <"$OUT/$algorithm.ratio")" "$(median <"$OUT/HS256.list")" >>"$OUT/4-jwt.rows"
done
