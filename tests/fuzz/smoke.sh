#!/usr/bin/env bash
# What continuous integration fuzzes: builds the fuzzers that need little of the library (Clang) and runs each for some
# seconds, 20 together.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
tests/fuzz/run.sh build/fuzz 2
