#!/usr/bin/env bash
# What continuous integration fuzzes: builds the fuzzers (Clang) and runs each for 2 seconds, 26 together.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cmake --preset fuzz
cmake --build --preset fuzz
tests/fuzz/run.sh build/fuzz 2
