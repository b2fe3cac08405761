# Builds out of the tree and installs into a prefix below the state. Sourced.

# The viewers of the documentation pages. Without npm or a network the pages say that they are missing, and all
# else works. npm is installed for them where it is missing, unless MILLRACE_NO_VIEWERS says that nobody wants them.
viewers() { # BUILD-FOLDER
  [ -z "${MILLRACE_NO_VIEWERS:-}" ] || return 0
  # shellcheck disable=SC2086
  command -v npm >/dev/null || (packages_need $PACKAGES_VIEWERS) || true
  make -C "$1" -s viewers >"$DEV/log/viewers.log" 2>&1 </dev/null || grep '^viewers:' "$DEV/log/viewers.log" ||
    say "viewers: see $DEV/log/viewers.log"
}

# The clients of the API, where what makes them is there already; it takes a minute or two.
clients() { # BUILD-FOLDER
  local program missing=
  for program in java mvn node npm; do
    command -v $program >/dev/null || missing="${missing:+$missing, }$program"
  done
  if [ -n "$missing" ]; then
    say "clients: not made, since these are not installed: $missing (make clients, make install)"
    return 0
  fi
  progress "clients" "$DEV/log/clients.log" make -C "$1" -s clients ||
    { say "clients: see $DEV/log/clients.log"; return 0; }
  progress "install clients" "$DEV/log/clients.log" sh -c 'umask 022; make -C "$1" -s install-data' sh "$1"
}

# NAME PREFIX CONFIGURE-ARGUMENT…: makes $DEV/NAME what the sources say.
build() {
  local dir=$DEV/$1 prefix=$2 jobs
  shift 2
  jobs=$(nproc)
  if [ ! -x "$ROOT/configure" ]; then
    progress "autoreconf" "$DEV/log/autoreconf.log" autoreconf -fi "$ROOT" || return
  fi
  # configure refuses to build elsewhere when the sources have a build of their own
  [ ! -e "$ROOT/config.status" ] || die "there is a build in the source folder: run make distclean there first"
  mkdir -p "$dir"
  if [ ! -s "$dir/Makefile" ] || [ "$(cat "$dir/.arguments" 2>/dev/null)" != "$prefix $*" ]; then
    # install -C leaves a file alone that did not change, so a running program stays its own
    progress "configure $(basename "$dir")" "$dir/configure.out" env -C "$dir" "$ROOT/configure" -q \
      --prefix="$prefix" --sysconfdir="$prefix/etc" --localstatedir="$prefix/var" \
      INSTALL="$(command -v install) -C" "$@" || return
    echo "$prefix $*" >"$dir/.arguments"
  fi
  progress "make $(basename "$dir")" "$dir/make.out" make -C "$dir" -j"$jobs" || return
  if [ "$dir" = "$DEV/build" ]; then viewers "$dir"; fi
  progress "install $(basename "$dir")" "$dir/install.out" sh -c 'umask 022; make -C "$1" -s install' sh "$dir"
}

# The programs that ./dev up and the tests run.
build_programs() { build build "$BASE/inst" ${CI:+--enable-werror}; }
