"""Runs the command for the scripts of this folder: tiny tables, tiny networks, and what must hold whatever happens."""

import argparse
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

ERROR = 1  # exit code of a command that could not do its work
INTERRUPTED = 130


def training(hidden="32", threads=1):
    """Flags of a training that is quick on one thread; those but --threads and --steps alone decide what its model file holds."""
    return ["--method", "anogan", "--label-column", "label", "--normal", "normal", "--population", "2", "--hidden", hidden,
            "--discriminator-hidden", hidden, "--bank-rows", "200", "--batch", "32", "--coverage-rows", "64",
            "--threads", str(threads), "--quiet"]


def said(err):
    """The lines of standard error but for notes about the table."""
    return [line for line in err.splitlines() if not line.startswith("cugad: note: ")]


def options(description, **more):
    """The command line that all scripts share; `more` are further integers with their defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", required=True, help="the cugad command")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    for name, value in more.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value)
    chosen = parser.parse_args()
    chosen.command = str(pathlib.Path(chosen.command).resolve())
    print(f"seed {chosen.seed}", flush=True)
    return chosen


class Failed(Exception):
    """Something that must hold did not."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def contents(path):
    """A file's bytes; None where there is none."""
    path = pathlib.Path(path)
    return path.read_bytes() if path.exists() else None


def digest(data):
    return "no file" if data is None else f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:12]}"


def expect_one_of(path, allowed, when):
    found = contents(path)
    expect(found in allowed, f"{when}: {path} is {digest(found)}, expected " + " or ".join(map(digest, allowed)))


def temporaries(folder):
    return [path for path in pathlib.Path(folder).rglob("*.tmp")]


class Command:
    def __init__(self, program):
        self.program = program

    def start(self, *arguments, **more):
        return subprocess.Popen([self.program, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})

    def run(self, *arguments, **more):
        """(exit code, standard output, standard error)"""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def well(self, *arguments, **more):
        code, out, err = self.run(*arguments, **more)
        expect(code == 0, f"cugad {' '.join(map(str, arguments))}: exit {code}: {err}")
        return out

    def seconds(self, *arguments):
        start = time.monotonic()
        self.well(*arguments)
        return time.monotonic() - start

    def refused(self, *arguments, **more):
        """A command that must end with exit code 1 and one line that says why; returns the line."""
        code, _, err = self.run(*arguments, **more)
        what = f"cugad {' '.join(map(str, arguments))}: exit {code}: {err}"
        expect(code == ERROR, what)
        expect(len(said(err)) == 1 and said(err)[0].startswith("cugad: error: ") and err.endswith("\n"), what)
        return said(err)[0]


def kill_after(process, seconds):
    """kill -9 after so many seconds; whether it came before the end."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def folder():
    return tempfile.TemporaryDirectory(prefix="cugad-faults-")


def make_tables(command, place):
    """table.csv, and fleet.csv with the column `group`."""
    command.well("synthesize", "telemetry", "--rows", 1200, "--seed", 1, "--output", place / "table.csv")
    command.well("synthesize", "telemetry", "--rows-per-group", 90, "--groups", 5, "--seed", 2, "--output",
                 place / "fleet.csv")


def make_digits(place):
    """200 images of digits, as the mnist protocols read them."""
    def idx(shape, data):
        return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + data

    (place / "mnist").mkdir()
    images = bytes((row * 7 + pixel * (row % 10)) % 256 for row in range(200) for pixel in range(784))
    (place / "mnist/t10k-images-idx3-ubyte").write_bytes(idx((200, 28, 28), images))
    (place / "mnist/t10k-labels-idx1-ubyte").write_bytes(idx((200,), bytes(row % 10 for row in range(200))))
