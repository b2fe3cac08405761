#!/usr/bin/env bash
# Makes the clients of the API, from its document alone:
#
#   make.sh SOURCE-FOLDER OUT VERSION
#
# OUT/www is then what "make install" adds to the web root: below clients/ a package for Python, TypeScript and Go, a
# collection for Postman with its environment, and the page that lists them. Needs java, mvn, node and npm; what they bring is pinned in tools/registry/pins and kept in OUT/tools. Nothing is made twice from the same.
set -euo pipefail
source=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
version=$3
document=$source/docs/reference/openapi.json
die() { echo "clients: $*" >&2; exit 1; }

want=$(cat "$document" "$source"/tools/clients/* "$source/tools/registry/pins" |
  sha256sum | cut -d' ' -f1)-$version
[ "$want" != "$(cat "$out/made-from" 2>/dev/null)" ] || exit 0
for program in java mvn node npm python3; do
  command -v $program >/dev/null || missing="${missing:+$missing, }$program"
done
[ -z "${missing:-}" ] || die "not made, since these are not installed: $missing"
bash "$source/tools/registry/fetch.sh" clients "$out/tools" || exit 1
work=$(mktemp -d "$out/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=0
python3 "$source/tools/clients/prepare.py" "$document" >"$work/document.json"

# LANGUAGE NAME OPTION…: the generator's sources in $work/NAME
generate() {
  local language=$1 name=$2
  shift 2
  java -Xmx768m -jar "$out/tools/openapi-generator-cli.jar" generate -g "$language" -i "$work/document.json" \
    -o "$work/$name" --skip-validate-spec --global-property apiTests=false,modelTests=false "$@" \
    >"$work/$name.log" 2>&1 </dev/null || { tail -n 20 "$work/$name.log" >&2; die "openapi-generator makes no $name"; }
  # what only its own repository would need
  rm -rf "$work/$name"/{git_push.sh,.gitignore,.travis.yml,.gitlab-ci.yml,.github,.openapi-generator,.openapi-generator-ignore,.npmignore,tox.ini,setup.cfg,test-requirements.txt}
}

# FOLDER FILE: as a tarball that is the same whenever it is made
pack() {
  tar -C "$work" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - "$1" | gzip -9n >"$work/www/clients/$2"
}

mkdir -p "$work/www/clients"
generate python "millrace-client-$version" --additional-properties \
  "packageName=millrace_client,projectName=millrace-client,packageVersion=$version"
pack "millrace-client-$version" "millrace-client-$version.tar.gz"

generate typescript-fetch package --additional-properties \
  "npmName=millrace-client,npmVersion=$version,supportsES6=true,disallowAdditionalPropertiesIfNotPresent=false"
python3 "$source/tools/clients/npm_package.py" "$work/package"
(cd "$work/package" && "$out/tools/node_modules/.bin/tsc" --strict && rm -rf src tsconfig*.json) || die "tsc refuses the client"
pack package "millrace-client-$version.tgz"

# has_auth_config would be both a member and what asks for auth_config
generate go "millrace-client-go-$version" --git-host millrace.example --git-user-id millrace --git-repo-id client \
  --name-mappings has_auth_config=AuthConfigIsSet \
  --additional-properties "packageName=millrace,packageVersion=$version,disallowAdditionalPropertiesIfNotPresent=false"
sed -i 's/^go 1\..*/go 1.19/' "$work/millrace-client-go-$version/go.mod"
python3 "$source/tools/clients/zip.py" "$work/www/clients/millrace-client-go-$version.zip" "$work" "millrace-client-go-$version"

"$out/tools/node_modules/.bin/openapi2postmanv2" -s "$document" -o "$work/raw.json" \
  -O folderStrategy=Tags,requestParametersResolution=Example,optimizeConversion=true >"$work/postman.log" 2>&1 </dev/null ||
  { tail -n 20 "$work/postman.log" >&2; die "openapi-to-postmanv2 makes no collection"; }
python3 "$source/tools/clients/postman.py" "$work/raw.json" "$document" "$version" "$work/www/clients"

python3 "$source/tools/clients/index.py" "$work/www/clients" "$version"
find "$work/www" -type d -exec chmod 755 {} +
find "$work/www" -type f -exec chmod 644 {} +
rm -rf "$out/www"
mv "$work/www" "$out/www"
echo "$want" >"$out/made-from"
