#!/usr/bin/env bash
# The kernels of 64-bit ARM on a machine of another kind: cross-compiles some of the op tests, runs them under QEMU, and
# compares the bits of their results with those of this machine's kernels. On Debian (amd64), as root or with sudo.
#   tests/arm64/run.sh [BUILD]      # a build of this machine whose ops_test exists; default: build/cpu
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
native=${1:-build/cpu}
if [[ $(. /etc/os-release && echo "$ID") != debian || $(dpkg --print-architecture) != amd64 ]]; then
  echo "tests/arm64/run.sh: not run, packages of both architectures are on Debian's servers only for amd64" >&2
  exit 0
fi
((EUID == 0)) && as_root=() || as_root=(sudo)
dpkg --print-foreign-architectures | grep -qx arm64 || "${as_root[@]}" dpkg --add-architecture arm64
scripts/install_dependencies.sh g++-aarch64-linux-gnu qemu-user-static \
  {libfmt-dev,libzip-dev,zlib1g-dev,libpng-dev,libjpeg-dev,libgtest-dev}:arm64

# Quickly compiled: no optimisation changes a bit.
cmake -S . -B build/arm64_test -G Ninja --toolchain cmake/aarch64-linux-gnu.cmake -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_COMPILE_WARNING_AS_ERROR=ON -DCUGAD_COMMAND=OFF -DCUGAD_STATIC=OFF \
  -DCUGAD_EXAMPLES=OFF -DCUGAD_BENCHMARKS=OFF -DCUGAD_EMULATED=OFF -DCUGAD_PTX=OFF -DCUGAD_CUDA=OFF -DCUGAD_PYTHON=OFF
cmake --build build/arm64_test --target arm64_test
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# Under QEMU a case takes some thirty times as long: the largest are left out. Half of them on each of two cores, which
# differ in the length of their SVE vectors.
left_out='distribution.*:*65543*:*=850000*:*=100001*:*=1601*:*rows=1100,*:*rows=702,*'
shards=()
for shard in 0 1; do
  GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=$shard \
    qemu-aarch64-static -cpu max,sve-default-vector-length=$((32 << shard)) build/arm64_test/tests/arm64/arm64_test \
    --gtest_brief=1 --gtest_filter="-$left_out" --gtest_output="json:$reports/arm64_$shard.json" &
  shards+=($!)
done
for shard in "${shards[@]}"; do wait "$shard"; done
for set in baseline neon sve256 sve512; do
  grep -q "\"cpu:$set\"" "$reports"/arm64_*.json || { echo "tests/arm64/run.sh: $set was not run" >&2; exit 1; }
done
"$native/tests/ops_test" --gtest_brief=1 --gtest_output="json:$reports/native.json" \
  --gtest_filter="$(python3 tests/arm64/compare.py --filter "$reports"/arm64_*.json)-$left_out" >/dev/null
python3 tests/arm64/compare.py "$reports/native.json" "$reports"/arm64_*.json
