#!/bin/sh
# Writes the API reference of include/cugad: scripts/reference.sh FOLDER. Fails at the first warning of doxygen; exits
# with 77 without doxygen.
set -eu
if ! command -v doxygen >/dev/null; then
  echo "skipped: there is no doxygen"
  exit 77
fi
mkdir -p "$1"
cd "$(dirname "$0")/.."
CUGAD_REFERENCE="$1" doxygen docs/Doxyfile
