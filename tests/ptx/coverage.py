#!/usr/bin/env python3
"""Which PTX instructions of the kernels the tests have executed.

  tests/ptx/coverage.py FOLDER [--least PERCENT] [--missing TEXT]

FOLDER holds what programs of tests/ptx wrote into it, being named in CUGAD_PTX_COVERAGE. Prints a table of the kernels;
fails where less than PERCENT of all instructions ran, or a kernel never did. --missing lists the instructions that nobody
ran, of the kernels whose name has TEXT.
"""
import argparse
import pathlib
import subprocess
import sys


def read(folder):
    """(kernel, number of its instructions) -> {number: place and text} of those that no program ran."""
    kernels = {}
    for path in pathlib.Path(folder).glob("*.txt"):
        for line in path.read_text().splitlines():
            if line.startswith("kernel "):
                _, name, count = line.split(" ")
                here = {}
                kernels.setdefault((name, int(count)), []).append(here)
            else:
                number, _, text = line.partition(" ")
                here[int(number)] = text
    return {kernel: {n: text for n, text in runs[0].items() if all(n in run for run in runs)}
            for kernel, runs in kernels.items()}


def readable(names):
    shown = subprocess.run(["c++filt"], input="\n".join(names), text=True, capture_output=True, check=True).stdout
    return [name.split("(")[0].removeprefix("void ") if not name.startswith("cugad") else name
            for name in shown.replace("(anonymous namespace)::", "").splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("--missing")
    options = parser.parse_args()
    kernels = read(options.folder)
    if not kernels:
        raise SystemExit(f"{options.folder}: no program has written its coverage there (CUGAD_PTX_COVERAGE names the folder)")
    chosen = sorted(kernels, key=lambda kernel: len(kernels[kernel]), reverse=True)
    total = ran = 0
    never = []
    for kernel, shown in zip(chosen, readable([name for name, _ in chosen])):
        count, missing = kernel[1], kernels[kernel]
        total += count
        ran += count - len(missing)
        if len(missing) == count > 2:  # CUB's empty kernel, of which only attributes are read
            never.append(shown)
        if options.missing is None:
            print(f"{100 * (count - len(missing)) / count:6.1f} % of {count:6}  {shown[:100]}")
        elif options.missing in shown:
            print(shown)
            print("".join(f"  {number} {text}\n" for number, text in sorted(missing.items())), end="")
    percent = 100 * ran / total
    print(f"{percent:.1f} % of {total} instructions of {len(kernels)} kernels; never launched: {', '.join(never) or 'none'}")
    return 1 if percent < options.least or (options.least > 0 and never) else 0


if __name__ == "__main__":
    sys.exit(main())
