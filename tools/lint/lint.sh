#!/bin/sh
# What "make lint" checks. Prints each finding as file:line: text, then one line
# "lint: N checks passed, M failed"; the exit status says whether all passed.
#   lint.sh SOURCE-FOLDER [BUILD-FOLDER]     the build folder brings the generated headers
set -u
src=${1:-.}
build=$(cd "${2:-$src}" && pwd)
cd "$src" || exit 2
CC=${CC:-cc}
passed=0
failed=0
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

# Files of the project, without what a build or a test run leaves behind.
files() {
  find . \( -path ./.git -o -path ./.dev -o -path ./autom4te.cache -o -path ./build-aux -o -name __pycache__ \) \
    -prune -o -type f \( "$@" \) -print | sed 's,^\./,,' | sort
}
code() { files -name '*.c' -o -name '*.h' -o -name '*.def'; }
product() { code | grep -v '^tests/'; }

check() { # NAME FUNCTION
  "$2" >"$tmp/out" 2>&1
  if [ ! -s "$tmp/out" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '== %s\n' "$1"
    head -n 60 "$tmp/out"
  fi
}

# Who may include whom: the picture of docs/architecture.md, kept true.
includes() {
  code | grep -E '^(lib|sql|net|auth|engine|fcgi|handlers|relay|admin)/' | xargs grep -nE '^[[:space:]]*#[[:space:]]*include "' |
    awk -F: '
    function folder(path) {
      if (path ~ /^engine\/core\//) return "core"
      sub(/\/.*/, "", path)
      return path
    }
    BEGIN {
      may["lib"] = " lib "
      may["sql"] = " lib sql "
      may["core"] = " lib core "
      may["net"] = " lib net "
      may["auth"] = " lib sql net auth "
      may["fcgi"] = " lib sql net auth fcgi "
      may["relay"] = " lib sql auth relay "
      may["engine"] = " lib sql net core engine "
      may["handlers"] = " lib sql net auth fcgi core handlers "
      may["admin"] = " lib sql auth admin "
    }
    {
      split($3, part, "\"")
      to = part[2]
      if (to !~ /\// || to == "config.h") next
      # fcgi knows handlers only as the table it is linked with, by its ids
      if ($1 ~ /^fcgi\// && to ~ /^handlers\/(schema_ids|route_ids)\.h$/) next
      if (index(may[folder($1)], " " folder(to) " ") == 0)
        print $1 ":" $2 ": " folder($1) " may not include " to
    }'
}

# A .c file includes its own header first, or the private one of its module.
own_header_first() {
  product | grep '\.c$' | while read -r f; do
    h=${f%.c}.h
    [ -e "$h" ] || continue
    first=$(grep -m 1 -E '^[[:space:]]*#[[:space:]]*include' "$f")
    case $first in
    "#include \"$h\"" | "#include \""*_private.h\") ;; # which includes it
    *) echo "$f:1: the first include must be \"$h\"" ;;
    esac
  done
}

banned_functions() {
  code | xargs grep -nE '(^|[^A-Za-z0-9_])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca|system|usleep|sleep)[[:space:]]*\(' |
    grep -vE ':[[:space:]]*(/?\*|//)'
}

# SQL text lives in sql/queries only.
sql_in_c() {
  product | grep -v '^tools/' | xargs grep -niE '"[[:space:]]*(select|insert into|update|delete from|with|begin|commit|listen|notify)[[:space:]]+[a-z_(]' |
    grep -iE '(from|into|set|values|where|returning|pg_|;|listen|notify|begin|commit|select [a-z_]+\()'
}

unfinished() {
  files -name '*.c' -o -name '*.h' -o -name '*.sql' -o -name '*.py' -o -name '*.sh' -o -name dev |
    grep -v '^tools/lint/' |
    xargs grep -nIE '\b(TODO|FIXME|XXX)\b|[Nn]ot implemented|\b[Ss]tub\b|[Ff]or now,'
}

# Nothing of one machine, and no fixed waits in tests.
machine_paths() {
  files -name '*' | grep -vE '^(tools/lint/|configure$|aclocal.m4$|Makefile.in$)' |
    xargs grep -nIE '(^|[^A-Za-z0-9_.])/(work|farm|root|home)/[A-Za-z]'
}
fixed_waits() { # polls are shorter; the pace of a service that a test plays is no wait of the test
  files -name '*.py' -o -name '*.c' | grep '^tests/' |
    xargs grep -nE '\b(time\.sleep|usleep|sleep|nanosleep) *\((0\.[1-9]|[1-9])' | grep -vE 'receiver\.on\('
}

# No variable-length arrays, and no file so long that it asks a question.
long_files() {
  code | xargs wc -l | awk '$2 != "total" && $1 > 1500 {print $2 ":1: " $1 " lines"}'
}

# Every header compiles alone.
headers() {
  flags=$(pkg-config --cflags libpq libuv json-c libcurl hiredis 2>/dev/null)
  code | grep '\.h$' | xargs -P "$(nproc)" -I{} sh -c '
    echo "#include \"{}\"" | '"$CC"' -std=gnu11 -D_GNU_SOURCE -fsyntax-only -Wall -Wextra -Wvla -I. -I"'"$build"'" '"$flags"' -x c -'
}

# Public functions begin with mr_; a header says at its top what the module is.
header_comments() {
  product | grep '\.h$' | while read -r h; do
    head -n 1 "$h" | grep -q '^/\*' || echo "$h:1: begins with a comment that says what the module is"
  done
}

# Every unit test and fuzz target is in the makefile, so none is forgotten.
tests_listed() {
  files -path './tests/unit/test_*.c' -o -path './tests/fuzz/fuzz_*.c' | sed 's/\.c$//' | while read -r t; do
    grep -q "_programs += $t\$" tests/programs.inc || echo "$t.c:1: is not in tests/programs.inc; run tests/list.sh"
  done
}

shell_syntax() {
  files -name '*.sh' | while read -r f; do bash -n "$f"; done
  bash -n dev
  bash -n .ci/run
}
python_syntax() {
  files -name '*.py' | xargs python3 -c '
import ast, sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        try:
            ast.parse(f.read(), path)
        except SyntaxError as e:
            print(f"{path}:{e.lineno}: {e.msg}")'
}
json_syntax() {
  files -name '*.json' | grep -v '^tests/fuzz/' | xargs python3 -c '
import json, sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as f:
        try:
            json.load(f)
        except ValueError as e:
            print(f"{path}: {e}")'
}

# What is generated and committed is what the generators say.
drift() {
  same() { # COMMITTED-FILE, what was made being in $tmp/new
    cmp -s "$1" "$tmp/new" || echo "$1:1: is stale; run make regenerate"
  }
  admin=$build/millrace-admin
  openapi=$build/tools/openapi-gen/openapi-gen
  for program in "$admin" "$openapi"; do
    [ -x "$program" ] || { echo "$program:1: is not built"; return; }
  done
  "$admin" settings --markdown >"$tmp/new" && same docs/reference/settings.md
  "$admin" metrics --markdown >"$tmp/new" && same docs/reference/metrics.md
  "$admin" settings --sample >"$tmp/new" && same deploy/millrace.conf.sample
  "$openapi" --json "$tmp/new" docs/reference/examples.json && same docs/reference/openapi.json
  "$openapi" --errors "$tmp/new" && same docs/reference/errors.md
}

# What each unit leaves open, as systemd-analyze weighs it: at most 2.5 of 10.
systemd_units() {
  command -v systemd-analyze >/dev/null || return 0
  for f in deploy/systemd/*.service.in; do
    unit=$tmp/$(basename "$f" .in)
    sed -e 's,@NGINX@,/bin/true,g; s,@sysconfdir@,/etc,g; s,@runstatedir@,/run,g; s,@docdir@,/usr/share/doc,g' \
      -e 's,=@sbindir@/[a-z-]*,=/bin/true,; s,@sbindir@,/usr/sbin,g' "$f" >"$unit"
    systemd-analyze security --no-pager --offline=yes --threshold=25 "$unit" >"$tmp/security" 2>&1 ||
      echo "$f:1: $(tail -n 1 "$tmp/security")"
    systemd-analyze verify --man=no "$unit" 2>&1 | grep -F "$(basename "$unit")" | sed "s,^,$f:1: ,"
  done
}

format() {
  for cf in clang-format-14 clang-format; do
    if command -v $cf >/dev/null; then
      code | grep -v '\.def$' | xargs -P "$(nproc)" -n 8 $cf --dry-run 2>&1 | grep -E 'warning:' | cut -d: -f1 | sort | uniq -c |
        awk '{print $2 ":1: " $1 " places are not as clang-format has them"}'
      return
    fi
  done
}

check "includes between folders" includes
check "own header first" own_header_first
check "banned functions" banned_functions
check "SQL text in C" sql_in_c
check "unfinished work" unfinished
check "paths of one machine" machine_paths
check "fixed waits in tests" fixed_waits
check "length of files" long_files
check "headers compile alone" headers
check "headers say what they are" header_comments
check "tests are listed" tests_listed
check "shell scripts parse" shell_syntax
check "Python parses" python_syntax
check "JSON parses" json_syntax
check "generated files are current" drift
check "systemd units" systemd_units
check "format" format

echo "lint: $passed checks passed, $failed failed"
[ "$failed" = 0 ]
