#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests. The last line is "N passed, N failed"; tests that lack
# something of theirs (data, PyTorch, Doxygen) are named above it as skipped and count as neither.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scripts/install_dependencies.sh
cmake --preset cpu
cmake --build --preset cpu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir build/cpu --parallel "$(nproc)" --output-on-failure --no-tests=error --label-exclude slow 2>&1 | tee "$log" || status=$?

# One line per test: "1/9 Test #1: cli ....   Passed    3.14 sec". Everything else that a test can end with, but for a skip
# that its own exit code asked for, is a failure.
line='^ *[0-9]+/[0-9]+ Test +#[0-9]+: '
passed=$(grep -cE "$line.* Passed " "$log" || true)
skipped=$(grep -cE "$line.*\*\*\*Skipped " "$log" || true)
all=$(grep -cE "$line" "$log" || true)
failed=$((all - passed - skipped))
if ((status == 0 && (failed > 0 || passed == 0))) || ((status != 0 && failed == 0)); then
  # The count and ctest disagree: never let that look like success.
  failed=$((failed > 0 ? failed : 1))
  status=1
fi
((skipped == 0)) || echo "$skipped skipped: what they lack is said above"
echo "$passed passed, $failed failed"
exit "$status"
