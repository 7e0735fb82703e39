#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

scripts/install_dependencies.sh
cmake --preset cpu
cmake --build --preset cpu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --test-dir build/cpu --output-on-failure --no-tests=error --label-exclude slow 2>&1 | tee "$log" || status=$?

# One line per test: "1/9 Test #1: cli ....   Passed    3.14 sec". Everything else that a test can end with is a failure.
passed=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed ' "$log" || true)
all=$(grep -cE '^ *[0-9]+/[0-9]+ Test +#[0-9]+: ' "$log" || true)
failed=$((all - passed))
if ((status == 0 && (failed > 0 || passed == 0))) || ((status != 0 && failed == 0)); then
  # The count and ctest disagree: never let that look like success.
  failed=$((failed > 0 ? failed : 1))
  status=1
fi
echo "$passed passed, $failed failed"
exit "$status"
