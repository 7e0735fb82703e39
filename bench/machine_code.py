#!/usr/bin/env python3
"""What bounds the hot loops of the kernels, read from their machine code: no GPU is needed.

usage: bench/machine_code.py [--check] [--only PART] [--cubins FOLDER] [--list KERNEL] [--nvcc NVCC] [--nvdisasm NVDISASM]

Compiles the kernels of LOOPS, disassembles them, finds each hot loop and counts what one warp executes in one iteration:
instructions by class, stall clocks (from the control bits of each instruction), clocks of shared memory (from the
addresses that LOOPS declares). Writes bench/machine_code.csv, and the table of bounds that follows from it into
docs/kernels.md. With --check it writes nothing, and fails where a loop has become worse, or the documentation is not what
the table gives. --list shows the loops of all kernels of LOOPS whose name contains KERNEL, to see what LOOPS should say.

nvdisasm comes with the toolkit, or from PyPI: nvidia-cuda-nvdisasm.
"""
import argparse
import collections
import concurrent.futures
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile

from loop_finder import find_loops, parse
from resources import ROOT, compile_kernels, parse_ptxas, short_names

TABLE = os.path.join(ROOT, "bench", "machine_code.csv")
DOCUMENT = os.path.join(ROOT, "docs", "kernels.md")
BEGIN, END = "<!-- bounds: written by bench/machine_code.py -->", "<!-- end of bounds -->"
MAY_GROW_BY = 0.02  # instructions and clocks of shared memory per useful instruction, before the check fails

CLASSES = (
    ("shared", r"LDS|LDSM|STS|STSM|LDGSTS|ATOMS|SHFL"),
    ("generic", r"LD|ST|ATOM"),
    ("global", r"LDG|STG|RED|ATOMG|LDL|STL|LDC|ULDC|UTMALDG|LDGDEPBAR"),
    ("convert", r"F2F|F2FP|F2I|F2IP|I2F|I2FP|FRND"),
    ("float", r"F[A-Z]+\d?|MUFU|D[AMFS][A-Z]+|H[A-Z]+\d?"),
    ("control", r"BRA|BRX|BSSY|BSYNC|BREAK|CALL|RET|EXIT|WARPSYNC|BAR|NOP|DEPBAR|YIELD|VOTE|ENDCOLLECTIVE|WARPGROUP\w*|SYNCS"),
)  # all others compute addresses, counters and predicates: "integer"
COUNTS = ("instructions", "useful", "products", *(name for name, _ in CLASSES), "integer", "stall_clocks", "shared_clocks",
          "registers")
COLUMNS = ("loop", "architecture", *COUNTS)
# Multiply-adds of a warp per instruction.
PRODUCTS = {"FFMA": 32, "FADD": 16, "HMMA.16816": 2048, "HMMA.1688": 1024, "HMMA.1684": 512}

# Chips: architecture of the code, multiprocessors, clock in GHz, float lanes and shared memory (KiB) of a multiprocessor, its
# warps, and multiply-adds per clock of its tensor cores by mma.sync in bf16 (half in tf32): 0.63 of the 2,048 that wgmma has on
# an H200, as others measured; of B200's mma.sync nothing is known here: taken as A100's.
Chip = collections.namedtuple("Chip", "architecture multiprocessors clock lanes shared warps tensor")
CHIPS = {
    "H200": Chip("sm_90a", 132, 1.75, 128, 227, 64, 1290),
    "A100": Chip("sm_80", 108, 1.41, 64, 163, 64, 1024),
    "RTX 4090": Chip("sm_80", 128, 2.52, 128, 99, 48, 256),
    "RTX 5090": Chip("sm_80", 170, 2.41, 128, 99, 48, 256),
    "B200": Chip("sm_90a", 148, 1.85, 128, 227, 64, 1024),
}


