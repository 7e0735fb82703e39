#!/usr/bin/env bash
# The example of tables in C beside the command: the command scores its models to the same scores and decisions.
#   table_test.sh TABLE CUGAD
set -euo pipefail
table=$(realpath "$1") cugad=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for group in "" group; do
  rm -f rows.csv
  "$table" rows.csv model.safetensors scores.csv $group
  "$cugad" score rows.csv --model model.safetensors --output expected.csv --quiet 2>log || { cat log >&2; exit 1; }
  cut -d, -f1-3 scores.csv >got.csv
  # Both write digits enough for a float to be the same one, but not the same digits: half its last bit may differ.
  paste -d, got.csv expected.csv | awk -F, '
      NR > 1 && ($1 != $4 || $3 != $6 || ($2 - $5)^2 > (6e-8 * $2)^2) { print "FAILED: row " $0; bad = 1; exit }
      END { if (!bad && NR != 4001) { print "FAILED: " NR " lines"; bad = 1 } exit bad }'
  echo "4000 scores are those of the command"
done
