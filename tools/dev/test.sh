# ./dev test: every suite, in two lanes on two cores, counted together. Sourced by dev.
#
# A suite leaves $OUT/<suite>.count with "passed failed skipped seconds"; one without it has
# failed to run at all, which counts as one failure.

SUITES_A="unit lint sql contract integration"
SUITES_B="asan dist"
SUITES_ALONE="fault" # measures how long things take while something is away

count() { # SUITE PASSED FAILED SKIPPED
  echo "$2 $3 $4 $((SECONDS - SUITE_START))" >"$OUT/$1.count"
}

# Adds up what make check left: every case of every cmocka program, and one for each other test. When make
# failed although no test did, something wasn't built: one failure.
count_make_check() { # SUITE BUILD-FOLDER STATUS-OF-MAKE
  local passed=0 failed=0 skipped=0 trs log result p f
  while read -r trs; do
    log=${trs%.trs}.log
    result=$(sed -n 's/^:global-test-result: //p' "$trs")
    p=$(sed -n 's/.*\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    f=$(sed -n 's/.*\[  FAILED  \] .*[^0-9]\([0-9][0-9]*\) test(s), listed below.*/\1/p' "$log" | awk '{n += $1} END {print n + 0}')
    case $result in
    PASS) passed=$((passed + (p > 0 ? p : 1))) ;;
    SKIP) skipped=$((skipped + 1)) ;;
    *)
      passed=$((passed + p))
      failed=$((failed + (f > 0 ? f : 1)))
      ;;
    esac
  done < <(find "$2" -name '*.trs')
  [ "$3" = 0 ] || [ "$failed" != 0 ] || failed=1
  count "$1" "$passed" "$failed" "$skipped"
}

make_check() { # SUITE BUILD-FOLDER
  find "$2" -name '*.trs' -delete
  local status=0
  make -C "$2" -k -j"$(nproc)" check || status=$?
  count_make_check "$1" "$2" "$status"
}

run_pytest() { # SUITE ARGUMENT…
  local suite=$1
  shift
  (cd "$ROOT" && python3 -B -m pytest -q -p no:cacheprovider --junitxml="$OUT/$suite.xml" $LONG "$@")
  read -r passed failed skipped < <(python3 - "$OUT/$suite.xml" <<'PY'
import sys
import xml.etree.ElementTree as xml
total = failed = skipped = 0
for s in xml.parse(sys.argv[1]).getroot().iter("testsuite"):
    total += int(s.get("tests"))
    failed += int(s.get("failures")) + int(s.get("errors"))
    skipped += int(s.get("skipped"))
print(max(total - failed - skipped, 0), failed, skipped)
PY
  )
  count "$suite" "$passed" "$failed" "$skipped"
}

suite_unit() {
  [ -z "$LONG" ] || export MILLRACE_TEST_LONG=1
  make_check unit "${UNIT_BUILD:-$DEV/build}"
}
suite_lint() {
  sh tools/lint/lint.sh "$ROOT" "$DEV/build" | tee "$OUT/lint.out"
  read -r passed failed < <(sed -n 's/^lint: \([0-9]*\) checks passed, \([0-9]*\) failed$/\1 \2/p' "$OUT/lint.out")
  count lint "$passed" "$failed" 0
}
suite_sql() { run_pytest sql tests/sql; }
suite_contract() { run_pytest contract tests/contract; }
suite_integration() { run_pytest integration tests/integration; }
suite_fault() { run_pytest fault tests/fault; }
# Units, corpora and the contract suite with AddressSanitizer and UndefinedBehaviorSanitizer.
suite_asan() {
  build asan "$BASE/asan" --enable-sanitizers CFLAGS="-O1 -g" || return
  make_check asan "$DEV/asan"
  local units
  units=$(cat "$OUT/asan.count")
  MILLRACE_INST=$BASE/asan run_pytest asan tests/contract
  awk -v units="$units" '{split(units, u, " "); print $1 + u[1], $2 + u[2], $3 + u[3], $4}' \
    "$OUT/asan.count" >"$OUT/asan.sum"
  mv "$OUT/asan.sum" "$OUT/asan.count"
}

# What needs the registries of npm, PyPI, Maven and Go: the clients, and others' judges of the document.
suite_registry() {
  make -C "$DEV/build" clients viewers || return
  (umask 022 && make -C "$DEV/build" -s install-data) || return
  run_pytest registry tests/registry
}

# Every target looks for FUZZ_SECONDS (--long fuzz), after it has replayed its corpus; one on each core.
suite_fuzz() {
  build fuzz "$BASE/fuzz" --enable-fuzzers CC=clang CFLAGS="-O1 -g" || return
  if nice -n 19 make -k -O -j"$(nproc)" -C "$DEV/fuzz" fuzz FUZZ_SECONDS="${FUZZ_SECONDS:-3600}"; then
    count fuzz "$(grep -c '^== ' "$OUT/fuzz.log")" 0 0
  else
    count fuzz 0 1 0
  fi
}

