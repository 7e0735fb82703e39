#!/usr/bin/env python3
"""Convolutions beside PyTorch (oneDNN) on the CPU: the layers of bench/convolution.cpp, batch 64, one thread each.

usage: bench/peers_images.py [--bench build/cpu/bench/cugad_bench] [--python PY] [--rounds 3] [--json FILE]

PY is an interpreter with a PyTorch. Every round runs the product, then PyTorch, so that a drift of the machine hits both;
of PyTorch's memory formats (NCHW, channels last) the faster counts, per layer and direction. Forward: convolution, bias
and leaky ReLU. Backward: the gradients of input, weights and bias. Both take the processor time of their thread. The
share of the peak is that of the fused multiply-adds which the same round measured.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", PYTHONDONTWRITEBYTECODE="1")
BATCH = 64


def product(bench):
    command = [bench, "--benchmark_format=json", "--benchmark_min_time=0.1", "--benchmark_filter=^convolution_|^fma_peak"]
    output = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    return json.loads(output)["benchmarks"]


def seconds(work):
    """Processor time of a call, the median of calls that together take at least a quarter of a second."""
    work()
    times = []
    while sum(times) < 0.25 or len(times) < 3:
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return statistics.median(times)


def peer(names):
    """In PyTorch's interpreter: {benchmark name: seconds}."""
    import torch
    torch.set_num_threads(1)
    functions, found = torch.nn.functional, {}
    for name in names:
        sizes = [int(size) for size in re.findall(r"\d+", name)[:6]]
        (height, width, channels), out = sizes[:3], sizes[5]
        convolve = functions.conv_transpose2d if sizes[3] > height else functions.conv2d
        for layout in (torch.contiguous_format, torch.channels_last):
            x = torch.rand(BATCH, channels, height, width).to(memory_format=layout).requires_grad_()
            shape = (channels, out) if sizes[3] > height else (out, channels)
            weight = (torch.rand(*shape, 4, 4) - 0.5).to(memory_format=layout).requires_grad_()
            bias = torch.rand(out, requires_grad=True)
            if "forward" in name:
                with torch.no_grad():
                    taken = seconds(lambda: functions.leaky_relu(convolve(x, weight, bias, stride=2, padding=1), 0.2))
            else:
                y = convolve(x, weight, bias, stride=2, padding=1)
                dy = torch.rand_like(y)
                taken = seconds(lambda: torch.autograd.grad(y, (x, weight, bias), dy, retain_graph=True))
            found[name] = min(taken, found.get(name, taken))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/cpu/bench/cugad_bench")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    parser.add_argument("--peer", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(peer(arguments.peer)))
        return
    ratios, shares, own, other = {}, {}, {}, {}
    for _ in range(arguments.rounds):
        runs = {run["name"]: run for run in product(arguments.bench)}
        peak = runs.pop("fma_peak")["flop/s"]
        command = [arguments.python, __file__, "--peer", *runs]
        theirs = json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout)
        for name, run in runs.items():
            if "error_message" in run:
                sys.exit(f"{name}: {run['error_message']}")
            taken = run["cpu_time"] / 1e6
            for table, value in ((own, taken), (other, theirs[name]), (ratios, theirs[name] / taken), (shares, run["flop/s"] / peak)):
                table.setdefault(name, []).append(value)
    print("| op | here, us | PyTorch, us | ratio | share of the peak |\n|---|---|---|---|---|")
    median = {name: [statistics.median(table[name]) for table in (own, other, ratios, shares)] for name in own}
    for name, (mine, theirs, ratio, share) in median.items():
        print(f"| {name.removesuffix('/fp32')} | {mine * 1e6:.0f} | {theirs * 1e6:.0f} | {ratio:.2f} | {100 * share:.0f} % |")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"measures": median}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
