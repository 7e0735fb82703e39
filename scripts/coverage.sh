#!/usr/bin/env bash
# Line coverage of host/ and of the CPU code of kernels/ by the usual tests: a table per folder, and the files below 85 %.
#   scripts/coverage.sh [FOLDER]     builds in FOLDER (build/coverage) and runs the tests there; FOLDER/lines.txt names
#                                    the lines that none of them ran
# A line counts once, and as run if any instruction set's object ran it. Needs gcovr (Debian: gcovr).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/coverage}

if ! command -v gcovr >/dev/null; then
  echo "coverage.sh needs gcovr: apt-get install gcovr" >&2
  exit 1
fi

# Counted without locks, which would make this build many times slower: threads lose counts of a line that runs often, not
# the line. Files that gcov cannot read are left out below, with a note.
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_COMPILE_WARNING_AS_ERROR=ON \
  -DCMAKE_CXX_FLAGS_DEBUG="-O1 --coverage" -DCUGAD_CUDA=OFF -DCUGAD_EMULATED=OFF \
  -DCUGAD_BENCHMARKS=OFF -DCUGAD_EXAMPLES=OFF -DCUGAD_STATIC=OFF -DCUGAD_INSTRUCTION_SETS="baseline;avx2"
cmake --build "$build"

# Left out: what tests the packaging; and the faults, which end the process before it can write its counts, or take the
# disk that they are written to (and `faults` fails in this build, see tests/README.md).
find "$build" -name '*.gcda' -delete
status=0
ctest --test-dir "$build" --output-on-failure --no-tests=error --label-exclude slow \
  --exclude-regex '^(install|package|abi|abi_rules|reference|op_reference|faults.*)$' || status=$?

gcovr --root . --object-directory "$build" --gcov-ignore-parse-errors --filter 'host/' --filter 'kernels/.*\.(cpp|hpp)$' \
  --csv "$build/files.csv" --txt "$build/lines.txt" "$build"
# files.csv: filename,line_total,line_covered,...
awk -F, '
  NR == 1 { next }
  {
    split($1, part, "/")
    folder = part[1] == "host" ? "host/" part[2] : "kernels"
    lines[folder] += $2; run[folder] += $3; all += $2; all_run += $3
    if ($2 > 0 && $3 < 0.85 * $2) low[$1] = sprintf("%s: %d of %d lines (%.1f %%)", $1, $3, $2, 100 * $3 / $2)
  }
  END {
    print "| folder | lines | run | share |"
    print "|---|---|---|---|"; fflush()
    for (folder in lines)
      printf "| %s | %d | %d | %.1f %% |\n", folder, lines[folder], run[folder], 100 * run[folder] / lines[folder] | "sort"
    close("sort")
    printf "| all | %d | %d | %.1f %% |\n", all, all_run, 100 * all_run / all
    print "\nBelow 85 %:"; fflush()
    for (name in low) print low[name] | "sort"
    close("sort")
  }' "$build/files.csv"
exit "$status"
