#!/usr/bin/env python3
"""Plants faults into copies of the sources and checks that the tests notice each of them.

  tests/mutations/run.py --build build/cpu [--host | --ptx] [--only TEXT] [--write]
  tests/mutations/run.py --check

The build folder must hold the test programs, up to date (Ninja); --host plants only the faults of host_faults.py, for
which a build without the emulator is enough, --ptx those of ptx_faults.py (a build with CUGAD_PTX). Nothing in it is changed: each fault is
compiled with the build's own command line and linked into a test program of its own.
--check only looks whether the text that each fault changes is still there, once; it needs no build.
--write puts the table into README.md instead of comparing with it; --only plants the faults whose name has TEXT.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from faults import FAULTS
from host_faults import HOST_FAULTS
from ptx_faults import PTX_FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = pathlib.Path(__file__).with_name("README.md")
BEGIN, END = "<!-- faults: written by run.py -->\n", "<!-- end -->\n"
SECONDS = 600  # for one fault's tests


class Build:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.compile = {}  # of each source: a kernel of the CPU is compiled once for each instruction set
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            words = shlex.split(entry["command"])
            output = words[words.index("-o") + 1]
            emulated = entry["file"].endswith(".cu") and "-DCUGAD_EMULATED=1" in words
            if emulated or any(part in output for part in ("cugad_host.dir", "cugad_kernels_", "cugad_emulator.dir")):
                self.compile.setdefault(os.path.relpath(entry["file"], ROOT), []).append((words, output))
        self.has_ptx = (self.folder / "tests/ops_ptx_test").exists()
        self.has_races = any("-fsanitize=thread" in words for commands in self.compile.values() for words, _ in commands)

    def command_of(self, output):
        listed = subprocess.run(["ninja", "-C", self.folder, "-t", "commands", output], check=True, text=True,
                                capture_output=True).stdout
        return shlex.split(listed.strip().splitlines()[-1].removeprefix(": && ").removesuffix(" && :"))

    def commands_for(self, unit, link):
        """How the unit's objects of this program are compiled: (words, output)."""
        name = pathlib.Path(unit).stem
        ptx = [word for word in link if re.search(rf"/{name}\.compute_\w+\.o$", word)]
        if not ptx:
            return self.compile[unit]
        pieces = " ".join(shlex.quote(word) for word in self.command_of(ptx[0])).split(" '&&' ")
        words = next(shlex.split(piece) for piece in pieces if " -MD " in piece)
        at = words.index("-MD")  # Ninja tracks the dependencies
        return [(words[:at] + words[at + 5:], ptx[0])]

    def run_tests(self, fault_filter, program):
        """The output of the tests up to the first failure, and how they ended: an exit status, or None in time-out."""
        command = [program, f"--gtest_filter={fault_filter}", "--gtest_fail_fast"]
        try:
            done = subprocess.run(command, cwd=program.parent, timeout=SECONDS, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        except subprocess.TimeoutExpired as late:
            return (late.output or b"").decode(errors="replace"), None
        return done.stdout, done.returncode

    def make_program(self, fault, folder):
        """Compiles the fault's units with the changed file before the original, and links them first: where several
        units hold the same inline function, the changed one is taken."""
        text = (ROOT / fault.file).read_text()
        if text.count(fault.old) != 1:
            raise SystemExit(f"{fault.name}: the text to change occurs {text.count(fault.old)} times in {fault.file}")
        changed = folder / fault.file
        changed.parent.mkdir(parents=True)
        changed.write_text(text.replace(fault.old, fault.new))
        link, objects = self.command_of(f"tests/{fault.program}"), []
        for unit in fault.units or (fault.file,):
            for words, output in self.commands_for(unit, link):
                words = list(words)
                compiler = next(n for n, word in enumerate(words) if word.endswith(("++", "nvcc", "cc", "clang")))
                objects.append(str(folder / f"{len(objects)}.o"))
                words[words.index("-o") + 1] = objects[-1]
                if unit == fault.file:
                    words[words.index("-c") + 1] = str(changed)
                # Beside its neighbours' headers, and without warnings about code that the fault leaves unused.
                words[compiler + 1:compiler + 1] = ["-I", str(folder)]
                subprocess.run(words + ["-w"], cwd=self.folder, check=True)
                if output in link:  # else it is in a shared library, before which the program's own symbols go
                    link.remove(output)
        place = link.index("-o") + 1
        link[place] = str(folder / fault.program)
        first = next((n for n, word in enumerate(link) if word.endswith(".o")), place + 1)
        link[first:first] = objects
        subprocess.run(link, cwd=self.folder, check=True)
        return folder / fault.program


# How a failure shows, from the first that fits the output.
SIGNS = [
    (r"emulator: ptx: ", "reported by the executor"),
    (r"emulator: ", "reported by the emulator"),
    (r"ERROR: AddressSanitizer|runtime error:", "stopped by a sanitizer"),
    (r"differs under the policy", "depends on the order of lanes"),
    (r"other bits than", "other bits than the CPU"),
    (r"run alone differ|rows in reversed order", "depends on the batch"),
    (r"a population differs", "depends on the population"),
    (r"expected|should be|Failure", "wrong values"),
]


def verdict(output, status):
    """(where, how), or None where nobody noticed."""
    if status == 0:
        return None
    running = re.findall(r"\[ RUN      \] (\S+?)\.", output)
    where = running[-1] if running else "the program"
    if status is None:
        return where, "hangs"
    for pattern, how in SIGNS:
        if re.search(pattern, output):
            return where, how
    return where, "ends the process"


def plant(build, fault):
    with tempfile.TemporaryDirectory(prefix="mutation_") as folder:
        program = build.make_program(fault, pathlib.Path(folder))
        output, status = build.run_tests(fault.filter, program)
        found = verdict(output, status)
        if found and not re.search("emulat|ptx", fault.program):  # its filter may name many suites
            found = fault.program, found[1]
        return found, output


def table_of(rows):
    lines = ["| fault | file | noticed by | how |\n", "|---|---|---|---|\n"]
    return "".join(lines + [f"| {' | '.join(row)} |\n" for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--host", action="store_true")
    parser.add_argument("--ptx", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.check:
        stale = [fault.name for fault in FAULTS + HOST_FAULTS + PTX_FAULTS if (ROOT / fault.file).read_text().count(fault.old) != 1]
        print("\n".join(stale or ["every fault can be planted"]))
        return 1 if stale else 0
    if not options.build:
        parser.error("--build or --check is needed")
    build = Build(options.build)
    all_faults = FAULTS + HOST_FAULTS + PTX_FAULTS
    chosen = HOST_FAULTS if options.host else PTX_FAULTS if options.ptx else all_faults
    faults = [fault for fault in chosen
              if (build.has_ptx or fault not in PTX_FAULTS) and options.only in fault.name and (build.has_races or not fault.races_only)]
    for program in sorted({fault.program for fault in faults}):
        tests = ":".join(sorted({fault.filter for fault in faults if fault.program == program}))
        output, status = build.run_tests(tests, build.folder / "tests" / program)
        if status != 0:
            raise SystemExit(f"{program} fails without any fault:\n{output[-3000:]}")
    rows, survivors = [], []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for fault, (found, output) in zip(faults, pool.map(lambda fault: plant(build, fault), faults)):
            if found is None:
                survivors.append(fault.name)
            rows.append((fault.name, f"`{fault.file}`", *(found or ("nobody", "survives"))))
            print(f"{rows[-1][0]}: {rows[-1][2]}, {rows[-1][3]}", flush=True)
    before, rest = README.read_text().split(BEGIN)
    recorded, after = rest.split(END)
    if options.write:
        # Faults that were not planted this time keep their line.
        known = {cells[0]: cells for line in recorded.splitlines()[2:] if (cells := line[2:-2].split(" | "))}
        known.update({row[0]: row for row in rows})
        README.write_text(before + BEGIN + table_of([known[fault.name] for fault in all_faults if fault.name in known]) +
                          END + after)
    elif not build.has_races:  # other detectors notice the same faults elsewhere
        lines = recorded.splitlines()
        new = [row for row in table_of(rows).splitlines() if row not in lines]
        if new:
            print("not as in README.md (--write brings it up to date):\n" + "\n".join(new))
            return 1
    print(f"{len(faults) - len(survivors)} of {len(faults)} faults noticed")
    if survivors:
        print("survivors: " + ", ".join(survivors))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
