#!/usr/bin/env bash
# Prints the binary interface of libcugad.so as sorted lines: exported symbols, sizes, fields and enumerators of the
# public types, the C functions' types. Fails if library and headers do not agree.
#   facts.sh LIBRARY INCLUDE_FOLDER COMPILER ABI
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$1 include=$(cd "$2" && pwd) compiler=$3 abi=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

# ---- What the library exports.
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' >"$work/exported"
unversioned=$(grep -v "@@CUGAD_$abi\$" "$work/exported" || true)
[[ -z $unversioned ]] || fail "exported without the version CUGAD_$abi:" "$unversioned"
sed 's/@@.*//' "$work/exported" >"$work/names"
c++filt <"$work/names" | sed 's/^/symbol /' >"$work/facts"
soname=$(readelf -d "$library" | sed -n 's/.*Library soname: \[\(.*\)\]/\1/p')
[[ $soname == "libcugad.so.$abi" ]] || fail "the library's SONAME is $soname, expected libcugad.so.$abi"

# ---- Declarations of the headers: every C function exists, and every C++ function is marked.
grep '^cugad_' "$work/names" | sort >"$work/c_exported" || true
printf '#include "%s"\n' "$include"/cugad/*.h >"$work/headers.c"
"$compiler" -E -P -x c -I "$include" "$work/headers.c" | tr '\n' ' ' | tr ';' '\n' | grep 'visibility("default")' |
  grep -o '\bcugad_[a-z0-9_]*(' | tr -d '(' | sort -u >"$work/c_declared"
missing=$(comm -3 "$work/c_exported" "$work/c_declared")
[[ -z $missing ]] || fail "exported but not in a header for C, or (second column) the other way round:" "$missing"
unmarked=$(awk '
  statement == "" && !/^[A-Za-z]/ { next }
  { statement = statement $0 }
  /;$/ { if (statement ~ /\(/ && statement !~ /^(CUGAD_API|template|using|typedef|class|struct|enum)/) print FILENAME ": " statement }
  /[;{}\\]$/ { statement = "" }' "$include"/cugad/*.hpp "$include"/cugad/ops/*.hpp
  grep -nE '^class [A-Za-z]+ ' "$include"/cugad/*.hpp "$include"/cugad/ops/*.hpp || true)
[[ -z $unmarked ]] || fail "declared in a public header without CUGAD_API:" "$unmarked"

# ---- Types, from the compiler's debugging information.
{
  cat "$work/headers.c"
  echo '#include "cugad/cugad.hpp"'
  sed 's/.*/auto* use_& = \&&;/' "$work/c_exported"
} >"$work/interface.cpp"
"$compiler" -std=c++20 -g -gdwarf-5 -fno-eliminate-unused-debug-types -femit-class-debug-always -I "$include" -c "$work/interface.cpp" -o "$work/interface.o"
readelf --debug-dump=info "$work/interface.o" | awk -f "$here/layout.awk" >>"$work/facts"
sort -u -o "$work/facts" "$work/facts"
for kind in symbol type field value virtual; do
  grep -q "^$kind " "$work/facts" || fail "the debugging information could not be read: no '$kind' in it"
done
cat "$work/facts"
