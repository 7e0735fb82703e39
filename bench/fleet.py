#!/usr/bin/env python3
"""Speed of a fleet: many groups trained and scored by the command, beside a loop of PyTorch models. One JSON line.

usage: bench/fleet.py --cugad build/release/cugad [--groups 1000] [--rows 500] [--steps 200] [--threads 2] [--torch-models 2]

The table is that of `cugad synthesize telemetry --groups N`. Both sides train one model (population 1) per group for the same number
of steps with the default recipe and score the group's rows; ours does so with files, from csv to model file and from csv to scores, and
trains the pooled model as well. The loop is bench/torch_fleet.py on as many columns, with one process per thread, without the reading.
Steps are few to keep it short: neither side gets faster per step in a longer run.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time


def timed(command):
    start = time.perf_counter()
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return time.perf_counter() - start, output


def ours(arguments, folder):
    table, model = f"{folder}/table.csv", f"{folder}/fleet.safetensors"
    command = arguments.cugad
    timed([command, "synthesize", "telemetry", "--groups", str(arguments.groups), "--rows-per-group", str(arguments.rows),
           "--output", table])
    threads = ["--threads", str(arguments.threads), "--quiet"]
    trained, summary = timed([command, "train", table, "--method", "anogan", "--output", model, "--group-by", "group", "--label-column", "label",
                              "--population", "1", "--steps", str(arguments.steps), *threads])
    scored, _ = timed([command, "score", table, "--model", model, "--output", f"{folder}/scores.npy", *threads])
    features = next(line.split()[1] for line in summary.splitlines() if line.startswith("features"))
    return trained, scored, int(features)


def peer(arguments, columns):
    if arguments.torch_models == 0:
        return None
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    script = pathlib.Path(__file__).with_name("torch_fleet.py")
    output = subprocess.run([sys.executable, str(script), "--rows", str(arguments.rows), "--columns", str(columns), "--steps",
                             str(arguments.steps), "--models", str(arguments.torch_models), "--processes",
                             str(arguments.threads)], check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return json.loads(output)["rate"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cugad", required=True)
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--torch-models", type=int, default=2, help="that each process trains; 0: leave PyTorch out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trained, scored, columns = ours(arguments, folder)
    rate = arguments.groups / (trained + scored)
    theirs = peer(arguments, columns)
    print(json.dumps({"groups": arguments.groups, "rows": arguments.rows, "columns": columns, "steps": arguments.steps,
                      "threads": arguments.threads, "train_seconds": trained, "score_seconds": scored, "models_per_second": rate,
                      "torch_models_per_second": theirs, "ratio": rate / theirs if theirs else None}), flush=True)


if __name__ == "__main__":
    main()
