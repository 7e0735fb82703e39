#!/usr/bin/env python3
"""Full disks and read-only folders: one clear line, exit code 1, the old file whole, nothing left behind.

  tests/faults/disk.py --command build/cpu/cugad [--seed N]

Every file that the command writes meets a file system (tmpfs, in a mount namespace of this script) without a free page,
with room for half of the file, without a free inode, and read-only; a limit of the file size (RLIMIT_FSIZE) below the
file's size; and, for what goes to standard output, /dev/full. Where the script may not mount, those cases are skipped,
and it says so. After each case the space comes back and the same command must make the same file as if nothing had been.
"""

import itertools
import os
import pathlib
import resource
import subprocess
import sys

from command import (ERROR, Command, Failed, contents, expect, expect_one_of, folder, make_digits, make_tables, options, temporaries,
                     training)

OLD = b"the old file, which is no model, no table and no page\n"
PAGE_WITH_SECTION = "text\n" * 3000 + "<!-- begin mnist-dense -->\nold\n<!-- end mnist-dense -->\n" + "text\n" * 3000
PAGE = 4096  # the smallest piece of a tmpfs


def may_mount():
    """In a mount namespace of its own from here on; False where the system does not allow it."""
    if "--in-namespace" in sys.argv:
        sys.argv.remove("--in-namespace")
        return True
    for more in ([], ["--user", "--map-root-user"]):
        try:
            if subprocess.run(["unshare", "--mount", *more, "true"], capture_output=True).returncode == 0:
                os.execvp("unshare", ["unshare", "--mount", *more, sys.executable, *sys.argv, "--in-namespace"])
        except FileNotFoundError:
            break
    return False


def mount(place, settings):
    subprocess.run(["mount", "-t", "tmpfs", "-o", settings, "tmpfs", place], check=True)


class Writer:
    """Something that the command writes: `arguments(place)` make `result` in a folder. `earlier(place)`: what is there
    before, instead of an old file. `timed`: the file tells seconds, so that no two are equal. `appended`: it grows piece by
    piece, and what is finished stays."""

    def __init__(self, name, arguments, result, earlier=None, timed=False, appended=False):
        self.name, self.arguments, self.result = name, arguments, result
        self.timed, self.appended = timed, appended
        self.earlier = earlier or (lambda place: (place / result).write_bytes(OLD))
        with folder() as made:
            place = pathlib.Path(made)
            self.earlier(place)
            command.well(*arguments(place))
            self.whole = contents(place / result)

    def check_refused(self, place, case, **more):
        before = contents(place / self.result)
        line = command.refused(*self.arguments(place), **more)
        if not self.appended:
            expect_one_of(place / self.result, (before,), f"{self.name}, {case}")
        expect(not temporaries(place), f"{self.name}, {case}: left {temporaries(place)}")
        return line

    def check_recovers(self, place, case):
        command.well(*self.arguments(place))
        if not self.timed:
            expect_one_of(place / self.result, (self.whole,), f"{self.name}, after {case}")


