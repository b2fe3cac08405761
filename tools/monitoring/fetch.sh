#!/bin/sh
# Brings promtool and amtool out of Debian's packages prometheus and prometheus-alertmanager into a
# folder. Nothing is installed: no service comes with them, none starts. Prints nothing when they are
# there.
#
#   fetch.sh DIR
set -eu
dir=$1
die() { echo "monitoring: $*" >&2; exit 1; }

# PACKAGE PROGRAM: the program out of the newest package that apt knows
bring() {
  [ ! -x "$dir/$2" ] || return 0
  command -v apt-get >/dev/null || die "$2 is missing, and there is no apt-get (Debian: $1)"
  rm -f "$tmp"/*.deb
  (cd "$tmp" && { apt-get download -q "$1" || { update && apt-get download -q "$1"; }; }) >"$tmp/log" 2>&1 ||
    die "apt-get can't download $1: $(tail -n 1 "$tmp/log")"
  dpkg --fsys-tarfile "$tmp"/"$1"_*.deb | tar -x -C "$tmp" "./usr/bin/$2" || die "$1 has no /usr/bin/$2"
  mv "$tmp/usr/bin/$2" "$dir/$2"
}

# A fresh machine has no lists of packages yet.
update() {
  if [ "$(id -u)" = 0 ]; then apt-get update -q; else sudo -n apt-get update -q; fi
}

mkdir -p "$dir"
exec 7>"$dir/.lock"
flock 7
tmp=$(mktemp -d "$dir/new.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
bring prometheus promtool
bring prometheus-alertmanager amtool
