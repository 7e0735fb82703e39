#!/usr/bin/env python3
"""Where the time of one thread goes: shares of products, packing, losses, Adam and so on, per benchmark and instruction set.

usage: bench/cycles.py [--bench build/cpu/bench/cugad_bench] [--devices cpu:avx2,cpu:avx512] [--filter REGEX] [--seconds 1]
                       [--symbols] [--json FILE]

`perf record` samples cugad_bench by processor time (the event cpu-clock, which virtual machines have as well). A symbol counts
for the first of KINDS that matches it; what a kernel inlines counts with the kernel, so that activations which a product's
tiles apply in registers are part of the product. --symbols prints the dearest symbols too. Setting up (drawing rows and
weights) is in the samples, less of them the longer --seconds.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

BENCHMARKS = (r"train_step/(50|1024)|train_step_default|latent_search/(50|1024)/[12]|detector_score/.*|"
              r"score_one_row/(knn|gain|anogan)/.*|method_(step|score)/[a-z]*/1024")
KINDS = [
    ("products", r"multiply(_panel|_tile|_terms|_planes|)<|forward_rows|forward_across|input_gradient|weight_gradient"),
    ("distances", r"distance_(tile|rows|panel)|search_block|coverage|nearest"),
    ("packing", r"pack_|transpose|kept_weights|round_(rows|columns)|left_rows|gradient_columns"),
    ("activations", r"activation|activate|drop_units|bias_gradient|backward\(cugad::Context&, cugad::DenseBackward"),
    ("Adam", r"adam|average|step_vector"),
    ("losses", r"entropy|differentiate_row|feature_matching|difference_loss|gradient_penalty|linear_loss|likelihood|"
               r"latent_search|historical"),
    ("random", r"philox|permut|random|fill_(normal|uniform)|sample_rows|reparameterise"),
    ("copies", r"gather|cell_surprise|zero_missing|draw_row|copy_|fill_missing|mask_columns|interpolate|fence|add_rows|"
               r"memcpy|memmove|memset|scale_columns"),
    ("memory", r"^\[k\]|alloc|free|operator (new|delete)|madvise"),
]
NAMES = [name for name, _ in KINDS] + ["rest"]


def kind_of(symbol):
    for name, pattern in KINDS:
        if re.search(pattern, symbol):
            return name
    return "rest"


def benchmarks(arguments):
    command = [arguments.bench, "--benchmark_list_tests=true", f"--benchmark_filter=^({arguments.filter})$"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def profile(arguments, device, benchmark, folder):
    """({symbol: share}, the benchmark's line)"""
    samples, figures = os.path.join(folder, "samples"), os.path.join(folder, "figures.json")
    subprocess.run(["perf", "record", "--quiet", "--event=cpu-clock", "--freq=2000", f"--output={samples}", arguments.bench,
                    "--device", device, f"--benchmark_filter=^{benchmark}$", f"--benchmark_min_time={arguments.seconds}",
                    "--benchmark_format=json", f"--benchmark_out={figures}"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    report = subprocess.run(["perf", "report", f"--input={samples}", "--stdio", "--no-children", "--sort=symbol",
                             "--field-separator=|"], check=True, capture_output=True, text=True).stdout
    shares = {}
    for line in report.splitlines():
        share, separator, symbol = line.partition("|")
        if separator and not line.startswith("#"):
            shares[symbol.strip()] = float(share.strip().rstrip("%"))
    with open(figures, encoding="utf-8") as file:
        return shares, json.load(file)["benchmarks"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/cpu/bench/cugad_bench")
    parser.add_argument("--devices", default="cpu:avx2,cpu:avx512")
    parser.add_argument("--filter", default=BENCHMARKS)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--symbols", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = []
    print("| set | benchmark | us | " + " | ".join(NAMES) + " |\n|" + "---|" * (3 + len(NAMES)))
    with tempfile.TemporaryDirectory() as folder:
        for benchmark in benchmarks(arguments):
            for device in arguments.devices.split(","):
                shares, figures = profile(arguments, device, benchmark, folder)
                if figures.get("error_occurred"):
                    sys.exit(f"{benchmark} on {device}: {figures['error_message']}")
                sums = dict.fromkeys(NAMES, 0.0)
                for symbol, share in shares.items():
                    sums[kind_of(symbol)] += share
                time = figures["cpu_time"] * {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}[figures["time_unit"]]
                rows.append({"device": device, "benchmark": benchmark, "microseconds": time, "shares": sums})
                print(f"| {device[4:]} | {benchmark} | {time:,.1f} | " + " | ".join(f"{sums[name]:.0f}" for name in NAMES) + " |",
                      flush=True)
                if arguments.symbols:
                    for symbol, share in sorted(shares.items(), key=lambda entry: -entry[1])[:12]:
                        print(f"    {share:5.1f} {kind_of(symbol):12s} {symbol[:150]}", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")


main()
