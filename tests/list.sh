#!/bin/sh
# Writes tests/programs.inc: what automake must know of each unit test and fuzz target. Run it
# after adding one ("make lint" tells when it was forgotten).
cd "$(dirname "$0")/.." || exit 1
units=$(ls tests/unit/test_*.c 2>/dev/null | sed 's/\.c$//')
fuzzers=$(ls tests/fuzz/fuzz_*.c 2>/dev/null | sed 's/\.c$//')
{
  echo "# Made by tests/list.sh from what lies in tests/unit and tests/fuzz."
  echo "unit_programs ="
  for t in $units; do echo "unit_programs += $t"; done
  echo "fuzz_programs ="
  for t in $fuzzers; do echo "fuzz_programs += $t"; done
  for t in $units; do
    v=$(echo "$t" | tr /- __)
    echo "${v}_SOURCES = $t.c tests/unit/test.h"
    echo "${v}_LDADD = \$(unit_libs)"
    # a test may bring what it needs beside the libraries
    if [ -e "$t.inc" ]; then cat "$t.inc"; fi
  done
  for t in $fuzzers; do
    v=$(echo "$t" | tr /- __)
    echo "${v}_SOURCES = $t.c \$(fuzz_main)"
    echo "${v}_LDADD = \$(fuzz_libs)"
    echo "${v}_LDFLAGS = \$(AM_LDFLAGS) \$(fuzz_ldflags)"
  done
} >tests/programs.inc
