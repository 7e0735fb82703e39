#!/usr/bin/env python3
"""Registers, spills, shared memory and code size of every kernel, as the CUDA compiler reports them.

usage: bench/resources.py [--check] [--csv FILE] [--only PART] [--cubins FOLDER] [--jobs N]
                          [--nvcc NVCC]

Compiles kernels/*/*.cu for sm_80 and sm_90a and writes the table; no GPU is needed. With --check it writes nothing, and
fails where the table differs for the worse from the one checked in: see check(). Kernels of CUB are left out: they are the
toolkit's.
"""
import argparse
import concurrent.futures
import csv
import glob
import os
import re
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ARCHITECTURES = ("sm_80", "sm_90a")
FLAGS = ["-std=c++20", "-O3", "--fmad=false", "--ftz=true", "--expt-relaxed-constexpr", "-Xptxas=-v",
         "-Xcompiler=-ffp-contract=off", "-I", "include", "-I", "."]
COLUMNS = ("file", "kernel", "architecture", "registers", "stack_bytes", "spill_store_bytes", "spill_load_bytes",
           "shared_bytes", "code_bytes")
NUMBERS = COLUMNS[3:]
REGISTERS_MAY_GROW_BY = 8
# No kernel may spill, but for the resident latent search and the score in registers. For the KDD99 networks its code is bounded too.
RESIDENT_SPILL_BYTES = 64
STREAMING_SPILL_BYTES = 144  # with streamed weights: the score, and the search without 227 KB of shared memory
RESIDENT_CODE_BYTES = 100 * 1000
KDD_NETWORKS = "ResidentNetworks<32 64 128 128 256 128 128 "


