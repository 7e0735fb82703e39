#!/usr/bin/env bash
# Fuzzes: run.sh BUILD SECONDS [TARGET...], e.g. run.sh build/fuzz 600 csv npy. Without targets: all, one after another.
# Inputs that reach new code are kept in BUILD/found/TARGET; one that fails is written to BUILD/failed/TARGET-...; the
# last line of each run (executions, coverage, memory) and its processor seconds, user and system, are printed. Ends
# with status 1 where something failed.
set -euo pipefail
build=$(realpath "$1") seconds=$2
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")"

targets=("$@")
((${#targets[@]} > 0)) || targets=(csv npy npz idx png jpeg config options safetensors model checkpoint c_api)
declare -A dictionary=([csv]=csv [npy]=npy [npz]=npy [config]=options [options]=options [safetensors]=safetensors
                       [model]=model [checkpoint]=model)
# The inputs pass through files: in memory, if there is such a file system.
[[ ! -d /dev/shm || ! -w /dev/shm ]] || export TMPDIR=/dev/shm
mkdir -p "$build/failed"

status=0
TIMEFORMAT='%U + %S'
for target in "${targets[@]}"; do
  mkdir -p "$build/found/$target"
  folders=("$build/found/$target" "corpus/$target")
  [[ ! -d regressions/$target ]] || folders+=("regressions/$target")
  limits=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=300 -max_len=4096)
  [[ -z ${dictionary[$target]:-} ]] || limits+=(-dict="dictionaries/${dictionary[$target]}.dict")
  log=$build/failed/$target.log
  if seconds_used=$( { time "$build/tests/fuzz/fuzz_$target" "${limits[@]}" -artifact_prefix="$build/failed/$target-" \
      "${folders[@]}" >"$log" 2>&1; } 2>&1); then
    echo "$target: $(grep -E '^#[0-9]+.DONE' "$log") $(grep -E '^Done' "$log"), $seconds_used s of user and system time"
  else
    status=1
    echo "$target: FAILED, see $log"
    grep -E -m 5 'ERROR|SUMMARY|runtime error|what\(\)' "$log" || tail -n 5 "$log"
  fi
done
exit "$status"
