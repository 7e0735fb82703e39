#!/usr/bin/env python3
"""cugad beside PyTorch, on the CPU unless --gpu is given: the same work, in turn, one thread each; medians of the ratios.

usage: bench/peers.py --compare DIR [--bench build/cpu/bench/cugad_bench] [--device cpu:avx2] [--python PY ...] [--rounds 5] [--json FILE]

       bench/peers.py --gpu --compare DIR --bench build/gpu_check/bench/cugad_bench [--python PY] [--seconds 600] [--json FILE]

With --gpu: the GPU's benchmarks beside DIR/torch_gpu.py, see bench/peers_gpu.py.

--device cpu:avx2 takes that set of instructions on both sides, on whatever machine.
DIR holds torch_cpu.py and torch_models.py. Each --python is an interpreter with a PyTorch; the fastest counts, per measure.
Every round runs the product, then each peer, so that a drift of the machine hits both. The percentages of the peak compare
with the fused multiply-add rate that the same round measured.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE",
                   PYTHONDONTWRITEBYTECODE="1")

# measure -> (benchmark name, counter, names of the peer's lines, bar)
MEASURES = {
    "training steps/s, batch 50": ("train_step/50", "steps/s", ["train_step anogan batch 50 "], 3.0),
    "training steps/s, batch 1024": ("train_step/1024", "steps/s", ["train_step anogan batch 1024 "], None),
    "search query-iterations/s, feature matching, batch 50": ("latent_search/50/2", "query-iterations/s", ["latent_search fm batch 50 "], 2.0),
    "search query-iterations/s, feature matching, batch 1024": ("latent_search/1024/2", "query-iterations/s", ["latent_search fm batch 1024 "], 1.5),
    "search query-iterations/s, feature matching, batch 8192": ("latent_search/8192/2", "query-iterations/s", ["latent_search fm batch 8192 "], None),
    "search query-iterations/s, cross-entropy, batch 50": ("latent_search/50/1", "query-iterations/s", ["latent_search cross-e batch 50 "], 2.0),
    "search query-iterations/s, cross-entropy, batch 1024": ("latent_search/1024/1", "query-iterations/s", ["latent_search cross-e batch 1024 "], 1.5),
}


# What holds PyTorch, oneDNN and OpenBLAS to one set of instructions.
PEER_SETS = {"cpu:avx2": {"ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}}


def product(arguments, pattern):
    command = [arguments.bench, "--device", arguments.device, "--benchmark_format=json", "--benchmark_min_time=0.5", f"--benchmark_filter={pattern}"]
    output = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    return {run["name"]: run for run in json.loads(output)["benchmarks"]}


def peer(python, arguments):
    rates, compare = {}, os.path.abspath(arguments.compare)
    environment = ENVIRONMENT | PEER_SETS.get(arguments.device, {})
    for part in ("train", "search"):
        command = [python, os.path.join(compare, "torch_cpu.py"), "--threads", "1", "--only", part]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=compare).stdout
        for line in output.splitlines():
            entry = json.loads(line)
            rates[entry["what"]] = (entry["rate"], entry["peer"])
    return rates


def on_gpu(arguments, python):
    sys.dont_write_bytecode = True
    import peers_gpu
    import roofline
    command = [arguments.bench, "--device", "cuda", "--benchmark_format=json", "--benchmark_min_time=0.1", "--benchmark_repetitions=3",
               "--benchmark_filter=latent_search|train_|reconstruction_score"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    medians = roofline.medians(json.loads(output)["benchmarks"])
    rows, messages = peers_gpu.compare(medians, arguments.compare, python, arguments.seconds)
    peers_gpu.report(rows, messages)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"measures": rows, "messages": messages}, file, indent=1)
            file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", required=True)
    parser.add_argument("--bench", default="build/cpu/bench/cugad_bench")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--seconds", type=float, default=600, help="with --gpu: limit of PyTorch's part")
    arguments = parser.parse_args()
    pythons = arguments.python or [sys.executable]
    if arguments.gpu:
        on_gpu(arguments, pythons[0])
        return

    rounds = []
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        ours = product(arguments, "fma_peak|train_step/|latent_search/")
        rounds.append((ours, [peer(python, arguments) for python in pythons]))
    population = product(arguments, "train_population/(1/1|8/2)/")

    rows = []
    for name, (benchmark, counter, prefixes, bar) in MEASURES.items():
        ratios, mine, shares, best = [], [], [], []
        for ours, peers in rounds:
            rate = ours[benchmark][counter]
            candidates = [value for rates in peers for what, value in rates.items() if any(what.startswith(p) for p in prefixes)]
            fastest = max(candidates)
            ratios.append(rate / fastest[0])
            mine.append(rate)
            best.append(fastest)
            shares.append(ours[benchmark]["flop/s"] / ours["fma_peak"]["flop/s"])
        rows.append({"measure": name, "cugad": statistics.median(mine), "peer": statistics.median(b[0] for b in best),
                     "peer_name": statistics.mode(b[1] for b in best), "ratio": statistics.median(ratios),
                     "lowest_ratio": min(ratios), "share_of_fma_peak": statistics.median(shares), "bar": bar})
    one = next(run for name, run in population.items() if "/1/1/" in name)["model-steps/s"]
    eight = next(run for name, run in population.items() if "/8/2/" in name)["model-steps/s"]
    result = {"rounds": arguments.rounds, "fma_peak_flops": statistics.median(o["fma_peak"]["flop/s"] for o, _ in rounds),
              "measures": rows, "population_8_on_2_threads_over_1_on_1": eight / one}

    print(f"fp32 multiply-add peak of one core: {result['fma_peak_flops'] / 1e9:.0f} GFLOP/s (median of {arguments.rounds} rounds)\n")
    print(f"{'measure':58} {'cugad':>10} {'PyTorch':>10} {'ratio':>6} {'lowest':>6} {'bar':>5} {'of peak':>8}  peer")
    for row in rows:
        bar = f"{row['bar']:.1f}" if row["bar"] else "-"
        print(f"{row['measure']:58} {row['cugad']:10.0f} {row['peer']:10.0f} {row['ratio']:6.2f} {row['lowest_ratio']:6.2f} "
              f"{bar:>5} {100 * row['share_of_fma_peak']:7.0f}%  {row['peer_name']}")
    print(f"\npopulation of 8 on 2 threads: {eight:.0f} model-steps/s, 1 on 1 thread: {one:.0f}, ratio {eight / one:.2f} (bar 1.8)")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
