#!/usr/bin/env python3
"""The command under limits of its address space (RLIMIT_AS): it does its work, or says in one line that it could not.

  tests/faults/memory.py --command build/cpu/cugad [--limits 60] [--seed N]

The limits lie between what the command needs to start at all and what the work needs, at random, with 1 and 4 threads.
After each, the old file or the new one is there, whole, and nothing else.
"""

import pathlib
import random
import resource
import sys

from command import (ERROR, Command, Failed, contents, expect, expect_one_of, folder, make_tables, options, said, temporaries,
                     training)

OLD = b"the old file"
PAGE = 4096


def limited(limit):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))}


def smallest(works, low, high):
    """The smallest limit, to 64 KiB, with which works(limit)."""
    while high - low > 1 << 16:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def main():
    chosen = options(__doc__, limits=60)
    command, randomness, rows = Command(chosen.command), random.Random(chosen.seed), []
    try:
        with folder() as name:
            base = pathlib.Path(name)
            make_tables(command, base)
            command.well("train", base / "table.csv", *training(), "--steps", 100, "--output", base / "model")
            starts = smallest(lambda limit: command.run("--version", **limited(limit))[0] == 0, 1 << 20, 1 << 30)
            for threads in (1, 4):
                train = ["train", base / "table.csv", *training(threads=threads), "--steps", 100]
                fleet = ["train", base / "fleet.csv", *training(threads=threads), "--steps", 100, "--group-by", "group",
                         "--fleet-minimum-rows", 20]
                score = ["score", base / "table.csv", "--model", base / "model", "--quiet", "--threads", threads]
                for title, work, result in [("train", train, "model"), ("train a fleet", fleet, "model"),
                                            ("score to csv", score, "scores.csv"),
                                            ("score to npy", score, "scores.npy")]:
                    rows.append(check(command, f"{title}, {threads} threads", work, result, starts, chosen.limits,
                                      randomness))
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    print("| work | limits | could not | could | crashed, lost or half written |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " | 0 |")
    return 0


def check(command, title, work, result, starts, limits, randomness):
    with folder() as name:
        place = pathlib.Path(name)
        arguments = [*work, "--output", place / result]
        command.well(*arguments)
        whole = contents(place / result)
        enough = smallest(lambda limit: command.run(*arguments, **limited(limit))[0] == 0, starts, 4 << 30)
    could = 0
    for _ in range(limits):
        limit = randomness.randint(starts, enough + (enough - starts) // 10) // PAGE * PAGE
        with folder() as name:
            place = pathlib.Path(name)
            (place / result).write_bytes(OLD)
            code, _, err = command.run(*work, "--output", place / result, **limited(limit))
            case = f"{title}, {limit} bytes: exit {code}: {err}"
            if code == 0:
                could += 1
                expect_one_of(place / result, (whole,), case)
            else:
                expect(code == ERROR and len(said(err)) == 1 and said(err)[0].startswith("cugad: error: "), case)
                # The file may be complete if only the summary afterwards ran out of memory.
                expect_one_of(place / result, (OLD, whole), case)
            expect(not temporaries(place), f"{case}, left {temporaries(place)}")
    print(f"{title}: starts with {starts >> 20} MiB, works with {enough >> 20} MiB", flush=True)
    return title, limits, limits - could, could


if __name__ == "__main__":
    sys.exit(main())
