#!/usr/bin/env bash
# The streaming scorer beside `cugad score`: same scores, bounded memory, back-pressure, closed pipes.
#   stream_test.sh STREAM CUGAD
set -euo pipefail
stream=$(realpath "$1") cugad=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

"$cugad" synthesize telemetry --rows 3000 --seed 1 --output rows.csv 2>log
"$cugad" train rows.csv --label-column label --normal normal --steps 100 --population 1 --output model.safetensors --quiet >log
"$cugad" score rows.csv --model model.safetensors 2>>log | tail -n +2 >expected

for batch in 1000 64; do
  "$stream" model.safetensors "$batch" <rows.csv >got
  cmp expected got || fail "scores in batches of $batch differ from those of the command"
done
echo "3000 scores are those of the command"

# The reader closes the pipe after three lines: the filter ends with success, without a message.
{ "$stream" model.safetensors 64 <rows.csv 2>errors || echo "$?" >status; } | head -n 3 >first
[[ ! -e status && ! -s errors ]] || fail "a closed pipe: status $(cat status 2>/dev/null), $(cat errors)"
cmp <(head -n 3 expected) first || fail "the first scores differ"
echo "a closed pipe ends it quietly"

# Rows without end, and the scores are not read: it must stop reading, and hold no more memory than before.
mkfifo scores
set +o pipefail  # ending the endless writer is no failure
{ head -n 1 rows.csv && while tail -n +2 rows.csv; do :; done; } 2>/dev/null | "$stream" model.safetensors 64 >scores 2>errors &
filter=$!
exec 3<scores
head -n 2000 <&3 >/dev/null
resident() { awk '/^VmRSS/ { print $2 }' "/proc/$filter/status"; }
position() { awk '/^rchar/ { print $2 }' "/proc/$filter/io"; }
# The rows never end, so only waiting for the reader can stop it.
for attempt in {1..60}; do
  read_before=$(position)
  sleep 0.5
  [[ $(position) != "$read_before" ]] || break
  ((attempt < 60)) || fail "it reads on although nobody takes the scores"
done
before=$(resident)
head -n 20000 <&3 >/dev/null
after=$(resident)
exec 3<&-
wait "$filter" || fail "status $? after the reader went away"
((after < before + 8192)) || fail "$before KiB after 2,000 rows, $after KiB after 20,000"
echo "waits for the reader; $before KiB after 2,000 rows, $after KiB after 20,000 more"