def fill(place, free):
    """Leaves about so many bytes free."""
    ballast = place / "ballast"
    available = os.statvfs(place).f_bavail * PAGE
    ballast.write_bytes(b"x" * max(0, available - (free + PAGE - 1) // PAGE * PAGE))
    return ballast


def on_full_disk(writer, place, share):
    if share * len(writer.whole) > 0 and len(writer.whole) < 2 * PAGE:
        return None  # half of it is a whole piece
    mount(place, "size=16m")
    writer.earlier(place)
    ballast = fill(place, int(len(writer.whole) * share))
    case = f"room for {share} of the file"
    line = writer.check_refused(place, case)
    expect("No space left on device" in line, line)
    ballast.unlink()
    writer.check_recovers(place, case)
    return line


def without_inodes(writer, place):
    mount(place, "size=16m,nr_inodes=40")
    writer.earlier(place)
    taken = []
    while os.statvfs(place).f_favail > 0:
        taken.append(place / f"taken{len(taken)}")
        taken[-1].touch()
    line = writer.check_refused(place, "no inode")
    expect("No space left on device" in line, line)
    for path in taken:
        path.unlink()
    writer.check_recovers(place, "no inode")
    return line


def read_only(writer, place):
    mount(place, "size=16m")
    writer.earlier(place)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
    line = writer.check_refused(place, "read-only")
    expect("Read-only file system" in line, line)
    subprocess.run(["mount", "-o", "remount,rw", place], check=True)
    writer.check_recovers(place, "read-only")
    return line


def below_size_limit(writer, place):
    writer.earlier(place)
    limit = len(writer.whole) // 2
    line = writer.check_refused(place, "file size limit",
                                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    expect("File too large" in line, line)
    writer.check_recovers(place, "file size limit")
    return line


def writers(base):
    """All that the command writes to files."""
    number = itertools.count()
    train = ["train", base / "table.csv", *training("64"), "--steps"]
    fleet = ["train", base / "fleet.csv", *training(), "--group-by", "group", "--fleet-minimum-rows", 20, "--steps"]
    command.well(*train, 100, "--output", base / "model")
    command.well(*fleet, 100, "--output", base / "fleet")
    score = ["score", base / "table.csv", "--model", base / "model", "--threads", 1, "--quiet", "--output"]
    make_digits(base)
    digits = ["reproduce", "mnist-dense", "--data", base, "--setting", "default", "--method", "anogan", "--population", 1, "--hidden", 8,
              "--discriminator-hidden", 8, "--bank-rows", 20, "--steps", 10, "--digits", "0,1", "--quiet"]
    synthesize = ["synthesize", "telemetry", "--rows", 3000, "--output"]

    def earlier_checkpoint(arguments):
        """A shorter training's checkpoint: it must be whole after the failure, and still continue to the same bits."""
        return lambda place: command.well(*arguments, 100, "--output", base / "unused", "--checkpoint", place / "kept")

    def continued(arguments):
        return lambda place: [*arguments, 300, "--output", base / "resumed", "--checkpoint", place / "kept", "--resume"]

    return [
        # Their checkpoint is elsewhere, so that only the model meets the fault.
        Writer("model", lambda place: [*train, 100, "--checkpoint", base / "elsewhere", "--resume", "--output",
                                       place / "file"], "file"),
        Writer("model of a fleet", lambda place: [*fleet, 100, "--checkpoint", base / "elsewhere_too", "--resume",
                                                  "--output", place / "file"], "file"),
        Writer("checkpoint", continued(train), "kept/checkpoint.safetensors", earlier_checkpoint(train)),
        Writer("rows of a training", lambda place: [*train, 100, "--output", base / "of_rows", "--out-of-core", place / "file"], "file",
               earlier=lambda place: None),
        # Each stops with a checkpoint, which a second one would keep and report.
        Writer("log", lambda place: [*train, 2000, "--patience", 0, "--output", base / f"unused-{next(number)}", "--log",
                                     place / "log"], "log", earlier=lambda place: None, timed=True, appended=True),
        Writer("scores .csv", lambda place: [*score, place / "file.csv"], "file.csv"),
        Writer("scores .npy", lambda place: [*score, place / "file.npy"], "file.npy"),
        Writer("report .html", lambda place: ["report", *score[1:], place / "file.html"], "file.html",
               timed=True),  # it names its own path
        Writer("synthetic rows", lambda place: ["sample", "--model", base / "model", "--count", 500, "--output",
                                                place / "file"], "file"),
        Writer("synthetic table", lambda place: [*synthesize, place / "file.csv"], "file.csv"),
        Writer("compressed table", lambda place: [*synthesize, place / "file.csv.gz"], "file.csv.gz"),
        Writer("model of one group", lambda place: ["extract", "--model", base / "fleet", "--group", "machine-0001",
                                                    "--output", place / "file"], "file"),
        Writer("report .md", lambda place: [*digits, "--markdown", place / "file.md"], "file.md", timed=True,
               earlier=lambda place: (place / "file.md").write_text(PAGE_WITH_SECTION)),
        Writer("state of a protocol", lambda place: [*digits, "--state", place / "file"], "file",
               earlier=lambda place: command.well(*digits[:-2], "0", "--quiet", "--state", place / "file"),
               timed=True, appended=True),
    ]


def on_full_output(base):
    """Whatever prints results says so when they cannot be written."""
    score = ["score", base / "table.csv", "--model", base / "model"]
    count = 0
    for arguments in ([*score], [*score, "--explain", 2], ["evaluate", *score[1:], "--normal", "normal", "--json"],
                      ["sample", "--model", base / "model", "--count", 10], ["info"],
                      ["info", "--model", base / "model"], ["--help"]):
        with open("/dev/full", "w") as full:
            line = command.refused(*arguments, stdout=full)
        expect("No space left on device" in line, line)
        count += 1
    return count


def main():
    mounts = may_mount()
    global command
    chosen = options(__doc__)
    command = Command(chosen.command)
    cases = [("a limit of the file size", below_size_limit)]
    if mounts:
        cases += [("a full disk", lambda writer, place: on_full_disk(writer, place, 0)),
                  ("a disk with room for half of the file", lambda writer, place: on_full_disk(writer, place, 0.5)),
                  ("a disk without inodes", without_inodes), ("a read-only folder", read_only)]
    else:
        print("SKIPPED: full disks and read-only folders (this user may not mount)")
    counts = {}
    try:
        with folder() as name:
            base = pathlib.Path(name)
            make_tables(command, base)
            for writer in writers(base):
                for title, case in cases:
                    with folder() as place:
                        try:
                            line = case(writer, pathlib.Path(place))
                        finally:
                            if os.path.ismount(place):
                                subprocess.run(["umount", place], check=True)
                    if line is None:
                        continue
                    counts[title] = counts.get(title, 0) + 1
                    print(f"{writer.name}, {title}: {line.replace(place, 'FOLDER')}", flush=True)
            counts["standard output on /dev/full"] = on_full_output(base)
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    print("| what the command met | cases | lost, half written or left behind |\n|---|---|---|")
    for title, count in counts.items():
        print(f"| {title} | {count} | 0 |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
