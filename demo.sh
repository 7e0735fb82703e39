#!/usr/bin/env bash
# From a fresh Debian or Ubuntu machine to anomaly scores: installs what is missing, builds the command, gets KDD99 and
# runs the main job in two commands. Run it again as often as you like: what is there already is not made anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly kdd99_name=kddcup.data_10_percent.gz
readonly kdd99_url=http://kdd.ics.uci.edu/databases/kddcup99/$kdd99_name
readonly kdd99_sha256=8045aca0d84e70e622d1148d7df782496f6333bf6eb979a1b0837c42a9fd9561
readonly work=build/demo

is_kdd99() { [[ -f $1 ]] && echo "$kdd99_sha256  $1" | sha256sum --check --status; }

# Prints the path of the data, downloaded if need be; fails where there is none.
find_kdd99() {
  local candidate
  for candidate in ${CUGAD_DATA:+"$CUGAD_DATA/kdd99/$kdd99_name" "$CUGAD_DATA/$kdd99_name"} \
    "../shared/data/kdd99/$kdd99_name" "$work/$kdd99_name"; do
    if is_kdd99 "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  curl --silent --show-error --fail --location --connect-timeout 10 --max-time 60 --output "$work/download" \
    "$kdd99_url" >&2 || return 1
  if ! is_kdd99 "$work/download"; then
    echo "The downloaded file is not the expected one (its sha256 differs)." >&2
    rm -f "$work/download"
    return 1
  fi
  mv "$work/download" "$work/$kdd99_name"
  echo "$work/$kdd99_name"
}

# Shows a command as a user would type it, then runs it.
run() {
  printf '\n$ %s\n' "$*"
  "$@"
}

started=$SECONDS
scripts/install_dependencies.sh
cmake --preset cpu >/dev/null
cmake --build --preset cpu --target cugad_command
cugad=build/cpu/cugad
mkdir -p "$work"

if kdd99=$(find_kdd99); then
  echo "Data: $kdd99. Every other row trains, the rest is evaluated; column 41 is the label."
  label=41 normal=normal.
  gzip --decompress --stdout "$kdd99" | awk -v train="$work/train.csv" -v test="$work/test.csv" \
    '{ print > (NR % 2 ? train : test) }'
else
  echo "KDD99 is neither in \$CUGAD_DATA nor in ../shared/data, and could not be downloaded: the demo runs on a table"
  echo "of synthetic machine telemetry instead."
  label=label normal=normal
  "$cugad" synthesize telemetry --rows 20000 --seed 1 --output "$work/train.csv"
  "$cugad" synthesize telemetry --rows 20000 --seed 2 --output "$work/test.csv"
fi

job_started=$SECONDS
run "$cugad" train "$work/train.csv" --label-column "$label" --normal "$normal" --output "$work/model.safetensors"
run "$cugad" evaluate "$work/test.csv" --model "$work/model.safetensors" --label-column "$label" --normal "$normal"
printf '\nThe two commands took %d s, the whole demo %d s.\n' $((SECONDS - job_started)) $((SECONDS - started))
cat <<END

Where to look next:
  $cugad score $work/test.csv --model $work/model.safetensors --label --explain 3 | head    # which rows, and why
  $cugad evaluate $work/test.csv --model $work/model.safetensors --false-alarm-rate 0.01    # fewer false alarms
  $cugad train YOUR.csv --output model.safetensors                                          # normal rows of your own
README.md goes on from here; docs/calibration.md says what a threshold promises.
END
