#!/usr/bin/env python3
"""Convolutions beside PyTorch (oneDNN) on the CPU, batch 64, one thread each: the layers of bench/convolution.cpp, and the
training step and the step of the latent search of bench/images.cpp.

usage: bench/peers_images.py [--bench build/cpu/bench/cugad_bench] [--python PY] [--rounds 3] [--json FILE]

PY is an interpreter with a PyTorch. Every round runs the product, then PyTorch, so that a drift of the machine hits both;
of PyTorch's memory formats (NCHW, channels last) the faster counts, per line. Forward: convolution, bias and leaky ReLU.
Backward: the gradients of input, weights and bias. image_step: both updates of a DCGAN. image_search: Adam on the latents of
64 rows, batch norm folded into the weights. All take the processor time of their thread. The share of the peak is that of the
fused multiply-adds which the same round measured.
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
    command = [bench, "--benchmark_format=json", "--benchmark_min_time=0.1", "--benchmark_filter=^convolution_|^image_|^fma_peak"]
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


def dcgan(name, layout, has_norm):
    """(generator, features of the discriminator, logit, shape of a batch) of bench/images.cpp."""
    from torch import nn
    side, channels = (28, 1) if "28x28x1" in name else (64, 3)
    first, second = (32, 64) if channels == 1 else (64, 128)
    quarter = side // 4

    def norm(features):
        return [nn.BatchNorm2d(features)] if has_norm else []
    generator = nn.Sequential(
        nn.Linear(64, second * quarter ** 2), nn.Unflatten(1, (second, quarter, quarter)), *norm(second), nn.ReLU(),
        nn.ConvTranspose2d(second, first, 4, 2, 1), *norm(first), nn.ReLU(), nn.ConvTranspose2d(first, channels, 4, 2, 1), nn.Tanh())
    features = nn.Sequential(nn.Conv2d(channels, first, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(first, second, 4, 2, 1), *norm(second),
                             nn.LeakyReLU(0.2), nn.Flatten())
    logit = nn.Linear(second * quarter ** 2, 1)
    networks = [network.to(memory_format=layout) for network in (generator, features, logit)]
    return *networks, (BATCH, channels, side, side)


def step_work(name, layout):
    """Both updates of Radford's training, as a function."""
    import torch
    from torch.nn.functional import softplus
    generator, features, logit, shape = dcgan(name, layout, True)
    judge = [*features.parameters(), *logit.parameters()]
    adam_g, adam_d = (torch.optim.Adam(list(each), 2e-4, (0.5, 0.999)) for each in (generator.parameters(), judge))
    x = torch.rand(shape).to(memory_format=layout)

    def work():
        fake = generator(torch.randn(BATCH, 64))
        adam_d.zero_grad(set_to_none=True)
        (softplus(-logit(features(x))).mean() + softplus(logit(features(fake.detach()))).mean()).backward()
        adam_d.step()
        adam_g.zero_grad(set_to_none=True)
        loss = softplus(-logit(features(fake))).mean()
        for network, gradient in zip(generator.parameters(), torch.autograd.grad(loss, list(generator.parameters()))):
            network.grad = gradient
        adam_g.step()
    return work


def search_work(name, layout):
    """A step of Schlegl's search: residual and features, by l1."""
    import torch
    generator, features, _, shape = dcgan(name, layout, False)
    for network in (generator, features):
        network.requires_grad_(False)
    x = torch.rand(shape).to(memory_format=layout)
    seen = features(x)
    z = torch.randn(BATCH, 64, requires_grad=True)
    adam = torch.optim.Adam([z], 0.01)

    def work():
        adam.zero_grad(set_to_none=True)
        made = generator(z)
        (0.9 * (x - made).abs().sum() + 0.1 * (seen - features(made)).abs().sum()).backward()
        adam.step()
    return work


def peer(names):
    """In PyTorch's interpreter: {benchmark name: seconds}."""
    import torch
    torch.set_num_threads(1)
    functions, found = torch.nn.functional, {}
    for name in names:
        if name.startswith("image_"):
            make = step_work if name.startswith("image_step") else search_work
            found[name] = min(seconds(make(name, layout)) for layout in (torch.contiguous_format, torch.channels_last))
            continue
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
            is_whole = name.startswith("image_")
            taken = 1 / run["steps/s"] if is_whole else run["cpu_time"] / 1e6
            share = float("nan") if is_whole else run["flop/s"] / peak
            for table, value in ((own, taken), (other, theirs[name]), (ratios, theirs[name] / taken), (shares, share)):
                table.setdefault(name, []).append(value)
    print("| op | here, us | PyTorch, us | ratio | share of the peak |\n|---|---|---|---|---|")
    median = {name: [statistics.median(table[name]) for table in (own, other, ratios, shares)] for name in own}
    for name, (mine, theirs, ratio, share) in median.items():
        of_peak = "" if name.startswith("image_") else f"{100 * share:.0f} %"
        print(f"| {name.removesuffix('/fp32')} | {mine * 1e6:.0f} | {theirs * 1e6:.0f} | {ratio:.2f} | {of_peak} |")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"measures": median}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
