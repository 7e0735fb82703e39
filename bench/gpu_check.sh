#!/usr/bin/env bash
# On a machine with a GPU and nvcc: build, tests, sanitizers, benchmarks and PyTorch in under 9 minutes; needs no network.
# Everything else, and what it can do without a GPU: bench/gpu_check.sh --help
exec python3 "$(dirname "${BASH_SOURCE[0]}")/gpu_check.py" "$@"
