#!/usr/bin/env python3
"""Trains with mpirun: the file of one process for any number of ranks, also if one is killed on the way.

Takes the command cugad-mpi, which trains in one process, too, and mpirun. Exits with 77, which ctest takes as skipped,
where mpirun is not installed.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SMALL = ["--method", "gan", "--population", "2", "--generator-hidden", "16", "--discriminator-hidden", "16",
         "--batch", "16", "--threads", "1"]


def main():
    command = sys.argv[1]
    launcher = shutil.which(sys.argv[2]) if len(sys.argv) > 2 else None
    if launcher is None:
        print("Training with mpirun: skipped, mpirun is not installed (openmpi-bin)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        Tests(command, launcher, pathlib.Path(folder)).run()
    return 0


class Tests:
    def __init__(self, command, launcher, folder):
        self.command, self.folder = command, folder
        self.launch = [launcher]
        version = subprocess.run([launcher, "--version"], capture_output=True, text=True).stdout
        if "Open MPI" in version or "OpenRTE" in version:  # as mpirun and mpiexec call it
            self.launch += ["--oversubscribe", "--bind-to", "none"] + (["--allow-run-as-root"] if os.geteuid() == 0 else [])

    def at(self, name):
        return str(self.folder / name)

    def train(self, steps, output, *more):
        return [self.command, "train", self.at("t.csv"), "--group-by", "group", "--label-column", "label", "--normal",
                "normal", "--steps", str(steps), "--output", self.at(output), *SMALL, *more]

    def ranks(self, count, arguments):
        return [*self.launch, "-n", str(count), *arguments, "--distributed", "mpi"]

    def well(self, arguments):
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, f"{arguments}\n{ended.stdout}\n{ended.stderr}"
        return ended

    def expect_same(self, *names):
        first, second = ((self.folder / name).read_bytes() for name in names)
        assert first == second, f"{names} differ"

    def run(self):
        self.well([self.command, "synthesize", "telemetry", "--groups", "24", "--rows-per-group", "60", "--output",
                   self.at("t.csv")])
        self.fleets()
        self.populations()
        self.killed()
        self.stopped()
        self.used()
        self.errors()

    def fleets(self):
        self.well(self.train(60, "whole"))
        for count in (1, 4):
            ended = self.well(self.ranks(count, self.train(60, "fleet")))
            self.expect_same("whole", "fleet")
            assert ended.stdout.count("ranks") == 1 and f"{count}, and {4 * count} shards" in ended.stdout, ended.stdout
            assert not (self.folder / "fleet.checkpoint").exists()

    def populations(self):
        alone = [self.command, "train", self.at("t.csv"), "--exclude", "group", "--label-column", "label", "--normal",
                 "normal", "--steps", "60", *SMALL]
        self.well([*alone, "--output", self.at("whole-one")])
        self.well(self.ranks(2, [*alone, "--output", self.at("one")]))
        self.expect_same("whole-one", "one")

    def killed(self):
        """A rank is killed when some parts are there; three ranks go on from them."""
        self.well(self.train(1500, "whole-long"))
        parts = self.folder / "parts"
        train = self.train(1500, "long", "--checkpoint", str(parts))
        process = subprocess.Popen(self.ranks(4, train), stderr=subprocess.PIPE, text=True)
        while len(list(parts.glob("*.safetensors"))) < 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        victim = self.rank_of(2)
        os.kill(victim, signal.SIGKILL)
        error = process.communicate(timeout=60)[1]
        assert process.returncode != 0 and not (self.folder / "long").exists()
        lines = [line for line in error.splitlines() if line.startswith("cugad")]
        assert len(lines) == 1 and f"of 16 parts are in {parts}" in lines[0] and "--resume" in lines[0], error
        kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.safetensors")}
        assert 3 <= len(kept) < 16
        refused = subprocess.run(self.ranks(3, self.train(1500, "long", "--checkpoint", str(parts), "--resume", "--seed",
                                                          "9")), capture_output=True, text=True, timeout=60)
        assert "made with other options or training rows" in refused.stderr, refused.stderr
        self.well(self.ranks(3, [*train, "--resume"]))
        self.expect_same("whole-long", "long")
        assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
        assert len(list(parts.glob("*.safetensors"))) == 16

    def stopped(self):
        """Ctrl-C. The folder of checkpoints goes with the resumed run, whatever killed ranks left in it."""
        train, folder = self.train(1500, "stopped"), self.folder / "stopped.checkpoint"
        process = subprocess.Popen(self.ranks(3, train), stderr=subprocess.PIPE, text=True)
        while len(list(folder.glob("*.safetensors"))) < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode != 0 and not (self.folder / "stopped").exists()
        for place in (folder, folder / "shard-12-of-12"):
            place.mkdir(exist_ok=True)
            (place / ".cugad-0-1-2.tmp").write_text("left")
        self.refused([*train, "--resume"], f"{folder} holds the checkpoint of a training with --distributed mpi")
        self.well(self.ranks(2, [*train, "--resume"]))
        self.expect_same("whole-long", "stopped")
        assert not folder.exists(), list(folder.rglob("*"))

    def used(self):
        """A folder that another training uses."""
        train, folder = self.train(200000, "used"), self.folder / "used.checkpoint"
        process = subprocess.Popen(self.ranks(2, train), stderr=subprocess.DEVNULL)
        while not folder.exists():
            assert process.poll() is None
            time.sleep(0.01)
        self.refused(self.ranks(2, train), f"{folder}: another training uses it")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)

    def rank_of(self, rank):
        """The process of that rank."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            names = {b"OMPI_COMM_WORLD_RANK=%d" % rank, b"PMI_RANK=%d" % rank}
            if names & set(environment) and self.folder.as_posix().encode() in command:
                return int(folder.name)
        raise AssertionError("no such rank")

    def refused(self, arguments, text):
        ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
        lines = [line for line in ended.stderr.splitlines() if line.startswith("cugad: error")]
        assert ended.returncode != 0 and len(lines) == 1 and text in lines[0], ended.stderr

    def errors(self):
        for more, text in ((["--shard", "1/2"], "--shard does not go with --distributed"),
                           (["--exclude", "no such"], "no such")):
            self.refused(self.ranks(3, self.train(60, "x", *more)), text)
            assert not (self.folder / "x").exists()
        alone = subprocess.run([*self.launch, "-n", "2", *self.train(60, "alone")], capture_output=True, text=True,
                               timeout=60)
        assert alone.stderr.count("each of the 2 processes trains all models") == 1, alone.stderr


if __name__ == "__main__":
    sys.exit(main())
