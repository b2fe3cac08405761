#!/bin/sh
# Brings the viewers of /docs and /redoc, by npm from the registry that it is configured to use:
#
#   fetch.sh SOURCE-FOLDER OUT
#
# OUT/www is then what "make install" adds to the web root: each package's served files below
# static/viewers/<name>/<version>/, and the start pages that name them. Packages are only unpacked:
# no script of theirs runs and nothing that they depend on comes with them. A package whose SHA-512
# is not the one in packages.lock is refused. Nothing is fetched twice.
set -eu
source=$(cd "$1" && pwd)
out=$2
lock=$source/tools/viewers/packages.lock
pages=$source/nginx/www/docs
die() { echo "viewers: $*" >&2; exit 1; }

want=$(cat "$lock" "$0" "$pages"/*.html.in | openssl dgst -sha256 -r | cut -d' ' -f1)
[ "$want" != "$(cat "$out/made-from" 2>/dev/null)" ] || exit 0
command -v npm >/dev/null || die "npm is not installed: /docs and /redoc will say that their viewers are missing"
mkdir -p "$out"
tmp=$(mktemp -d "$out/new.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# NAME VERSION INTEGRITY: the package, as its registry gives it, in $tmp/tar
fetch() {
  rm -rf "$tmp/tar"
  mkdir "$tmp/tar"
  (cd "$tmp/tar" && timeout 120 npm pack --silent --ignore-scripts --fetch-retries=1 "$1@$2" >/dev/null) ||
    die "$1 $2 can't be had from npm's registry"
  set -- "$1 $2" "$3" "$tmp"/tar/*.tgz
  have=sha512-$(openssl dgst -sha512 -binary "$3" | openssl base64 -A)
  [ "$have" = "$2" ] || die "$1 is not the package that packages.lock means: $have"
}

# FILE: an image that redoc would load from elsewhere becomes one in the page itself; the page's
# policy would forbid it anyway, and say so in the console.
no_outside_logo() {
  blank='data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=='
  sed "s#https://cdn\.redoc\.ly/redoc/logo-mini\.svg#$blank#" "$1" >"$1.new"
  mv "$1.new" "$1"
}

mkdir -p "$tmp/www/docs"
cp "$pages"/*.html.in "$tmp/www/docs"
grep -v '^#' "$lock" | while read -r name version integrity files; do
  fetch "$name" "$version" "$integrity"
  at=static/viewers/$name/$version
  mkdir -p "$tmp/www/$at"
  for f in $files; do
    tar -xzf "$tmp"/tar/*.tgz -C "$tmp/tar" "package/$f"
    cp "$tmp/tar/package/$f" "$tmp/www/$at/"
  done
  case $name in redoc) no_outside_logo "$tmp/www/$at/redoc.standalone.js" ;; esac
  for page in "$tmp"/www/docs/*.html.in; do
    sed "s#@$name@#/$at#g" "$page" >"$page.new"
    mv "$page.new" "$page"
  done
done
for page in "$tmp"/www/docs/*.html.in; do
  mv "$page" "${page%.in}"
done
find "$tmp/www" -type d -exec chmod 755 {} +
find "$tmp/www" -type f -exec chmod 644 {} +
rm -rf "$out/www"
mv "$tmp/www" "$out/www"
echo "$want" >"$out/made-from"
