#!/usr/bin/env bash
# One private stack: PostgreSQL, Redis, nginx, the API workers and the engine, without systemd.
# Used by ./dev for the stack under .dev/ and by the tests for stacks of their own beside it.
#
#   stack.sh start|stop|restart|status|kill|pid [SERVICE…]    all services when none is named
#   stack.sh config | migrate | env | psql [ARGUMENT…] | admin ARGUMENT…
#
# Environment: STATE (absolute folder of this stack), RUN (absolute folder of its sockets and pid
# files; short, since a socket's path holds 107 bytes), INST (prefix that make install used).
# Ports are taken from HTTPS_PORT, HTTP_PORT, PG_PORT, REDIS_PORT, HOOK_PORT and HOOKS_PORT, else
# from what STATE remembers, else free ones are found and remembered. The loopback listeners have
# MANAGEMENT_PORT, AUTOMATION_PORT and SAGA_PORT; with USUAL_PORTS=1 they are 8000, 8006 and 8008
# where these are free.
#
# As root the servers run as SVC_USER (initdb refuses root; nginx keeps a root master). Otherwise
# everything runs as the caller.
set -euo pipefail
umask 077
: "${STATE:?}" "${RUN:?}" "${INST:?}"
SVC_USER=${SVC_USER:-millrace-dev}
PATH=$PATH:/usr/sbin:/sbin
export PATH
CONF=$STATE/millrace.conf
PGDATA=$STATE/pg
ALL=(postgres redis api engine nginx)
for d in /usr/lib/postgresql/*/bin; do # Debian keeps initdb and pg_ctl off the PATH
  if [ -x "$d/initdb" ]; then PGBIN=$d; fi
done
is_root() { [ "$(id -u)" = 0 ]; }
die() { echo "stack: $*" >&2; exit 1; }
[ "$(printf %s "$RUN/.s.PGSQL.65535.lock" | wc -c)" -le 107 ] || die "RUN is too long for a socket: $RUN"

# Runs a command as the service user with a clean environment; not through su or sudo (PAM, tty).
as() {
  if is_root; then
    (cd / && exec setpriv --reuid "$SVC_USER" --regid "$SVC_USER" --init-groups \
      env -i PATH="$PATH" HOME="$STATE" LANG=C.UTF-8 TZ=UTC "${STACK_ENV[@]}" "$@")
  else
    (cd / && exec env -i PATH="$PATH" HOME="$STATE" LANG=C.UTF-8 TZ=UTC "${STACK_ENV[@]}" "$@")
  fi
}
own() { # what the service user must be able to write
  if is_root; then chown "$SVC_USER:$SVC_USER" "$@"; fi
}

# ---- processes ----

zombie() { grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }
gone() { [ ! -e "/proc/$1" ] || zombie "$1"; }
reaped() { [ ! -e "/proc/$1" ]; }
cmdline() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null || true; }
wait_for() { # TENTHS COMMAND…
  local n=$1
  shift
  until "$@" >/dev/null 2>&1; do
    n=$((n - 1))
    [ "$n" -gt 0 ] || return 1
    sleep 0.1
  done
}
pidfile() {
  case $1 in
  postgres) echo "$PGDATA/postmaster.pid" ;;
  *) echo "$RUN/$1.pid" ;;
  esac
}
needle() { # what the command line of that service holds: pids are reused, by another stack's as well
  case $1 in
  postgres) echo "$PGDATA" ;;
  redis) echo "redis-server 127.0.0.1:$REDIS_PORT" ;;
  nginx) echo "$STATE/nginx.conf" ;;
  api | engine) echo "$INST/sbin/millrace-$1 -c $CONF" ;;
  receiver) echo "$STATE/receiver.py" ;;
  *) die "no such service: $1" ;;
  esac
}
pid_of() { # prints the pid of a service that lives
  local f p
  f=$(pidfile "$1")
  [ -s "$f" ] || return 1
  p=$(head -n 1 "$f")
  gone "$p" && return 1
  case $(cmdline "$p") in *"$(needle "$1")"*) echo "$p" ;; *) return 1 ;; esac
}
is_up() { pid_of "$1" >/dev/null; }
stop_pid() { # PID SIGNAL TENTHS: then KILL
  local p=$1
  kill "-$2" "$p" 2>/dev/null || return 0
  wait_for "$3" gone "$p" || { kill -KILL "$p" 2>/dev/null && wait_for 100 gone "$p"; } || true
}
# Processes of this stack that lost their parent: they carry the path of its configuration.
strays() { # PROGRAM
  local p
  for p in $(pgrep -f "/$1 .*$CONF" || true); do
    gone "$p" || echo "$p"
  done
}
# A daemon that stays in the foreground: in a session of its own, its output to a log file, our
# lock's descriptor closed (else the lock lives as long as the server).
launch() { # SERVICE COMMAND…
  local name=$1
  shift
  if is_root; then
    (cd / && exec setsid setpriv --reuid "$SVC_USER" --regid "$SVC_USER" --init-groups \
      env -i PATH="$PATH" HOME="$STATE" LANG=C.UTF-8 TZ=UTC "${STACK_ENV[@]}" "$@") \
      </dev/null >>"$STATE/log/$name.log" 2>&1 9>&- &
  else
    (cd / && exec setsid env -i PATH="$PATH" HOME="$STATE" LANG=C.UTF-8 TZ=UTC "${STACK_ENV[@]}" "$@") \
      </dev/null >>"$STATE/log/$name.log" 2>&1 9>&- &
  fi
  echo $! >"$RUN/$name.pid"
  disown
}
# True when the program was replaced since the process started.
is_stale() {
  local p
  p=$(pid_of "$1") || return 1
  case $(readlink "/proc/$p/exe" 2>/dev/null) in *" (deleted)") return 0 ;; *) return 1 ;; esac
}

# ---- ports ----

port_is_free() { [ -z "$(ss -Hltn "sport = :$1" 2>/dev/null)" ]; }
free_port() { # below the range that outgoing connections take theirs from
  local p
  for _ in $(seq 200); do
    p=$((15000 + (RANDOM * 32768 + RANDOM) % 15000))
    case " $TAKEN " in *" $p "*) continue ;; esac
    if port_is_free "$p"; then
      TAKEN="$TAKEN $p"
      FOUND=$p
      return 0
    fi
  done
  die "no free port between 15000 and 30000"
}
choose_port() { # VARIABLE SERVICE-THAT-USES-IT [PREFERRED]
  local given=${!1:-} remembered
  remembered=$(sed -n "s/^$1=//p" "$STATE/ports" 2>/dev/null || true)
  if [ -n "$given" ]; then
    FOUND=$given
  elif [ -n "${3:-}" ] && [ "$remembered" != "$3" ] && ! is_up "$2" && port_is_free "$3"; then
    FOUND=$3
  elif [ -n "$remembered" ] && { is_up "$2" || port_is_free "$remembered"; }; then
    FOUND=$remembered
  else
    free_port
  fi
  TAKEN="$TAKEN $FOUND"
  printf -v "$1" %s "$FOUND"
  echo "$1=$FOUND" >>"$STATE/ports.new"
}
# Workers of a killed master still hold its ports.
end_nginx_strays() {
  local p
  is_up nginx && return 0
  for p in $(pgrep -f "nginx: worker process" || true); do
    case $(ls -l "/proc/$p/fd" 2>/dev/null) in *"$STATE/log/access.log"*) stop_pid "$p" TERM 20 ;; esac
  done
}
choose_ports() {
  end_nginx_strays
  TAKEN=
  : >"$STATE/ports.new"
  choose_port HTTPS_PORT nginx
  choose_port HTTP_PORT nginx
  choose_port PG_PORT postgres
  choose_port REDIS_PORT redis
  choose_port HOOK_PORT receiver
  choose_port HOOKS_PORT receiver
  local usual=${USUAL_PORTS:-}
  choose_port MANAGEMENT_PORT nginx ${usual:+8000}
  choose_port AUTOMATION_PORT nginx ${usual:+8006}
  choose_port SAGA_PORT nginx ${usual:+8008}
  mv "$STATE/ports.new" "$STATE/ports"
}

# ---- what the servers need ----

secret() { # NAME: made at first use
  [ -s "$STATE/secrets/$1" ] || openssl rand -hex 24 >"$STATE/secrets/$1"
  cat "$STATE/secrets/$1"
}
certificate() { # NAME CN SUBJECT-ALT-NAMES
  local t=$STATE/tls
  [ ! -s "$t/$1.pem" ] || return 0
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
    -keyout "$t/$1.key" -out "$t/$1.csr" 2>/dev/null
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$3" >"$t/$1.ext"
  openssl x509 -req -in "$t/$1.csr" -CA "$t/ca.pem" -CAkey "$t/ca.key" -CAcreateserial -days 825 \
    -extfile "$t/$1.ext" -out "$t/$1.pem.new" 2>/dev/null
  mv "$t/$1.pem.new" "$t/$1.pem"
  rm -f "$t/$1.csr" "$t/$1.ext"
}
prepare() {
  if is_root && ! id "$SVC_USER" >/dev/null 2>&1; then
    useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin "$SVC_USER"
  fi
  mkdir -p "$STATE"/{log,redis,nginx,files,keys,tls,secrets,www} "$PGDATA" "$RUN"
  local s
  for s in postgres redis api engine owner token; do secret "$s" >/dev/null; done
  [ -s "$STATE/tls/ca.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days 3650 -subj "/CN=Millrace development authority" -keyout "$STATE/tls/ca.key" \
    -out "$STATE/tls/ca.pem" 2>/dev/null
  certificate server localhost DNS:localhost,IP:127.0.0.1,IP:::1
  certificate receiver api.internal.com DNS:api.internal.com,DNS:localhost,IP:127.0.0.1
  chmod 0644 "$STATE/tls/ca.pem"
  cp -rL "$INST/share/millrace/www/." "$STATE/www/"
  secret token >"$STATE/keys/dev.key"
  chmod -R a+rX "$STATE/www"
  # only the top: a running cluster's files stay as they are
  own "$STATE" "$STATE"/{log,redis,nginx,files,keys,secrets,tls} "$STATE"/secrets/* "$STATE"/keys/* \
    "$STATE"/tls/* "$PGDATA" "$RUN"
  if is_root; then chmod 0711 "$STATE" "$RUN"; fi
  choose_ports
}

# Not every host, and hardly a container, has IPv6 on its loopback interface.
loopback_addresses() {
  if grep -q '^0\{31\}1 ' /proc/net/if_inet6 2>/dev/null; then echo "127.0.0.1 [::1]"; else echo 127.0.0.1; fi
}

# Written anew at every start; what is in extra.conf comes last and so wins.
config() {
  {
    cat <<CONF
admin_database_url = host=$RUN port=$PG_PORT user=millrace_owner password=$(secret owner) dbname=millrace
database_url = host=$RUN port=$PG_PORT user=millrace_api password=$(secret api) dbname=millrace
engine_database_url = host=$RUN port=$PG_PORT user=millrace_engine password=$(secret engine) dbname=millrace
redis_url = redis://:$(secret redis)@127.0.0.1:$REDIS_PORT
socket_dir = $RUN
file_store = $STATE/files
keys_dir = $STATE/keys
secrets_key_file = $STATE/secrets/seal.key
nginx_listen = 127.0.0.1
nginx_http_port = $HTTP_PORT
nginx_https_port = $HTTPS_PORT
loopback_addresses = $(loopback_addresses)
loopback_ports = $MANAGEMENT_PORT $AUTOMATION_PORT $SAGA_PORT
nginx_server_name = localhost 127.0.0.1
nginx_log_dir = $STATE/log
nginx_temp_dir = $STATE/nginx
nginx_web_root = $STATE/www
tls_certificate = $STATE/tls/server.pem
tls_key = $STATE/tls/server.key
tls_client_ca = $STATE/tls/ca.pem
engine_ca_file = $STATE/tls/ca.pem
engine_allowed_addresses = 127.0.0.1/32:$HOOK_PORT 127.0.0.1/32:$HOOKS_PORT
jwks_ca_file = $STATE/tls/ca.pem
jwks_allowed_addresses = 127.0.0.1/32:$HOOKS_PORT
engine_resolve = api.internal.com:443:127.0.0.1:$HOOKS_PORT
engine_env_allowed = DATABASE_API_TOKEN NOTIFICATION_WEBHOOK_URL
cors_allowed_origins = https://app.example.com
CONF
    if is_root; then echo "nginx_user = $SVC_USER"; else echo "nginx_user ="; fi
    if [ -s "$STATE/extra.conf" ]; then cat "$STATE/extra.conf"; fi
  } >"$CONF.new"
  own "$CONF.new"
  mv "$CONF.new" "$CONF"
  [ -s "$STATE/engine.env" ] || cat >"$STATE/engine.env" <<ENV
MILLRACE_ENV_DATABASE_API_TOKEN=$(openssl rand -hex 12)
MILLRACE_ENV_NOTIFICATION_WEBHOOK_URL=
ENV
  sed -i "s|^\(MILLRACE_ENV_NOTIFICATION_WEBHOOK_URL\)=.*|\1=http://127.0.0.1:$HOOK_PORT/webhook|" \
    "$STATE/engine.env"
}

# ---- PostgreSQL ----

# Nobody works in that data folder any more (backends outlive a killed postmaster for a moment).
pg_abandoned() {
  local d
  for d in /proc/[0-9]*; do
    if [ "$(readlink "$d/cwd" 2>/dev/null)" = "$PGDATA" ] && ! zombie "${d#/proc/}"; then return 1; fi
  done
}
postgres_start() {
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    as "$PGBIN/initdb" -D "$PGDATA" -U postgres -E UTF8 --locale=C.UTF-8 --data-checksums \
      --auth-local=scram-sha-256 --auth-host=scram-sha-256 --pwfile="$STATE/secrets/postgres" \
      >"$STATE/log/initdb.log" 2>&1 || die "initdb failed, see $STATE/log/initdb.log"
  fi
  is_up postgres && return 0
  # A killed postmaster that is still a zombie counts as running for PostgreSQL. Where nobody reaps
  # it, its lock files go once its backends have.
  if [ -s "$PGDATA/postmaster.pid" ]; then
    local p
    p=$(head -n 1 "$PGDATA/postmaster.pid")
    if ! wait_for 20 reaped "$p" && zombie "$p" && wait_for 100 pg_abandoned; then
      rm -f "$PGDATA/postmaster.pid" "$RUN/.s.PGSQL.$PG_PORT" "$RUN/.s.PGSQL.$PG_PORT.lock"
    fi
  fi
  as "$PGBIN/pg_ctl" -D "$PGDATA" -l "$STATE/log/postgres.log" -w -t 60 -s \
    -o "-p $PG_PORT -k $RUN -c listen_addresses=127.0.0.1 -c max_connections=200 -c shared_buffers=256MB -c max_wal_size=4GB ${PG_OPTIONS:-}" \
    start 9>&- || die "PostgreSQL did not start, see $STATE/log/postgres.log"
}
postgres_stop() {
  local p
  p=$(pid_of postgres) || return 0
  as "$PGBIN/pg_ctl" -D "$PGDATA" -m fast -w -t 60 -s stop || stop_pid "$p" INT 100
}
superuser() {
  env PGHOST="$RUN" PGPORT="$PG_PORT" PGUSER=postgres PGPASSWORD="$(secret postgres)" \
    PGDATABASE="${PGDATABASE:-millrace}" psql -X -q -v ON_ERROR_STOP=1 "$@"
}
migrate() {
  local have
  have=$(find "$INST/share/millrace/sql" "$INST/share/millrace/library" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  [ "$have" != "$(cat "$STATE/migrated" 2>/dev/null)" ] || return 0
  if [ -z "$(PGDATABASE=postgres superuser -Atc "select 1 from pg_database where datname = 'millrace'")" ]; then
    PGDATABASE=postgres superuser -c "create database millrace encoding 'UTF8' template template0"
  fi
  superuser -f "$INST/share/millrace/sql/roles/roles.sql" >/dev/null
  superuser <<SQL
alter role millrace_owner login password '$(secret owner)';
alter role millrace_api login password '$(secret api)';
alter role millrace_engine login password '$(secret engine)';
SQL
  as "$INST/sbin/millrace-admin" migrate --config "$CONF" >"$STATE/log/migrate.log" 2>&1 9>&- ||
    { tail -n 20 "$STATE/log/migrate.log" >&2; die "the migrations failed"; }
  echo "$have" >"$STATE/migrated"
}

# ---- the others ----

redis_ping() { REDISCLI_AUTH=$(secret redis) redis-cli -p "$REDIS_PORT" ping | grep -q PONG; }
redis_start() {
  is_up redis && return 0
  cat >"$STATE/redis.conf" <<CONF
bind 127.0.0.1
port $REDIS_PORT
requirepass $(secret redis)
dir $STATE/redis
pidfile $RUN/redis.pid
daemonize yes
logfile $STATE/log/redis.log
save ""
appendonly no
CONF
  own "$STATE/redis.conf"
  rm -f "$RUN/redis.pid"
  as redis-server "$STATE/redis.conf" 9>&-
  wait_for 100 redis_ping || die "Redis did not start, see $STATE/log/redis.log"
}
nginx_config() {
  "$INST/sbin/millrace-admin" nginx-config --main --config "$CONF" >"$STATE/nginx.conf.new"
  mv "$STATE/nginx.conf.new" "$STATE/nginx.conf"
}
nginx_run() { env -i PATH="$PATH" TZ=UTC nginx -e "$STATE/log/nginx.error.log" -p "$STATE/" "$@" 9>&-; }
nginx_start() {
  local p
  nginx_config
  nginx_run -t -q -c "$STATE/nginx.conf" || die "nginx does not take its configuration"
  if p=$(pid_of nginx); then
    # the same file is taken over in place; ports stay
    cmp -s "$STATE/nginx.conf" "$STATE/nginx.conf.running" || kill -HUP "$p"
  else
    rm -f "$RUN/nginx.pid"
    nginx_run -c "$STATE/nginx.conf" || die "nginx did not start, see $STATE/log/nginx.error.log"
    wait_for 50 test -s "$RUN/nginx.pid"
  fi
  cp "$STATE/nginx.conf" "$STATE/nginx.conf.running"
}
api_ready() {
  curl -sf --max-time 2 --cacert "$STATE/tls/ca.pem" "https://127.0.0.1:$HTTPS_PORT/health/ready" -o /dev/null
}
program_start() { # SERVICE PROGRAM ENVIRONMENT…
  local s
  if is_up "$1" && is_stale "$1"; then stop_one "$1"; fi
  is_up "$1" && return 0
  for s in $(strays "$2"); do stop_pid "$s" TERM 100; done
  launch "$1" "${@:3}" "${WRAP[@]}" "$INST/sbin/$2" -c "$CONF"
  wait_for 50 is_up "$1" || die "$2 did not start, see $STATE/log/$1.log"
}
engine_known() {
  [ -n "$(superuser -Atc "select 1 from millrace.engines where pid = $(pid_of engine) and lease_until > now()")" ]
}
receiver_start() {
  is_up receiver && return 0
  launch receiver python3 "$STATE/receiver.py" --http "$HOOK_PORT" --https "$HOOKS_PORT" \
    --certificate "$STATE/tls/receiver.pem" --key "$STATE/tls/receiver.key" --record "$STATE/log/received.jsonl"
  wait_for 100 eval "! port_is_free $HOOKS_PORT" || die "the receiver did not start, see $STATE/log/receiver.log"
}

start_one() {
  case $1 in
  postgres) postgres_start ;;
  redis) redis_start ;;
  api) program_start api millrace-api ;;
  engine)
    local env
    mapfile -t env <"$STATE/engine.env"
    program_start engine millrace-engine "${env[@]}"
    ;;
  nginx) nginx_start ;;
  receiver) receiver_start ;;
  *) die "no such service: $1" ;;
  esac
}
stop_one() {
  local p
  [ "$1" != postgres ] || { postgres_stop; return; }
  p=$(pid_of "$1") || return 0
  case $1 in
  nginx) stop_pid "$p" QUIT 50 ;;
  *) stop_pid "$p" TERM 200 ;;
  esac
}
start_all() {
  postgres_start
  redis_start
  migrate
  start_one api
  start_one engine
  nginx_start
  wait_for "$READY" api_ready || die "the API does not answer, see $STATE/log/api.log and nginx.error.log"
  wait_for "$READY" engine_known || die "the engine does not register, see $STATE/log/engine.log"
}
load_ports() {
  local line
  [ -s "$STATE/ports" ] || die "nothing was started here yet"
  while read -r line; do printf -v "${line%%=*}" %s "${line#*=}"; done <"$STATE/ports"
}
print_env() {
  cat <<ENV
MILLRACE_URL=https://127.0.0.1:$HTTPS_PORT
MILLRACE_CA=$STATE/tls/ca.pem
MILLRACE_MANAGEMENT_URL=http://127.0.0.1:$MANAGEMENT_PORT
MILLRACE_AUTOMATION_URL=http://127.0.0.1:$AUTOMATION_PORT
MILLRACE_SAGA_URL=http://127.0.0.1:$SAGA_PORT
MILLRACE_KEY=$(cat "$STATE/secrets/admin-key" 2>/dev/null || true)
MILLRACE_ENGINE_PID=$(pid_of engine || true)
DATABASE_URL=postgresql://postgres:$(secret postgres)@127.0.0.1:$PG_PORT/millrace
REDIS_URL=redis://:$(secret redis)@127.0.0.1:$REDIS_PORT/0
ENV
}
print_status() {
  local s p bad=0
  for s in "${ALL[@]}"; do
    if p=$(pid_of "$s"); then printf '%-9s up    %s\n' "$s" "$p"; else
      printf '%-9s down\n' "$s"
      bad=3
    fi
  done
  return "$bad"
}

read -ra WRAP <<<"${WRAP:-}" # e.g. valgrind, for API and engine only
# what is run under something may take its time
READY=$([ ${#WRAP[@]} = 0 ] && echo 300 || echo 1800)
read -ra STACK_ENV <<<"${STACK_ENV:-}" # NAME=VALUE… for whatever runs as the service user
command=${1:-}
shift || true
case $command in
start | stop | restart | config | migrate)
  mkdir -p "$STATE" "$RUN"
  exec 9>"$STATE/.lock"
  flock 9 # two starts at once
  ;;
esac
case $command in
start)
  prepare
  config
  [ -s "$STATE/secrets/seal.key" ] ||
    as "$INST/sbin/millrace-admin" secrets-key create --config "$CONF" >/dev/null
  if [ $# = 0 ]; then start_all; else for s in "$@"; do start_one "$s"; done; fi
  ;;
stop)
  [ -s "$STATE/ports" ] || exit 0
  load_ports
  for s in "${@:-receiver nginx api engine redis postgres}"; do
    # shellcheck disable=SC2086
    for x in $s; do stop_one "$x"; done
  done
  ;;
restart)
  load_ports
  config
  for s in "$@"; do
    stop_one "$s"
    start_one "$s"
  done
  ;;
kill) # at once and without a chance to tidy up, as a crash would
  load_ports
  for s in "$@"; do
    p=$(pid_of "$s") || die "$s is not running"
    kill -KILL "$p"
    wait_for 100 gone "$p"
  done
  ;;
pid) load_ports && pid_of "$1" ;;
config) load_ports && config ;;
migrate) load_ports && migrate ;;
env) load_ports && print_env ;;
status) load_ports && print_status ;;
ready) load_ports && wait_for "${1:-300}" api_ready && wait_for "$READY" engine_known ;;
psql) load_ports && superuser "$@" ;;
admin) load_ports && as "$INST/sbin/millrace-admin" "$@" --config "$CONF" ;;
*)
  sed -n '2,/^set -/p' "$0" | sed '/^set -/d; s/^# \{0,1\}//'
  exit 2
  ;;
esac
