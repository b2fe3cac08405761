# Long work shown as one line that moves, its output in a log file. Sourced.

die() { printf 'dev: %s\n' "$*" >&2; exit 1; }
say() { printf '%s\n' "$*"; }

# LABEL LOG COMMAND…: runs it; a line says what goes on and for how long. Fails as it fails, and
# then shows the end of the log.
progress() {
  local label=$1 log=$2 start=$SECONDS pid shown=0 r=0
  shift 2
  mkdir -p "$(dirname "$log")"
  ("$@") >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r\033[K  %s … %ds  %s' "$label" $((SECONDS - start)) \
        "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | cut -c1-60)"
    elif [ $((SECONDS - start)) -ge $((shown + 15)) ]; then
      shown=$((SECONDS - start))
      printf '  %s … %ds\n' "$label" "$shown"
    fi
    sleep 0.2
  done
  wait "$pid" || r=$?
  if [ -t 1 ]; then printf '\r\033[K'; fi
  if [ "$r" = 0 ]; then
    printf '  %s: %ds\n' "$label" $((SECONDS - start))
  else
    printf '  %s: failed after %ds, the end of %s:\n' "$label" $((SECONDS - start)) "$log" >&2
    tail -n 30 "$log" | sed 's/^/    /' >&2
  fi
  return "$r"
}