def banks(width, *patterns):
    """Clocks that an access of `width` bytes per lane takes: as many as the fullest of 32 banks has different words. Each
    pattern is (how often, byte address of a lane); what comes back is the mean."""
    clocks = []
    for weight, address in patterns:
        words = {(address(lane) + 4 * i) // 4 for lane in range(32) for i in range(width // 4)}
        clocks.append((weight, max(collections.Counter(word % 32 for word in words).values())))
    return sum(weight * n for weight, n in clocks) / sum(weight for weight, _ in clocks)


# A hot loop. kernel: a pattern for its short name; useful: the instructions that the kernel is for; outward: how many levels
# out from the innermost loop that has most of them; trips: how often each loop inside that has useful instructions runs per
# iteration, by address; copies: the same for all others; total: useful instructions per iteration, which proves the trips;
# avoid: instructions of paths that are not taken (a predicated one takes its slot all the same); avoid_here: of such paths
# outside the loops inside, predicated or not; banks: clocks of shared memory per instruction, where not bytes / 128; threads, shared: of a
# block; unit: what is counted, and how many multiply-adds one is (a TFLOP is half a tera of them).
Spec = collections.namedtuple("Spec",
                              "source kernel useful outward trips copies total avoid avoid_here banks threads shared unit")
TFLOPS = ("TFLOP/s", 0.5e12)
SEARCH = ("G query-iterations/s", 108544 * 2 * 1e9)  # both directions through the weights of the KDD99 networks
SCORE = ("G rows/s", 217088 * 1e9)  # through E 121-128-64-32, G, and D twice
NARROW_COPY = r"LDGSTS\.E(?!\S*\.128)"  # where rows are not aligned
NARROW_LOAD = r"LDG\.E(?!\S*\.128)"

WHOLE = None  # all the shared memory that a block may have: one block per multiprocessor


def spec(source, kernel, useful, outward=0, trips=(), copies=1, total=0, avoid=None, avoid_here=None, banks=None, threads=256,
         shared=WHOLE, unit=TFLOPS):
    return Spec(source, kernel, useful, outward, trips, copies, total, avoid, avoid_here, banks or {}, threads, shared, unit)


FP32_TILE = {"LDS.128": banks(16, (1, lambda lane: lane // 8 * 80), (1, lambda lane: lane % 8 * 80))}
FP32_SEARCH = {"LDS.128": banks(16, (1, lambda lane: 0), (1, lambda lane: 16 * lane)), "LD.128": 1}
DISTANCES = {"LDS.128": banks(16, (1, lambda lane: lane // 16 * 16), (1, lambda lane: lane % 16 * 16))}
RESIDENT = {"LDS.128": banks(16, (1, lambda lane: lane % 4 * 16))}

PAIRS = ("T pair-columns/s", 1e12)
FORWARD, GENERAL = "dense/dense_forward.cu", "latent_search/search_general.cu"
KDD = "ResidentNetworks<32 64 128 128 256 128 128 {}>"
RESIDENT_KDD, STREAMED_KDD = KDD.format("false"), KDD.format("true")
LOOPS = {
    "dense forward, fp32 64x64": spec(FORWARD, "SimtTile<64 64 8 8 16>", "FFMA", outward=1, trips=(4,), total=1024,
                                      avoid=NARROW_COPY, avoid_here="FFMA", banks=FP32_TILE, threads=64, shared=30720),
    "dense forward, tf32 128x128": spec(FORWARD, "TensorTile<1 128 128 64 64>", "HMMA", total=128, avoid_here=NARROW_LOAD, threads=128,
                                        shared=73728),
    "dense forward, bf16 128x128": spec(FORWARD, "TensorTile<2 128 128 64 64>", "HMMA", total=64, avoid_here=NARROW_LOAD, threads=128,
                                        shared=67584),
    "search, general, fp32": spec(GENERAL, "search_general_kernel<0>", "FFMA", banks=FP32_SEARCH, unit=SEARCH),
    "search, general, tf32": spec(GENERAL, "search_general_kernel<1>", "HMMA", unit=SEARCH),
    "search, general, bf16": spec(GENERAL, "search_general_kernel<2>", "HMMA", unit=SEARCH),
    "search, resident, KDD99": spec("latent_search/resident_search.cu", f"<Bfloat16Element {RESIDENT_KDD} false 1>", "HMMA", outward=1,
                                    trips=(4, 1, 16, 0, 8, 16, 8), total=1696, banks=RESIDENT, shared=228368, unit=SEARCH),
    "search, resident, KDD99, team": spec("latent_search/resident_search.cu", f"<Bfloat16Element {RESIDENT_KDD} false 4>", "HMMA",
                                          outward=1, trips=(1, 4, 0, 2, 4, 2), total=436, banks=RESIDENT, threads=128,
                                          unit=SEARCH),
    "search, streamed, KDD99": spec("latent_search/resident_search.cu", f"<Bfloat16Element {STREAMED_KDD} false 1>", "HMMA",
                                    outward=2, trips=(4, 1, 4, 16, 0, 8, 4, 16, 8), total=1696, banks=RESIDENT, unit=SEARCH),
    "search, streamed, KDD99, team": spec("latent_search/resident_search.cu", f"<Bfloat16Element {STREAMED_KDD} false 4>", "HMMA",
                                          outward=1, trips=(1, 4, 0, 2, 4, 2), total=436, banks=RESIDENT, threads=128,
                                          unit=SEARCH),
    "score, KDD99": spec("score/resident_score.cu", "resident_score_kernel", "HMMA", outward=3, trips=(4, 4, 2, 8, 32, 16), copies=10,
                         total=3392, avoid="STG|STS", banks=RESIDENT, unit=SCORE),
    "nearest row": spec("nearest_rows/nearest_rows.cu", "nearest_row_kernel<64 false>", "FFMA", banks=DISTANCES, shared=9000,
                        unit=PAIRS),
    "nearest rows, filter, tf32": spec("nearest_rows/nearest_filter.cu", "nearest_filter_kernel", "HMMA", outward=1, trips=(1,),
                                       total=32, avoid=r"ATOMS|FLO|STS\.64|" + NARROW_COPY, threads=128, shared=49700, unit=PAIRS),
}


def class_of(name):
    base = name.split(".")[0]
    return next((kind for kind, pattern in CLASSES if re.fullmatch(pattern, base)), "integer")


def shared_clocks(name, declared):
    """Clocks of shared memory of one instruction: its bytes at 128 a clock, unless `declared` has another number."""
    base, *modifiers = name.split(".")
    width = next((int(modifier) // 8 for modifier in modifiers if modifier in ("64", "128")), 4)
    if f"{base}.{8 * width}" in declared:
        return declared[f"{base}.{8 * width}"]
    if base in ("LDSM", "STSM"):
        return int(modifiers[-1]) if modifiers[-1] in ("2", "4") else 1
    return width / 4


def products_of(name):
    """Multiply-adds of a warp by one instruction."""
    if match := re.match(r"HGMMA\.(\d+)x(\d+)x(\d+)", name):
        return int(match[1]) * int(match[2]) * int(match[3]) / 4
    base = name.split(".")
    return PRODUCTS.get(base[0], PRODUCTS.get(".".join(base[:2])))


def all_loops(loops):
    for loop in loops:
        yield loop
        yield from all_loops(loop.inner)


def is_useful(instruction, wanted):
    return re.fullmatch(wanted, instruction.name.split(".")[0]) is not None


def hot_loop(loops, weight, outward):
    """Of the loops with useful instructions, but none in loops further in, the one with most, of equals the shortest; then
    `outward` levels out. None where there is none."""
    candidates = [loop for loop in all_loops(loops)
                  if weight(loop.blocks)[0] > 0 and not any(weight(inner.blocks)[0] for inner in loop.inner)]
    hot = max(candidates, key=lambda loop: weight(loop.blocks), default=None)
    for _ in range(outward):
        hot = next((loop for loop in all_loops(loops) if hot in loop.inner), hot)
    return hot


def taken(blocks, successors, loop, instructions, entry):
    """Blocks of a loop on a path from its head and back to it that runs no instruction to be avoided."""
    if entry.avoid is None and entry.avoid_here is None:
        return loop.blocks
    inside = set().union(*(inner.blocks for inner in loop.inner))

    def avoided(block):
        here = None if block in inside else entry.avoid_here
        return any((here is not None and re.search(here, instructions[i].name)) or
                   (entry.avoid is not None and re.search(entry.avoid, instructions[i].name) and instructions[i].guard is None)
                   for i in range(*blocks[block]))

    allowed = {block for block in loop.blocks if not avoided(block)}

    def reach(start, edges):
        found, work = {start}, [start]
        while work:
            for to in edges(work.pop()):
                if to in allowed and to not in found:
                    found.add(to)
                    work.append(to)
        return found

    forward = reach(loop.header, lambda block: [to for to in successors[block] if to != loop.header])
    ends = [block for block in allowed if loop.header in successors[block]]
    backward = set().union(*(reach(end, lambda block: [b for b in allowed if block in successors[b] and block != loop.header])
                             for end in ends))
    return forward & backward


def count(kernel, entry):
    """What one iteration of the hot loop of a disassembled kernel executes; None where it has no loop."""
    instructions, labels = kernel
    blocks, successors, loops = find_loops(instructions, labels)

    def weight(part):
        useful = sum(is_useful(instructions[i], entry.useful) for block in part for i in range(*blocks[block]))
        return useful, -sum(blocks[block][1] - blocks[block][0] for block in part)

    hot = hot_loop(loops, weight, entry.outward)
    if hot is None:
        return None
    path = taken(blocks, successors, hot, instructions, entry)
    inside = sorted(all_loops(hot.inner), key=lambda loop: loop.header)
    multiplying = [loop for loop in inside if weight(loop.blocks)[0] > 0]
    if len(multiplying) != len(entry.trips):
        raise RuntimeError(f"{len(multiplying)} loops with {entry.useful} lie in the hot loop; trips of {len(entry.trips)} are "
                           "declared")
    times = dict.fromkeys(path, 1)
    for loop in inside:  # outer ones come before those inside them
        n = entry.trips[multiplying.index(loop)] if loop in multiplying else entry.copies
        times.update((block, n) for block in loop.blocks & path)
    result = collections.Counter()
    for block, n in times.items():
        for i in range(*blocks[block]):
            instruction = instructions[i]
            kind = class_of(instruction.name)
            result["instructions"] += n
            result["stall_clocks"] += n * max(1, instruction.stall)
            if is_useful(instruction, entry.useful):
                result["useful"] += n
                result["products"] += n * products_of(instruction.name)
            else:
                result[kind] += n
            if kind in ("shared", "generic"):  # generic addresses of these kernels are of shared memory
                result["shared_clocks"] += n * shared_clocks(instruction.name, entry.banks)
    if entry.total not in (0, result["useful"]):
        raise RuntimeError(f"{result['useful']} useful instructions in an iteration; {entry.total} are declared")
    return result


def disassemble(arguments, source, architecture, folder):
    cubin, log = compile_kernels(arguments.nvcc, "kernels/" + source, architecture, folder)
    done = subprocess.run([arguments.nvdisasm, "-c", "-hex", cubin], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{source} for {architecture}: {arguments.nvdisasm} failed\n{done.stderr[-2000:]}")
    kernels = parse(done.stdout)
    names = short_names(sorted(kernels))
    with open(log, encoding="utf-8") as file:
        registers = {name: numbers["registers"] for name, numbers in parse_ptxas(file.read()).items()}
    return {names[mangled]: (kernel, registers.get(mangled, 0)) for mangled, kernel in kernels.items()}


def measure(arguments, folder):
    wanted = sorted({(entry.source, chip.architecture) for name, entry in LOOPS.items() for chip in CHIPS.values()
                     if arguments.only in name})
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        code = dict(zip(wanted, pool.map(lambda item: disassemble(arguments, *item, folder), wanted)))
    rows = []
    for name, entry in LOOPS.items():
        for source, architecture in wanted:
            found = [kernel for text, kernel in code[source, architecture].items() if re.search(entry.kernel, text)]
            if source != entry.source or arguments.only not in name or not found:
                continue
            if len(found) > 1:
                raise RuntimeError(f"{name}: {len(found)} kernels of {architecture} have names like {entry.kernel}")
            try:
                counts = count(found[0][0], entry)
            except (RuntimeError, ValueError) as error:
                raise RuntimeError(f"{name} ({architecture}): {error}; see --list") from None
            if counts is None:  # the kernel is empty for this architecture
                continue
            counts["registers"] = found[0][1]
            rows.append({"loop": name, "architecture": architecture, **{column: round(counts[column], 1) for column in COUNTS}})
    return rows


def bounds(row, entry, chip):
    """What each part of a chip allows, in the loop's unit: {part: rate}."""
    warps = min(chip.warps, 65536 // (max(8, -(-row["registers"] // 8) * 8) * 32))
    block_warps = entry.threads // 32
    blocks = 1 if entry.shared is WHOLE else chip.shared * 1024 // entry.shared
    resident = min(warps // block_warps, blocks) * block_warps
    if resident == 0:
        return {}
    clocks = {"issue": row["instructions"] / 4, "latency": row["stall_clocks"] / resident, "shared": row["shared_clocks"]}
    if entry.useful == "HMMA":
        clocks["tensor"] = row["products"] / chip.tensor * (2 if "tf32" in row["loop"] else 1)
    else:
        clocks["float"] = (row["useful"] + row["float"]) * 32 / chip.lanes
    rate = row["products"] * chip.multiprocessors * chip.clock * 1e9 / entry.unit[1]
    return {part: rate / n for part, n in clocks.items() if n > 0}


def rendered(rows):
    """The table of docs/kernels.md."""
    by_key = {(row["loop"], row["architecture"]): row for row in rows}
    lines = ["| loop, sm_90a | instructions | useful | shared | integer | clocks alone | clocks of shared memory | registers |",
             "|---|---|---|---|---|---|---|---|"]
    for (name, architecture), row in by_key.items():
        if architecture == "sm_90a":
            lines.append(f"| {name} | {row['instructions']:.0f} | {100 * row['useful'] / row['instructions']:.1f} % | "
                         f"{row['shared'] + row['generic']:.0f} | {row['integer']:.0f} | {row['stall_clocks']:.0f} | "
                         f"{row['shared_clocks']:.0f} | {row['registers']:.0f} |")
    lines += ["", "| at most | " + " | ".join(CHIPS) + " |", "|---" * (len(CHIPS) + 1) + "|"]
    for name, entry in LOOPS.items():
        cells = []
        for chip in CHIPS.values():
            row = by_key.get((name, chip.architecture))
            parts = bounds(row, entry, chip) if row else {}
            least = min(parts, key=parts.get) if parts else None
            cells.append(f"{parts[least]:.3g} ({least})" if least else "does not fit")
        lines.append(f"| {name}, {entry.unit[0]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def replaced(document, table):
    head, _, rest = document.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise RuntimeError(f"docs/kernels.md lacks the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def read():
    with open(TABLE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return [{**row, **{column: float(row[column]) for column in COUNTS}} for row in rows]


def differences(now, before):
    key = lambda row: (row["loop"], row["architecture"])
    old, new = {key(row): row for row in before}, {key(row): row for row in now}
    for name in sorted(old.keys() ^ new.keys()):
        yield f"{' '.join(name)}: {'in the table, but found no more' if name in old else 'not in the table'}"
    for name in sorted(old.keys() & new.keys()):
        for column in ("instructions", "shared_clocks", "stall_clocks"):
            was, is_now = (row[column] / row["useful"] for row in (old[name], new[name]))
            if is_now > was * (1 + MAY_GROW_BY):
                yield f"{' '.join(name)}: {is_now:.3f} {column} per useful instruction, {was:.3f} in the table"
        if new[name]["generic"] > old[name]["generic"]:
            yield f"{' '.join(name)}: {new[name]['generic']:.0f} loads and stores by generic addresses"


def show_loops(arguments, folder):
    sources = sorted({entry.source for entry in LOOPS.values()})
    for source in sources:
        for architecture in sorted({chip.architecture for chip in CHIPS.values()}):
            for name, ((instructions, labels), _) in disassemble(arguments, source, architecture, folder).items():
                if arguments.list not in name:
                    continue
                print(f"{source} {name} ({architecture})")
                blocks, _, loops = find_loops(instructions, labels)

                def show(loop, depth):
                    inside = [instructions[i].name.split(".")[0] for block in loop.blocks for i in range(*blocks[block])]
                    print(f"{'  ' * depth}0x{instructions[blocks[loop.header][0]].address:x}: {len(inside)}",
                          *(f"{kind} {n}" for kind, n in collections.Counter(inside).most_common(8)))
                    for within in loop.inner:
                        show(within, depth + 1)

                for loop in loops:
                    show(loop, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--cubins", help="an existing folder with machine code from bench/resources.py, and for what it lacks")
    parser.add_argument("--only", default="", help="loops whose name contains this; the others' rows are kept as they are")
    parser.add_argument("--list", metavar="KERNEL")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--nvcc", default=os.environ.get("NVCC", "nvcc"))
    parser.add_argument("--nvdisasm", default=os.environ.get("NVDISASM", "nvdisasm"))
    arguments = parser.parse_args()
    if shutil.which(arguments.nvdisasm) is None:
        sys.exit(f"machine_code: {arguments.nvdisasm} was not found; it comes with CUDA, or from PyPI: nvidia-cuda-nvdisasm")

    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.cubins or temporary
            if arguments.list is not None:
                show_loops(arguments, folder)
                return 0
            rows = measure(arguments, folder)
        before = read() if os.path.exists(TABLE) else []
        rows += [row for row in before if arguments.only not in row["loop"]]
        rows.sort(key=lambda row: (list(LOOPS).index(row["loop"]), row["architecture"]))
        with open(DOCUMENT, encoding="utf-8") as file:
            document = file.read()
        complaints = []
        if arguments.check:
            complaints = list(differences(rows, before))
            if replaced(document, rendered(before)) != document:
                complaints.append("docs/kernels.md does not have the table of bench/machine_code.csv")
        else:
            with open(TABLE, "w", encoding="utf-8", newline="") as file:
                file.write("# What one warp executes in an iteration of a hot loop; written and checked by bench/machine_code.py.\n")
                table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                table.writeheader()
                table.writerows({**row, **{column: f"{row[column]:.10g}" for column in COUNTS}} for row in rows)
            with open(DOCUMENT, "w", encoding="utf-8") as file:
                file.write(replaced(document, rendered(rows)))
    except (RuntimeError, OSError) as error:
        sys.exit(f"machine_code: {error}")
    for line in complaints:
        print(line)
    print(f"{len(rows)} hot loops, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
