#!/usr/bin/env bash
# Compares the binary interface of a built libcugad.so with record.txt (see compare.sh for --update and --release).
#   check.sh LIBRARY INCLUDE_FOLDER COMPILER [--update | --release]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
facts=$(mktemp)
trap 'rm -f "$facts"' EXIT

number() { sed -n "s/^#define CUGAD_$1 \([0-9]*\)$/\1/p" "$2/cugad/cugad.h"; }
version=$(number VERSION_MAJOR "$2").$(number VERSION_MINOR "$2").$(number VERSION_PATCH "$2")
abi=$(number ABI_VERSION "$2")
"$here/facts.sh" "$1" "$2" "$3" "$abi" >"$facts"
if ! "$here/compare.sh" "$facts" "$here/record.txt" "$version" "$abi" ${4:+"$4"}; then
  echo "compared by: $0 $*" >&2
  exit 1
fi
echo "$(grep -c '^symbol ' "$facts") symbols and $(grep -vc '^symbol ' "$facts") facts about types, CUGAD_$abi"
