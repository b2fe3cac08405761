#!/usr/bin/env bash
# Brings what "pins" names for one group, by Maven, npm and pip as they are set up here:
#
#   fetch.sh GROUP DIR
#
# DIR then has node_modules, venv and NAME.jar, as far as the group has such packages. Nothing is
# fetched twice: DIR/made-from says which pins it has. No script of a package of npm's runs.
set -euo pipefail
group=$1
dir=$2
pins=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/pins
die() { echo "registry: $*" >&2; exit 1; }

# REGISTRY SEPARATOR: the group's packages there
packages() { awk -v r="$1" -v s="$2" -v g="$group" '$1 == r && $2 == g {print $3 s $4}' "$pins"; }

want=$(awk -v g="$group" '$2 == g' "$pins")
[ -n "$want" ] || die "$pins has no group $group"
mkdir -p "$dir"
exec 7>"$dir/.lock"
flock 7
[ "$want" != "$(cat "$dir/made-from" 2>/dev/null)" ] || exit 0
rm -rf "$dir/node_modules" "$dir/venv" "$dir"/*.jar "$dir"/package*.json "$dir/made-from"

mapfile -t maven < <(packages maven :)
for p in ${maven[@]+"${maven[@]}"}; do
  command -v mvn >/dev/null || die "Maven is not installed (Debian: maven)"
  mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact="$p:jar" \
    -DoutputDirectory="$dir" -Dmdep.stripVersion=true </dev/null || die "$p can't be had from Maven's repository"
done
mapfile -t npm < <(packages npm @)
if [ ${#npm[@]} -gt 0 ]; then
  command -v npm >/dev/null || die "npm is not installed (Debian: npm)"
  echo '{"private": true}' >"$dir/package.json"
  (cd "$dir" && npm install --silent --ignore-scripts --no-audit --no-fund --save-exact "${npm[@]}" </dev/null) ||
    die "npm's registry doesn't give ${npm[*]}"
fi
mapfile -t pypi < <(packages pypi ==)
if [ ${#pypi[@]} -gt 0 ]; then
  python3 -m venv "$dir/venv" || die "python3 has no venv (Debian: python3-venv)"
  "$dir/venv/bin/pip" install -q --disable-pip-version-check "${pypi[@]}" </dev/null || die "PyPI doesn't give ${pypi[*]}"
fi
printf '%s\n' "$want" >"$dir/made-from"
