#!/usr/bin/env bash
# Installs what the build needs on Debian or Ubuntu, and the packages named as arguments; nothing if all are installed
# already (then no network is needed). On other systems it only lists the missing packages.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config zlib1g-dev libzip-dev libpng-dev libjpeg-dev libfmt-dev
  nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libjs-chart.js libgtest-dev libbenchmark-dev ca-certificates curl git "$@"
)

if ! command -v dpkg-query >/dev/null; then
  echo "This system has no dpkg. The build needs what Debian calls: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  # A package under another architecture's name, as "installed" twice, counts as well.
  [[ $status == installed* ]] || missing+=("$package")
done

# Ubuntu 22.04 has no toml++, and the command does without it.
optional=libtomlplusplus-dev
lacks_optional() { apt-cache show cmake >/dev/null 2>&1 && ! apt-cache show "$optional" >/dev/null 2>&1; }
if [[ ${missing[*]} == "$optional" ]] && lacks_optional; then missing=(); fi
((${#missing[@]} > 0)) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "Missing packages: ${missing[*]}. Install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "Installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
  "${as_root[@]}" apt-get update -qq || return
  if lacks_optional; then mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx "$optional"); fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
if ! install >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "The packages could not be installed." >&2
  exit 1
fi
