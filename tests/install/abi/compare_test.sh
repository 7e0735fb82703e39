#!/usr/bin/env bash
# What compare.sh lets pass: every kind of change, with and without a bump of version or ABI number.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

count=0
# expect pass|fail TITLE ARGUMENTS: runs compare.sh on the files `facts` and `record`.
expect() {
  local wanted=$1 title=$2 got=pass
  shift 2
  "$here/compare.sh" facts record "$@" >output 2>&1 || got=fail
  [[ $got == "$wanted" ]] || { echo "FAILED: $title: expected $wanted, got $got" && cat output && exit 1; } >&2
  count=$((count + 1))
}
now() { printf '%s\n' "$@" >facts; }
recorded() { printf '%s\n' "released 1.2.0 abi 3" "$@" >record; }

recorded "field a: at 0, int" "symbol f()" "symbol g()"
now "field a: at 0, int" "symbol f()" "symbol g()"
expect pass "nothing changed" 1.2.0 3
now "field a: at 0, int" "symbol f()"
expect fail "a symbol is gone" 1.2.0 3
expect fail "a symbol is gone, in a later version" 1.3.0 3
expect fail "and cannot be taken over" 1.3.0 3 --update
expect fail "a symbol is gone, under a later ABI number, not yet recorded" 2.0.0 4
expect pass "and taken over" 2.0.0 4 --update
expect pass "and compared again" 2.0.0 4

recorded "field a: at 0, int" "symbol f()"
now "field a: at 8, int" "symbol f()"
expect fail "a field has moved" 1.2.0 3
expect fail "a field has moved, in a later version" 1.10.0 3
expect pass "a field has moved, under a later ABI number" 2.0.0 4 --update

recorded "symbol f()"
now "symbol f()" "symbol h()"
expect fail "a symbol is new" 1.2.0 3
expect fail "a symbol is new, and cannot be taken over" 1.2.0 3 --update
expect fail "a symbol is new, in an earlier version" 1.1.9 3 --update
expect fail "a symbol is new, in a later version, not yet recorded" 1.10.0 3
expect pass "and taken over" 1.10.0 3 --update
expect pass "and compared again" 1.10.0 3
now "symbol f()"
expect pass "what was never released may go" 1.10.0 3 --update
now "symbol f()" "symbol h()"
expect pass "and come back" 1.10.0 3 --update
expect pass "a release" 1.10.0 3 --release
now "symbol f()"
expect fail "what was released may not go" 1.11.0 3 --update
echo "$count comparisons went as expected"
