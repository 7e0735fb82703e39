#!/usr/bin/env bash
# Unpacks what the build needs into a folder, for a machine that has neither the packages nor a network:
#   here:  scripts/unpack_dependencies.sh FOLDER      (Debian or Ubuntu with a network; no root needed)
#   there: bench/gpu_check.sh --prefix FOLDER
# Compilers, cmake and ninja are not among them.
set -euo pipefail

folder=${1:?usage: scripts/unpack_dependencies.sh FOLDER}
packages=(
  zlib1g-dev zlib1g libzip-dev libzip4 libpng-dev libpng16-16 libjpeg-dev libjpeg62-turbo-dev libjpeg62-turbo
  libjpeg-turbo8-dev libjpeg-turbo8 libjpeg8-dev libjpeg8 libfmt-dev libfmt9 nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libtomlplusplus3
  libjs-chart.js libgtest-dev googletest libgmock-dev libbenchmark-dev libbenchmark1 libbenchmark1debian pkg-config pkgconf
  pkgconf-bin libpkgconf3 libbz2-1.0 liblzma5 libzstd1 libssl3
)

mkdir -p "$folder"
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
for package in "${packages[@]}"; do
  # Names differ between releases: what this one does not have is left out.
  (cd "$downloads" && apt-get download -qq "$package" 2>/dev/null) || echo "no package $package here"
done
for archive in "$downloads"/*.deb; do dpkg --extract "$archive" "$folder"; done
echo "$folder: $(du -sh "$folder" | cut -f1)"