def text_sizes(path):
    """Mangled kernel name -> bytes of machine code, from the sections of a 64-bit ELF file."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"\x7fELF":
        return {}
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    base = sections[names][4]
    found = {}
    for name, _, _, _, _, length in sections:
        text = data[base + name:data.index(b"\0", base + name)].decode()
        if text.startswith(".text."):
            found[text[len(".text."):]] = length
    return found


def parse_ptxas(output):
    """Mangled kernel name -> its numbers, from what ptxas -v prints."""
    found, kernel, properties_of = {}, None, None
    for line in output.splitlines():
        if match := re.search(r"Compiling entry function '(\S+)'", line):
            kernel = match[1]
            found[kernel] = dict.fromkeys(NUMBERS, 0)
        elif match := re.search(r"Function properties for (\S+)", line):
            properties_of = match[1]
        elif match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            # Functions that were not inlined count for the kernel that is being compiled.
            numbers = found.get(properties_of if properties_of in found else kernel)
            if numbers is not None:
                for column, value in zip(("stack_bytes", "spill_store_bytes", "spill_load_bytes"), match.groups()):
                    numbers[column] += int(value)
        elif (match := re.search(r"Used (\d+) registers", line)) and kernel:
            found[kernel]["registers"] = int(match[1])
            shared = re.search(r"(\d+) bytes smem", line)
            found[kernel]["shared_bytes"] = int(shared[1]) if shared else 0
    return found


def short_names(mangled):
    """Demangled names without namespaces, return type and arguments."""
    if not mangled:
        return {}
    plain = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True).stdout
    result = {}
    for name, text in zip(mangled, plain.splitlines()):
        # The arguments are the last bracketed group that ends the name.
        depth, end = 0, len(text)
        for i in range(len(text) - 1, -1, -1):
            depth += (text[i] == ")") - (text[i] == "(")
            if depth == 0:
                end = i
                break
        text = text[:end].removeprefix("void ").replace("(anonymous namespace)::", "")
        result[name] = re.sub(r"\((?:\w|::)+\)", "", re.sub(r"\b(?:cugad::)?(?:cuda::|device::|cugad::)", "", text)).replace(", ", " ")
    return result


def compile_kernels(nvcc, source, architecture, folder):
    """Machine code of a source and the report of ptxas, as two files; those in `folder` are taken as they are."""
    cubin = os.path.join(folder, f"{os.path.basename(source)}.{architecture}.cubin")
    if not os.path.exists(cubin + ".log"):
        done = subprocess.run([nvcc, *FLAGS, f"-arch={architecture}", "-cubin", source, "-o", cubin], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{source} for {architecture}: nvcc failed\n{done.stderr[-4000:]}")
        with open(cubin + ".log", "w", encoding="utf-8") as file:
            file.write(done.stderr + done.stdout)
    return cubin, cubin + ".log"


def compile_one(nvcc, source, architecture, folder):
    cubin, log = compile_kernels(nvcc, source, architecture, folder)
    with open(log, encoding="utf-8") as file:
        numbers, sizes = parse_ptxas(file.read()), text_sizes(cubin)
    names = short_names(sorted(numbers))
    rows = []
    for mangled, entry in numbers.items():
        if re.search(r"\bcub::|\bthrust::", names[mangled]):
            continue
        entry["code_bytes"] = sizes.get(mangled, 0)
        rows.append({"file": source.removeprefix("kernels/"), "kernel": names[mangled], "architecture": architecture, **entry})
    return rows


def measure(nvcc, jobs, only, folder):
    sources = sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "kernels", "*", "*.cu")))
    work = [(source, architecture) for source in sources if only in source for architecture in ARCHITECTURES]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(lambda item: compile_one(nvcc, *item, folder), work):
            rows.extend(found)
    return sorted(rows, key=lambda row: tuple(row[column] for column in COLUMNS))


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return [{**row, **{column: int(row[column]) for column in NUMBERS}} for row in rows]


def write(path, rows, nvcc):
    version = re.search(r"V([\d.]+)", subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(f"# What ptxas of CUDA {version[1] if version else '?'} reports; written and checked by bench/resources.py.\n"
                   f"# Bounds: no spills, but for the resident latent search in bf16: at most {RESIDENT_SPILL_BYTES} "
                   f"bytes stored or loaded, {STREAMING_SPILL_BYTES} where weights stream, the score in registers too; for the KDD99 networks under {RESIDENT_CODE_BYTES} bytes of code.\n"
                   f"# Registers may grow by {REGISTERS_MAY_GROW_BY} before the check fails.\n")
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def bound_violations(rows):
    for row in rows:
        name = f"{row['file']} {row['kernel']} ({row['architecture']})"
        spilled = max(row["spill_store_bytes"], row["spill_load_bytes"])
        resident = row["file"].startswith("latent_search/resident") and "Bfloat16" in row["kernel"]
        streams = resident and " true> " in row["kernel"] or row["kernel"].startswith("resident_score_kernel")
        allowed = STREAMING_SPILL_BYTES if streams else RESIDENT_SPILL_BYTES if resident else 0
        if spilled > allowed:
            yield f"{name}: spills {spilled} bytes; {allowed} are allowed"
        if resident and KDD_NETWORKS in row["kernel"] and row["code_bytes"] >= RESIDENT_CODE_BYTES:
            yield f"{name}: {row['code_bytes']} bytes of code, not under {RESIDENT_CODE_BYTES}"


def differences(now, before):
    key = lambda row: (row["file"], row["kernel"], row["architecture"])
    old, new = {key(row): row for row in before}, {key(row): row for row in now}
    for missing in sorted(old.keys() - new.keys()):
        yield f"{' '.join(missing)}: in the table, but compiled no more"
    for extra in sorted(new.keys() - old.keys()):
        yield f"{' '.join(extra)}: not in the table"
    for same in sorted(old.keys() & new.keys()):
        if new[same]["registers"] > old[same]["registers"] + REGISTERS_MAY_GROW_BY:
            yield f"{' '.join(same)}: {new[same]['registers']} registers, {old[same]['registers']} in the table"
        if new[same]["spill_store_bytes"] > old[same]["spill_store_bytes"]:
            yield (f"{' '.join(same)}: spills {new[same]['spill_store_bytes']} bytes, "
                   f"{old[same]['spill_store_bytes']} in the table")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--csv", default=os.path.join(ROOT, "bench", "resources.csv"))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--nvcc", default=os.environ.get("NVCC", "nvcc"))
    parser.add_argument("--cubins", help="an existing folder for the machine code, which bench/machine_code.py can take from there")
    parser.add_argument("--only", default="", help="sources whose path contains this; the others' rows are kept as they are")
    arguments = parser.parse_args()

    try:
        with tempfile.TemporaryDirectory() as temporary:
            rows = measure(arguments.nvcc, arguments.jobs, arguments.only, arguments.cubins or temporary)
    except (RuntimeError, OSError) as error:
        sys.exit(f"resources: {error}")
    others = []
    if arguments.only and os.path.exists(arguments.csv):
        others = [row for row in read(arguments.csv) if arguments.only not in "kernels/" + row["file"]]
    rows = sorted(rows + others, key=lambda row: tuple(row[column] for column in COLUMNS))
    complaints = list(bound_violations(rows))
    if arguments.check:
        complaints += differences(rows, read(arguments.csv))
    else:
        write(arguments.csv, rows, arguments.nvcc)
    for line in complaints:
        print(line)
    print(f"{len(rows)} kernels, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
