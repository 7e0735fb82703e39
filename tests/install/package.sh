#!/usr/bin/env bash
# Packs a finished build with cpack, unpacks the packages into an empty folder and uses them.
#   package.sh BUILD_FOLDER C_COMPILER
set -euo pipefail
build=$(cd "$1" && pwd) cc=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

generators="TGZ;DEB"
for program in dpkg-deb dpkg-shlibdeps file; do
  if ! command -v "$program" >/dev/null; then
    echo "SKIPPED: the Debian packages, which need $program (packages dpkg-dev and file)"
    generators=TGZ
  fi
done
(cd "$work" && cpack --config "$build/CPackConfig.cmake" -G "$generators" >log 2>&1) || fail "cpack: $(cat "$work/log")"

mkdir "$work/archive" "$work/unpacked"
tar -xzf "$work"/cugad-*.tar.gz -C "$work/archive" --strip-components 1
"$work/archive/bin/cugad" --version || fail "the command of the archive"
[[ $generators != TGZ ]] || exit 0

for package in "$work"/*.deb; do
  name=$(dpkg-deb --field "$package" Package)
  echo "$name: $(dpkg-deb --field "$package" Depends)"
  dpkg-deb --field "$package" Maintainer | grep -q '@' || fail "$name has no maintainer"
  dpkg-deb --field "$package" Section >/dev/null
  dpkg -x "$package" "$work/unpacked"
  [[ -s $work/unpacked/usr/share/doc/$name/copyright ]] || fail "$name has no copyright file"
done
library=$(find "$work" -maxdepth 1 -name 'libcugad[0-9]*.deb')
dpkg-deb --field "$library" Depends | grep -q 'libstdc++6 (>=' || fail "the library's dependencies are not those of its symbols"
dpkg-deb --field "$(find "$work" -maxdepth 1 -name 'libcugad-dev*.deb')" Depends | grep -q "$(dpkg-deb --field "$library" Package) (=" ||
  fail "the development package does not ask for its library"
dpkg-deb --info "$library" shlibs >/dev/null || fail "the library's package has no shlibs file"

"$work/unpacked/usr/bin/cugad" --version || fail "the command of the packages"
folder=$(dirname "$(find "$work/unpacked" -name 'libcugad.so')")
"$cc" -std=c11 "$here/consumer/consumer.c" -I "$work/unpacked/usr/include" -L "$folder" -lcugad -o "$work/consumer"
LD_LIBRARY_PATH=$folder "$work/consumer" || fail "a program with the packages' library"
