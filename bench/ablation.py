#!/usr/bin/env python3
"""The default detector against one change at a time on the adbench tables; prints or draws up the table of docs/tables.md.

usage: bench/ablation.py --data DIR --results FILE [--cugad build/cpu/cugad] [--rows 10000] [--seeds 1] [--only NAME ...]
       bench/ablation.py --results FILE --table

Runs one after the other, one thread each, and appends one JSON object per run to FILE; a run that FILE holds already is not
repeated, so an interrupted study goes on where it was.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

# name -> flags beside the default. LATENT_COLUMNS is replaced by the number of the set's columns.
LATENT_COLUMNS = "--latent-of-columns"
CHANGES = {
    "default": [],
    "population 1": ["--population", "1"],
    "population 8": ["--population", "8"],
    "r1 0": ["--r1", "0"],
    "negatives 0": ["--negatives", "0"],
    "coverage 0": ["--coverage", "0"],
    "label_smoothing 0.1": ["--label-smoothing", "0.1"],
    "discriminator_learning_rate 1e-3": ["--discriminator-learning-rate", "1e-3"],
    "discriminator_learning_rate 2.5e-4": ["--discriminator-learning-rate", "2.5e-4"],
    "bank_rows 30000": ["--bank-rows", "30000"],
    "bank_rows 10000": ["--bank-rows", "10000"],
    "neighbours 1": ["--neighbours", "1"],
    "neighbours 20": ["--neighbours", "20"],
    "scale robust": ["--scale", "robust"],
    "log1p none": ["--log1p", "none"],
    "latent 2": ["--latent", "2"],
    "latent = columns": [LATENT_COLUMNS],
    "steps 2000": ["--steps", "2000"],
    "population 2": ["--population", "2"],
    "population 4": ["--population", "4"],
    "steps 4000": ["--steps", "4000"],
    "steps 16000": ["--steps", "16000"],
    "steps 2000, decay_steps 2000": ["--steps", "2000", "--decay-steps", "2000"],
    "discriminator_weight 0": ["--discriminator-weight", "0"],
}


def reproduce(arguments, data, flags):
    command = [arguments.cugad, "reproduce", "adbench", "--method", "anogan", "--data", data, "--seeds", str(arguments.seeds), "--rows", str(arguments.rows),
               "--threads", "1", "--quiet", "--json", *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["sets"]


def reproduce_each(arguments, columns):
    """One run per set, since its flags depend on the set."""
    sets = []
    for path in sorted(glob.glob(os.path.join(arguments.data, "adbench", "*.npz"))):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "adbench"))
            os.symlink(os.path.abspath(path), os.path.join(folder, "adbench", os.path.basename(path)))
            name = os.path.splitext(os.path.basename(path))[0]
            sets += reproduce(arguments, folder, ["--latent", str(columns[name])])
    return sets


def entry_of(name, flags, arguments, sets):
    entry = {"change": name, "flags": flags, "rows": arguments.rows, "seeds": arguments.seeds}
    for detector in ("cugad", "knn", "knn_log1p"):
        entry[detector] = {figure: sum(s[detector][figure] for s in sets) / len(sets) for figure in ("auroc", "average_precision")}
    entry["sets"] = [{key: s[key] for key in ("name", "columns", "seconds", "cugad", "knn", "knn_log1p")} for s in sets]
    return entry


def read(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return {entry["change"]: entry for entry in map(json.loads, file)}


def study(arguments):
    for name, flags in CHANGES.items():
        known = read(arguments.results)
        if name in known or (arguments.only and name not in arguments.only):
            continue
        print(name, file=sys.stderr, flush=True)
        if flags == [LATENT_COLUMNS]:
            columns = {s["name"]: s["columns"] for s in known["default"]["sets"]}
            sets = reproduce_each(arguments, columns)
        else:
            sets = reproduce(arguments, arguments.data, flags)
        with open(arguments.results, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry_of(name, flags, arguments, sets)) + "\n")


def table(entries):
    """Markdown: means beside the default's, and on how many sets the change is better or worse by more than the noise."""
    default = entries["default"]
    base = {s["name"]: s["cugad"]["auroc"] for s in default["sets"]}
    print("| change | AUROC | AP | difference of AUROC | of AP | sets up / down by .004 | largest change of a set |")
    print("|---|---|---|---|---|---|---|")
    for name in CHANGES:
        if name not in entries:
            continue
        entry = entries[name]
        gains = {s["name"]: s["cugad"]["auroc"] - base[s["name"]] for s in entry["sets"]}
        mean, reference = entry["cugad"], default["cugad"]
        widest = max(gains, key=lambda key: abs(gains[key]))
        row = [f"{mean['auroc']:.4f}", f"{mean['average_precision']:.4f}"]
        if name == "default":
            row += ["", "", "", ""]
        else:
            row += [f"{mean['auroc'] - reference['auroc']:+.4f}", f"{mean['average_precision'] - reference['average_precision']:+.4f}",
                    f"{sum(g > .004 for g in gains.values())} / {sum(g < -.004 for g in gains.values())}",
                    f"{widest.split('_', 1)[-1]} {gains[widest]:+.3f}"]
        print(f"| {name} | " + " | ".join(row) + " |")
    for detector, title in (("knn", "kNN (k = 5), standard scaling"), ("knn_log1p", "kNN (k = 5), log1p rule")):
        print(f"| {title} | {default[detector]['auroc']:.4f} | {default[detector]['average_precision']:.4f} | | | | |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--results", required=True)
    parser.add_argument("--cugad", default="build/cpu/cugad")
    parser.add_argument("--rows", type=int, default=10000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], choices=list(CHANGES))
    parser.add_argument("--table", action="store_true", help="print the Markdown table of FILE and run nothing")
    arguments = parser.parse_args()
    if arguments.table:
        table(read(arguments.results))
    elif not arguments.data:
        parser.error("--data is needed to run the study")
    else:
        study(arguments)


if __name__ == "__main__":
    main()
