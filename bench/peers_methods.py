#!/usr/bin/env python3
"""Each method's training step and scoring beside its PyTorch twin (bench/torch_methods.py), in turn, one thread each; medians.

usage: bench/peers_methods.py [--bench build/cpu/bench/cugad_bench] [--python PY ...] [--method NAME ...] [--rounds 5]
                              [--seconds 1] [--dropout library|words] [--json FILE]

The product's part are the benchmarks method_step/METHOD/BATCH (counter steps/s) and method_score/METHOD/BATCH (counter rows/s); one
without a twin is named, not compared. Each --python is an interpreter with a PyTorch; the fastest counts, per measure. Every
round runs, method by method, the product and then each peer, so that a drift of the machine hits both. With --dropout words the
peer draws its dropout masks by hand, faster than PyTorch's own without MKL.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys

from peers import ENVIRONMENT, product

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_methods.py")
BARS = {50: 3.0, 1024: 1.5}
COUNTERS = {"step": "steps/s", "score": "rows/s"}
PEER_LINES = {"step": "train_step", "score": "score"}
# Methods of the product whose twin has another name.
TWINS = {"egbad": "bigan", "fanogan_izi_f": "fanogan_encoder"}
STEP_TWINS = {"anogan": "gan"}  # its score is a search, see peers.py


def twin(kind, method):
    return (STEP_TWINS if kind == "step" else {}).get(method, TWINS.get(method, method))


def benchmarks(bench):
    """(kind, method, batch) -> name of every method benchmark that the program has."""
    command = [bench, "--benchmark_list_tests=true", "--benchmark_filter=^method_(step|score)/"]
    output = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout
    found = (re.match(r"method_(step|score)/(\w+)/(\d+)\b.*", line) for line in output.splitlines())
    return {(m[1], m[2], int(m[3])): m[0] for m in found if m}


def peer(python, names, batches, arguments):
    """Rates of the twins: what -> (rate, peer)."""
    command = [python, SCRIPT, "--threads", "1", "--seconds", str(arguments.seconds), "--dropout", arguments.dropout, "--batch",
               *map(str, sorted(batches)), "--only", *sorted(names)]
    output = subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = [json.loads(line) for line in output.splitlines()]
    return {entry["what"]: (entry["rate"], entry["peer"]) for entry in entries}


def twin_names(python):
    output = subprocess.run([python, SCRIPT, "--list"], env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return set(output.split())


def one_round(arguments, pythons, measures, samples):
    """Adds (product's rate, fastest peer's rate and name) of every measure to its samples."""
    for method in dict.fromkeys(method for _, method, _ in measures):
        mine = {key: name for key, name in measures.items() if key[1] == method}
        ours = product(arguments.bench, f"^method_(step|score)/{method}/")
        names, batches = {twin(kind, method) for kind, _, _ in mine}, {batch for _, _, batch in mine}
        peers = [peer(python, names, batches, arguments) for python in pythons]
        for (kind, _, batch), name in mine.items():
            what = f"{PEER_LINES[kind]} {twin(kind, method)} batch {batch}"
            candidates = [rates[what] for rates in peers if what in rates]
            if name in ours and candidates:
                samples.setdefault((kind, method, batch), []).append((ours[name][COUNTERS[kind]], *max(candidates)))


def summary(key, rounds):
    kind, method, batch = key
    ratios = [mine / best for mine, best, _ in rounds]
    return {"measure": f"{kind} {method}, batch {batch}", "unit": COUNTERS[kind], "cugad": statistics.median(r[0] for r in rounds),
            "peer": statistics.median(r[1] for r in rounds), "peer_name": statistics.mode(r[2] for r in rounds),
            "ratio": statistics.median(ratios), "lowest_ratio": min(ratios), "bar": BARS.get(batch)}


def report(rows):
    print(f"{'measure':36} {'unit':>8} {'cugad':>10} {'PyTorch':>10} {'ratio':>6} {'lowest':>6} {'bar':>5}  peer")
    for row in rows:
        bar = f"{row['bar']:.1f}" if row["bar"] else "-"
        below = "  below the bar" if row["bar"] and row["ratio"] < row["bar"] else ""
        print(f"{row['measure']:36} {row['unit']:>8} {row['cugad']:10.0f} {row['peer']:10.0f} {row['ratio']:6.2f} "
              f"{row['lowest_ratio']:6.2f} {bar:>5}  {row['peer_name']}{below}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="build/cpu/bench/cugad_bench")
    parser.add_argument("--python", action="append", default=[])
    parser.add_argument("--method", action="append", default=[], help="as the benchmarks name it; all when left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="time of each of the peer's measures")
    parser.add_argument("--dropout", default="library", choices=["library", "words"])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    pythons = arguments.python or [sys.executable]
    known = set().union(*map(twin_names, pythons))
    found = {key: name for key, name in benchmarks(arguments.bench).items() if not arguments.method or key[1] in arguments.method}
    measures = {key: name for key, name in found.items() if twin(key[0], key[1]) in known}
    if not measures:
        sys.exit("no benchmark method_step/METHOD/BATCH or method_score/METHOD/BATCH that has a twin")

    samples = {}
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        one_round(arguments, pythons, measures, samples)
    rows = [summary(key, samples[key]) for key in measures if key in samples]
    report(rows)
    for key, name in found.items():
        if key not in samples:
            print(f"not compared: {name}: no such twin")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"rounds": arguments.rounds, "dropout": arguments.dropout, "measures": rows}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
