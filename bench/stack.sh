# What the measurements' stacks have in common. Sourced; STATE and RUN say which one is meant.

stack() { bash tools/dev/stack.sh "$@"; }

# The capacity guard stays on; one client address carries the whole load here. Requests are counted as
# everywhere, but none is one too many.
bench_settings() {
  local class
  mkdir -p "$STATE"
  printf '%s\n' "nginx_rate = 1000000" "nginx_burst = 100000" >"$STATE/extra.conf"
  for class in templates workflow_creation workflow_execution monitoring intelligence simulation \
    suggestion_generation standard; do
    echo "rate_limit_$class = none" >>"$STATE/extra.conf"
  done
}

# The tenant, made unless it is there, and a key for it; prints the environment of what measures this stack.
bench_environment() { # TENANT
  stack admin tenant create --name "$1" >/dev/null
  stack env | grep -v '^MILLRACE_KEY='
  cat "$STATE/ports"
  echo "MILLRACE_KEY=$(stack admin key create --tenant "$1" --name "bench-$$" --scopes admin --roles admin --rate-limits none | awk 'END {print $NF}')"
  echo "POSTGRES_PID=$(stack pid postgres)"
}
