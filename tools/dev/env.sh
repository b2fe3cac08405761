# Where ./dev keeps things; sourced by the scripts beside it. Run as a program it prints them.
#   ROOT   the checkout             DEV    ROOT/.dev
#   BASE   servers' state           RUNS   their sockets and pid files
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
DEV=$ROOT/.dev
HASH=$(printf %s "$ROOT" | sha256sum | cut -c1-12)
if [ "$(id -u)" = 0 ]; then
  # a service user can't enter a checkout below a 0700 home
  BASE=/var/lib/millrace-dev/$HASH
  RUNS=/run/millrace-dev/$HASH
else
  BASE=$DEV/state
  RUNS=${XDG_RUNTIME_DIR:-/tmp}/millrace-dev-$(id -u)/$HASH
fi
INST=${MILLRACE_INST:-$BASE/inst}

# Makes them; the folders above a stack's own are open to pass through, no more.
make_places() {
  mkdir -p "$DEV/log"
  if [ "$(id -u)" = 0 ]; then
    mkdir -p "$BASE" "$RUNS"
    chmod 0755 /var/lib/millrace-dev /run/millrace-dev "$BASE" "$RUNS"
    [ -L "$DEV/state" ] || rm -rf "$DEV/state"
    ln -sfn "$BASE" "$DEV/state"
  else
    if [ -L "$DEV/state" ]; then rm -f "$DEV/state"; fi # root's, from an earlier time
    (umask 077 && mkdir -p "$BASE" "$RUNS")
    [ -O "$(dirname "$RUNS")" ] || { echo "$(dirname "$RUNS") is not ours" >&2; exit 1; }
  fi
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  make_places
  printf '%s\n' "ROOT=$ROOT" "DEV=$DEV" "BASE=$BASE" "RUNS=$RUNS" "INST=$INST"
fi
