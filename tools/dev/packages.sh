# Debian packages: what is missing is installed, and nothing when all is there. Sourced.

PACKAGES_BUILD="build-essential autoconf automake libtool pkg-config ca-certificates curl
  libfcgi-dev libpq-dev libjson-c-dev libjwt-dev libpcre2-dev libssl-dev libcurl4-openssl-dev
  libhiredis-dev libarchive-dev libjq-dev libleptonica-dev libonig-dev zlib1g-dev libseccomp-dev libuv1-dev
  libcmocka-dev"
PACKAGES_RUN="nginx-light postgresql-15 postgresql-client-15 redis-server openssl procps iproute2
  util-linux passwd tesseract-ocr tesseract-ocr-eng poppler-utils bubblewrap sqitch libdbd-pg-perl
  tzdata python3"
PACKAGES_TEST="python3-pytest python3-jsonschema python3-requests python3-urllib3 valgrind clang llvm
  libclang-rt-14-dev clang-format-14 git xz-utils libfaketime logrotate systemd wrk gdb"
PACKAGES_VIEWERS="nodejs npm" # 147 MB; a Node.js from elsewhere has its npm and is left alone
# the suite registry; Node.js and npm are PACKAGES_VIEWERS, Go may be one from elsewhere
PACKAGES_REGISTRY="chromium maven default-jre-headless python3-venv"
PACKAGES_GO="golang"
PACKAGES_BENCH="wrk"

# Prints those that are not installed. One query, whatever their number.
packages_missing() {
  local p have
  # shellcheck disable=SC2086
  have=" $(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $* 2>/dev/null |
    awk '$2 == "installed" {printf "%s ", $1}')"
  for p in $*; do
    case $have in *" $p "*) ;; *) printf '%s ' "$p" ;; esac
  done
}

as_admin() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

packages_install() {
  export DEBIAN_FRONTEND=noninteractive
  # Debian would make and start a cluster, and start the services, none of which we use
  as_admin sh -c '
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
      echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    if [ ! -e /usr/sbin/policy-rc.d ]; then
      printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d
      chmod 755 /usr/sbin/policy-rc.d
      touch /usr/sbin/policy-rc.d.millrace
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -y -q --no-install-recommends "$@"
    r=$?
    if [ -e /usr/sbin/policy-rc.d.millrace ]; then
      rm -f /usr/sbin/policy-rc.d /usr/sbin/policy-rc.d.millrace
    fi
    exit $r' sh "$@"
}

# What the suite registry runs; a Node.js or Go from elsewhere is left alone.
packages_registry() {
  # shellcheck disable=SC2086
  packages_need $PACKAGES_REGISTRY
  # shellcheck disable=SC2086
  { command -v npm >/dev/null || packages_need $PACKAGES_VIEWERS; } &&
    { command -v go >/dev/null || packages_need $PACKAGES_GO; }
}

# GROUP-TEXT…: makes sure that all of them are there.
packages_need() {
  local missing
  missing=$(packages_missing "$@")
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "these packages are missing, and there is no apt-get: $missing"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || die "these packages are missing, and there is no sudo: $missing"
  # shellcheck disable=SC2086
  progress "installing $(echo $missing | wc -w) packages" "$DEV/log/apt.log" packages_install $missing
}