# The ordinary suites on programs that note which lines ran; then a table per folder. Programs of the
# service's user write into a folder of their own, those that the tests start into another. It fails when a
# test does, and when a folder has too little.
test_coverage() {
  local dir=$DEV/coverage servers=$BASE/covered beside=$DEV/covered least=${COVERAGE_LEAST:-85} status=0
  build coverage "$BASE/coverage" --enable-coverage CFLAGS="-O0 -g" || return
  find "$dir" -name '*.gcda' -delete
  rm -rf "$servers" "$beside"
  mkdir -p "$servers" "$beside"
  chmod 0777 "$servers"
  export MILLRACE_INST=$BASE/coverage STACK_ENV=GCOV_PREFIX=$servers GCOV_PREFIX=$beside UNIT_BUILD=$dir
  run_lane "$@"
  sum_up || status=1
  python3 tools/dev/coverage.py "$ROOT" "$dir" "$least" "$dir" "$servers" "$beside" || status=1
  return "$status"
}

# What the suites counted, in one line; fails when something failed.
sum_up() {
  local passed=0 failed=0 skipped=0 p f k _ s
  for s in "$OUT"/*.count; do
    read -r p f k _ <"$s"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + k))
  done
  # on a machine that is meant to have everything, a test that did not run did not pass
  if [ -n "${CI:-}" ] && [ "$skipped" -gt 0 ]; then
    say "$skipped tests were skipped, which CI forbids"
    failed=$((failed + skipped))
  fi
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}

# The tarball builds and passes by itself, out of a tree that can't be written to; what it installs.
suite_dist() {
  local tarball="1 0"
  make -C "$DEV/build" distcheck || tarball="0 1"
  run_pytest dist tests/dist
  awk -v t="$tarball" '{split(t, n, " "); print $1 + n[1], $2 + n[2], $3, $4}' "$OUT/dist.count" >"$OUT/dist.sum"
  mv "$OUT/dist.sum" "$OUT/dist.count"
}

# Twice a minute, where the suite is: the last line that it wrote.
show_suite() { # SUITE PID
  local shown=0
  while kill -0 "$2" 2>/dev/null; do
    sleep 0.5
    [ $((SECONDS - SUITE_START)) -ge $((shown + 30)) ] || continue
    shown=$((SECONDS - SUITE_START))
    printf '  %-12s … %ds  %s\n' "$1" "$shown" "$(tail -n 5 "$OUT/$1.log" 2>/dev/null | grep . | tail -n 1 | tr -d "\r" | cut -c1-70)"
  done
}

run_suite() {
  SUITE_START=$SECONDS
  { ("suite_$1") || true; } >"$OUT/$1.log" 2>&1 </dev/null &
  show_suite "$1" $!
  wait $! || true
  local passed=0 failed=1 skipped=0 seconds=$((SECONDS - SUITE_START))
  [ ! -s "$OUT/$1.count" ] || read -r passed failed skipped seconds <"$OUT/$1.count"
  [ -s "$OUT/$1.count" ] || echo "0 1 0 $seconds" >"$OUT/$1.count"
  printf '  %-12s %5d passed %3d failed %3d skipped  %4ds\n' "$1" "$passed" "$failed" "$skipped" "$seconds"
  if [ "$failed" != 0 ]; then
    printf '  %s: the end of %s\n' "$1" "$OUT/$1.log"
    # head ends before grep does, which is no failure
    { grep -E '^(FAILED|ERROR|FAIL:|== |E  )|Assert|error:|\[  FAILED' "$OUT/$1.log" | head -n 25 || true; } |
      cut -c1-200 | sed 's/^/    /'
    tail -n 12 "$OUT/$1.log" | cut -c1-200 | sed 's/^/    /'
  fi
}
run_lane() {
  local s
  for s in "$@"; do run_suite "$s"; done
}

test_all() {
  local suites=() coverage=
  LONG=
  OUT=$DEV/log/test
  while [ $# -gt 0 ]; do
    case $1 in
    --long) LONG=--long ;;
    --coverage) coverage=1 ;;
    unit | lint | sql | contract | integration | fault | asan | dist | registry | fuzz) suites+=("$1") ;;
    *) die "no such suite: $1" ;;
    esac
    shift
  done
  [ -z "$LONG" ] || [ ${#suites[@]} -gt 0 ] || SUITES_ALONE="$SUITES_ALONE registry"
  case " ${suites[*]} $SUITES_ALONE " in *" registry "*) packages_registry ;; esac
  rm -rf "$OUT"
  mkdir -p "$OUT"
  if [ -n "$coverage" ]; then
    [ ${#suites[@]} -gt 0 ] || suites=(unit contract integration)
    test_coverage "${suites[@]}"
    return
  fi
  build_programs
  say "running the tests; each suite's output is in .dev/log/test"
  if [ ${#suites[@]} -gt 0 ]; then
    run_lane "${suites[@]}"
  else
    # shellcheck disable=SC2086
    run_lane $SUITES_B &
    local lane=$!
    # shellcheck disable=SC2086
    run_lane $SUITES_A
    wait "$lane"
    # shellcheck disable=SC2086
    run_lane $SUITES_ALONE
  fi
  sum_up
}
