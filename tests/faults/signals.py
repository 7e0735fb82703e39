#!/usr/bin/env python3
"""SIGINT, SIGTERM, SIGHUP, SIGXCPU and SIGPIPE at random moments of every command that takes a while.

  tests/faults/signals.py --command build/cpu/cugad [--times 6] [--seed N]

A command ends with exit code 130 (or had just ended), with at most one line on standard error, no temporary file, the old
file whole or the new one whole; a training goes on with --resume to the same bits. A reader that leaves (`| head -1`) ends
a command with exit code 1 and one line.
"""

import pathlib
import random
import signal
import subprocess
import sys
import time

from command import (ERROR, INTERRUPTED, Command, Failed, contents, digest, expect, expect_one_of, folder, make_digits, make_tables,
                     options, said, temporaries, training)

OLD = b"the old file"
VARYING = ("reproduce", "report")  # the bytes of their files: seconds, and the command with its own path


def works(base):
    """(name, arguments of the result's path, the result's name or None, whether it resumes)"""
    train = ["train", base / "table.csv", *training(), "--steps", 6000, "--patience", 0]
    fleet = ["train", base / "fleet.csv", *training(), "--steps", 2000, "--patience", 0, "--group-by", "group",
             "--fleet-minimum-rows", 20]
    score = ["score", base / "many.csv", "--threads", 1, "--quiet", "--model", base / "model", "--output"]
    fleet_score = ["score", base / "many_fleet.csv", "--threads", 1, "--quiet", "--model", base / "fleet", "--output"]
    synthesize = ["synthesize", "telemetry", "--rows", 150000, "--output"]
    return [
        ("train", lambda place: [*train, "--output", place / "model"], "model", True),
        ("train a fleet", lambda place: [*fleet, "--output", place / "model"], "model", True),
        ("score to csv", lambda place: [*score, place / "s.csv"], "s.csv", False),
        ("score to npy", lambda place: [*score, place / "s.npy"], "s.npy", False),
        ("report", lambda place: ["report", *score[1:], place / "p.html"], "p.html", False),
        ("score a fleet to csv", lambda place: [*fleet_score, place / "s.csv"], "s.csv", False),
        ("synthesize", lambda place: [*synthesize, place / "t.csv"], "t.csv", False),
        ("synthesize .gz", lambda place: [*synthesize, place / "t.csv.gz"], "t.csv.gz", False),
        ("sample", lambda place: ["sample", "--model", base / "model", "--count", 500000, "--output", place / "s.csv"],
         "s.csv", False),
        ("evaluate", lambda place: ["evaluate", base / "many.csv", "--model", base / "model", "--normal", "normal",
                                    "--threads", 1, "--quiet"], None, False),
        ("reproduce", lambda place: ["reproduce", "mnist-dense", "--data", base, "--setting", "default", "--quiet",
                                     "--method", "anogan", "--population", 1, "--hidden", 8, "--discriminator-hidden", 8, "--bank-rows", 20,
                                     "--steps", 20, "--seeds", 1, "--digits", "0,1", "--markdown", place / "page.md"], "page.md", False),
    ]


def interrupt(command, name, arguments, result, resumes, number, share, whole, seconds):
    with folder() as made:
        place = pathlib.Path(made)
        if result:
            (place / result).write_bytes(OLD)
        process = command.start(*arguments(place))
        time.sleep(share * seconds)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        case = f"{name}, {number.name} after {share * seconds:.3f} s: exit {process.returncode}: {err}"
        # Before main() has set its handlers a signal ends the process by itself.
        expect(process.returncode in (0, INTERRUPTED, -number), case)
        expect(len(said(err)) <= 1 and "error" not in err, case)
        expect(not temporaries(place), f"{case}, left {temporaries(place)}")
        if result:
            found = contents(place / result)
            # A signal between the new file's last write and the end of the process finds it whole.
            is_whole = found == whole or (name in VARYING and found is not None and found.endswith(whole[-12:]))
            expect(found == OLD or is_whole, f"{case}, found {digest(found)}")
        if resumes and process.returncode == INTERRUPTED:
            kept = (place / "model.checkpoint").exists()
            command.well(*arguments(place), *(["--resume"] if kept else []))
            expect_one_of(place / result, (whole,), case)
        return process.returncode


def prepare(command, base):
    make_tables(command, base)
    for rows, model, more in (("table", "model", []), ("fleet", "fleet", ["--group-by", "group",
                                                                           "--fleet-minimum-rows", 20])):
        command.well("train", base / f"{rows}.csv", *training(), "--steps", 100, *more, "--output", base / model)
    for source, target, times in (("table", "many", 25), ("fleet", "many_fleet", 40)):
        header, *lines = (base / f"{source}.csv").read_text().splitlines(keepends=True)
        (base / f"{target}.csv").write_text(header + "".join(lines) * times)
    make_digits(base)


def leave_early(command, base):
    """`cugad ... | head -1`: how many commands noticed."""
    count = 0
    for arguments in (["score", base / "many.csv", "--model", base / "model"],
                      ["score", base / "many_fleet.csv", "--model", base / "fleet"],
                      ["sample", "--model", base / "model", "--count", 100000]):
        process = command.start(*arguments)
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=60)
        expect(process.returncode == ERROR and err.count("\n") == 1 and "closed by its reader" in err,
               f"cugad {arguments[0]} | head -1: exit {process.returncode}: {err}")
        count += 1
    return count


def main():
    chosen = options(__doc__, times=6)
    command, randomness = Command(chosen.command), random.Random(chosen.seed)
    for number in (signal.SIGINT, signal.SIGHUP):  # a shell ignores them for jobs in the background
        signal.signal(number, signal.SIG_DFL)
    rows = []
    try:
        with folder() as made:
            base = pathlib.Path(made)
            prepare(command, base)
            for name, arguments, result, resumes in works(base):
                with folder() as first:
                    place = pathlib.Path(first)
                    start = time.monotonic()
                    command.well(*arguments(place))
                    seconds = time.monotonic() - start
                    whole = contents(place / result) if result else None
                codes = [interrupt(command, name, arguments, result, resumes, number, randomness.uniform(0.05, 0.9),
                                   whole, seconds)
                         for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)
                         for _ in range(chosen.times)]
                rows.append((name, len(codes), codes.count(INTERRUPTED), codes.count(0)))
                print(f"{name}: {len(codes)} signals, {codes.count(INTERRUPTED)} interrupted it", flush=True)
            noticed = leave_early(command, base)
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    print("| command | signals | ended by them (130) | ended as if nothing had been | half written or left behind |")
    print("|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " | 0 |")
    print(f"{noticed} commands told that their reader had left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
