#!/usr/bin/env python3
"""Predicts what fleets of 10^4 to 10^7 groups and tables of 10^6 to 10^10 rows take, on processors and on H200s.

  bench/scale_model.py --cugad build/cpu/cugad                        measures, validates and prints the tables
  bench/scale_model.py --constants constants.json                     predicts from constants that were measured before
  bench/scale_model.py --cugad build/cpu/cugad --save constants.json  keeps them

What is measured here, as processor time (the least of --rounds runs) of `cugad train --group-by` and `cugad score` on small tables with
`--threads 1`, every constant from two runs that differ in one thing:

  step      one step of one model            row_read   a row of the table, which every process that trains reads
  group     a group beside its steps         row_fit    a row of a group beside its reading (its preparation and calibration)
  merge     a group in `cugad merge`         ready      a group's model made ready to score (its bank among it)
  row_score a row scored by a ready model    row_pass   a row before the part of a process that scores: counted, then passed
  start     a process that scores            bytes      of the file, per group

Given, not measured: --gpu-fp32 and --gpu-pairs, bounds of an H200 by what its instructions take (docs/kernels.md, "at most"), --network of the
machines, --memory of one, and the prices of an hour. **Nothing here ran on a GPU**: its columns are the least time that the machine's limits
allow, without starts of kernels, and will be missed.

A training by P processes takes  rows * row_read  (each reads all)  +  (groups * (steps * step + group) + rows * row_fit) / P  +  one
pooled model  +  the file over the network  +  groups * merge. A scoring by P processes takes  start  +  rows * row_pass (none if P is 1)
+  rows * (row_read + row_score) / P  +  min(groups, rows / P) * ready, the rows being mixed.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

POOLED_ROWS, COLUMNS = 100_000, 15
TRAIN = ["--group-by", "group", "--exclude", "label", "--method", "anogan", "--population", "1", "--threads", "1", "--quiet"]
# Of a model 128 wide on 15 columns: floating-point operations of a step (docs/fleets.md), of its bank of 3,000 rows, and pairs of a query and a
# column of the bank.
STEP_FLOP, BANK_FLOP, BANK_PAIRS = 50e6, 117e6, 3000 * COLUMNS
GROUPS, ROWS = (10**4, 10**5, 10**6, 10**7), (10**6, 10**8, 10**10)


class Runs:
    def __init__(self, cugad, folder, rounds):
        self.cugad, self.folder, self.rounds = cugad, folder, rounds

    def run(self, *command, rounds=0):
        """Processor time."""
        spent = []
        for _ in range(rounds or self.rounds):
            process = subprocess.Popen([self.cugad, *command], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                sys.exit(f"cugad {' '.join(command)} failed")
            spent.append(usage.ru_utime + usage.ru_stime)
        return min(spent)

    def path(self, name):
        return f"{self.folder}/{name}"

    def table(self, groups, rows):
        path = self.path(f"{groups}x{rows}.csv")
        if not os.path.exists(path):
            self.run("synthesize", "telemetry", "--groups", str(groups), "--rows-per-group", str(rows), "--seed", "1", "--output", path,
                     rounds=1)
        return path

    def train(self, groups, rows, steps, shard="", output="fleet"):
        extra = ["--shard", shard] if shard else []
        return self.run("train", self.table(groups, rows), *TRAIN, "--steps", str(steps), "--decay-steps", str(steps), *extra, "--output",
                        self.path(output))

    def merge(self, parts, output="fleet"):
        return self.run("merge", *[self.path(part) for part in parts], "--output", self.path(output))

    def score(self, groups, rows, shard=""):
        extra = ["--shard", shard] if shard else []
        return self.run("score", self.table(groups, rows), "--model", self.path("fleet"), "--threads", "1", "--quiet", *extra, "--output",
                        self.path("scores.npy"))


def measure(runs):
    many = 120  # groups
    reading = [runs.train(many, rows, 2, "64/64", "part") for rows in (100, 800)]
    row_read = (reading[1] - reading[0]) / (many * 700)
    short, long = runs.train(many, 100, 4), runs.train(many, 100, 44)
    step = (long - short) / (40 * (many + 1))
    few = runs.train(20, 100, 4)
    tall = runs.train(many, 400, 4)
    row_fit = max(0.0, (tall - short) / (many * 300) - row_read)
    group = (short - few) / (many - 20) - 4 * step - 100 * (row_read + row_fit)
    fixed = few - 20 * (4 * step + group + 100 * (row_read + row_fit))
    for shard in (1, 2):
        runs.train(many, 100, 4, f"{shard}/2", f"part-{shard}")
    merge = runs.merge(["part-1", "part-2"]) / many
    scored = runs.score(many, 100), runs.score(many, 800)
    row_score = (scored[1] - scored[0]) / (many * 700) - row_read
    passed = runs.score(many, 100, "64/64"), runs.score(many, 800, "64/64")
    row_pass = (passed[1] - passed[0]) / (many * 700) - (row_read + row_score) / 64
    start = runs.score(20, 100, "1/2000")
    ready = (scored[0] - start) / many - 100 * (row_read + row_score)
    return {"step": step, "row_read": row_read, "group": group, "row_fit": row_fit, "fixed": fixed, "merge": merge, "ready": ready,
            "row_score": row_score, "row_pass": row_pass, "start": start, "bytes": os.path.getsize(runs.path("fleet")) / many}


def train_seconds(c, groups, rows, steps, processes, pooled=True):
    """Of the first process, without network and merging."""
    own = rows * c["row_read"] + (groups * (steps * c["step"] + c["group"]) + rows * c["row_fit"]) / processes
    first = c["fixed"] + steps * c["step"] if pooled else 0
    return own + first


def score_seconds(c, groups, rows, processes):
    passing = rows * c["row_pass"] if processes > 1 else 0
    return c["start"] + passing + rows * (c["row_read"] + c["row_score"]) / processes + min(groups, rows / processes) * c["ready"]


def validate(runs, c):
    """Other sizes than those that were measured: predicted beside measured processor time of the process that takes longest."""
    groups, rows, steps = 200, 150, 24
    runs.train(groups, rows, steps)  # for the first scoring
    lines = ["| processes | training: predicted | measured | merging: predicted | measured | scoring: predicted | measured |", "|" + "--:|" * 7]
    for processes in (1, 2, 4):
        names = [f"part-{i}" for i in range(1, processes + 1)]
        shards = [f"{i}/{processes}" if processes > 1 else "" for i in range(1, processes + 1)]
        trained = max(runs.train(groups, rows, steps, shard, name) for shard, name in zip(shards, names))
        merged = runs.merge(names) if processes > 1 else 0.0
        scored = max(runs.score(groups, rows, shard) for shard in shards) if processes > 1 else runs.score(groups, rows)
        lines.append(f"| {processes} | {train_seconds(c, groups, groups * rows, steps, processes):.2f} s | {trained:.2f} s | "
                     f"{groups * c['merge'] if processes > 1 else 0:.2f} s | {merged:.2f} s | "
                     f"{score_seconds(c, groups, groups * rows, processes):.2f} s | {scored:.2f} s |")
        if processes == 1:
            os.replace(runs.path("part-1"), runs.path("fleet"))
    return lines


def text_of(seconds):
    for limit, unit, size in ((120, "s", 1), (7200, "min", 60), (172800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:.3g} d"


def gpu_constants(c, arguments):
    """The host's part stays; steps, banks and distances take what the chip's limits allow."""
    return {**c, "step": STEP_FLOP / arguments.gpu_fp32, "group": 0.0, "row_fit": 2 * BANK_PAIRS / arguments.gpu_pairs, "fixed": 0.0,
            "start": 0.0, "ready": BANK_FLOP / arguments.gpu_fp32 + c["bytes"] / arguments.gpu_load, "row_score": BANK_PAIRS / arguments.gpu_pairs}


def predict(c, arguments):
    g = gpu_constants(c, arguments)
    machines = [("10,000 cores", c, 10_000, arguments.core_hour), ("1 H200", g, 1, arguments.gpu_hour),
                ("16 H200", g, 16, arguments.gpu_hour), ("256 H200", g, 256, arguments.gpu_hour)]
    lines = ["| groups | rows | file | " + " | ".join(f"{name}: train, score, cost" for name, *_ in machines) + " | limits |",
             "|--:|--:|--:|" + "---|" * (len(machines) + 1)]
    for groups in GROUPS:
        for rows in ROWS:
            if rows < 50 * groups:
                continue
            file = groups * c["bytes"]
            limits = []
            if 3 * file > arguments.memory:
                limits.append("merge")
            if rows * (COLUMNS + 1) * 8 > arguments.memory:
                limits.append("table")
            if rows * c["row_read"] > groups * arguments.steps * c["step"] / 10_000:
                limits.append("reading")
            cells = []
            for _, constants, processes, price in machines:
                joined = 0.0 if processes == 1 or "merge" in limits else file / arguments.network + groups * c["merge"]
                train = train_seconds(constants, groups, rows, arguments.steps, min(processes, groups)) + joined
                score = score_seconds(constants, groups, rows, processes)
                cells.append(f"{text_of(train)}, {text_of(score)}, ${processes * price * (train + score) / 3600:.3g}")
            lines.append(f"| {groups:,} | {rows:,} | {file / 1e9:.3g} GB | " + " | ".join(cells) + f" | {', '.join(limits)} |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cugad")
    parser.add_argument("--constants")
    parser.add_argument("--save")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--gpu-fp32", type=float, default=50.5e12, help="floating-point operations a second of dense layers, H200 [%(default)s]")
    parser.add_argument("--gpu-pairs", type=float, default=13.3e12, help="pair-columns a second of nearest rows, H200 [%(default)s]")
    parser.add_argument("--gpu-load", type=float, default=55e9, help="bytes a second from the host, PCIe 5 [%(default)s]")
    parser.add_argument("--network", type=float, default=1.25e9, help="bytes a second into the machine that merges: 10 Gbit/s [%(default)s]")
    parser.add_argument("--memory", type=float, default=2e12, help="bytes of one machine [%(default)s]")
    parser.add_argument("--gpu-hour", type=float, default=4.0, help="dollars [%(default)s]")
    parser.add_argument("--core-hour", type=float, default=0.04, help="dollars [%(default)s]")
    arguments = parser.parse_args()
    if arguments.constants:
        with open(arguments.constants, encoding="utf-8") as file:
            constants = json.load(file)
        lines = []
    elif arguments.cugad:
        with tempfile.TemporaryDirectory() as folder:
            runs = Runs(os.path.abspath(arguments.cugad), folder, arguments.rounds)
            constants = measure(runs)
            lines = validate(runs, constants)
    else:
        parser.error("give --cugad to measure, or --constants")
    if arguments.save:
        with open(arguments.save, "w", encoding="utf-8") as file:
            json.dump(constants, file, indent=1)
    print(json.dumps(constants))
    print("\n".join([*lines, "", f"{arguments.steps} steps, --population 1, 128 wide:", "", *predict(constants, arguments)]))


if __name__ == "__main__":
    main()
