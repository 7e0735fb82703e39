#!/usr/bin/env bash
# The lines of facts.sh beside those of the record. Any difference fails; docs/packaging.md has the required steps.
#   compare.sh FACTS RECORD VERSION ABI            compares
#   compare.sh FACTS RECORD VERSION ABI --update   rewrites the record, if version and ABI number allow it compare.sh
#   FACTS RECORD VERSION ABI --release  does so in any case, and counts everything as released
# The record's first line is "released VERSION abi NUMBER"; "new " marks the lines that came after that release.
set -euo pipefail
export LC_ALL=C
facts=$1 record=$2 version=$3 abi=$4 mode=${5:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}

if [[ $mode == --release ]]; then
  { echo "released $version abi $abi" && cat "$facts"; } >"$record"
  echo "$record: $(wc -l <"$facts") lines, released with $version"
  exit
fi
read -r _ released _ released_abi <"$record"
sed 1d "$record" | { grep -v '^new ' || true; } >"$work/old"
sed '1d; s/^new //' "$record" | sort >"$work/recorded"
comm -23 "$work/old" "$facts" >"$work/gone"
comm -13 "$work/old" "$facts" >"$work/added"
later() { [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | tail -n 1) == "$1" ]]; }
if [[ -s $work/gone ]] && ((abi <= released_abi)); then
  fail "gone or changed since $released, and CUGAD_ABI_VERSION is still $abi (see docs/packaging.md):" "$(sed 's/^/  /' "$work/gone")"
fi
if [[ -s $work/added ]] && ! later "$version" "$released"; then
  fail "added since $released, and the version is still $version (see docs/packaging.md):" "$(sed 's/^/  /' "$work/added")"
fi
if [[ $mode == --update ]]; then
  { head -n 1 "$record" && comm -12 "$work/old" "$facts" && sed 's/^/new /' "$work/added"; } >"$work/written"
  cp "$work/written" "$record"
  echo "$record: $(wc -l <"$work/added") new and $(wc -l <"$work/gone") gone since $released"
elif ! difference=$(diff "$work/recorded" "$facts"); then
  fail "not as in $record:" "$difference" "Version and ABI number allow it; the same command with --update takes it over."
fi
