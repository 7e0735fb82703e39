#!/usr/bin/env python3
"""kill -9 at random moments of training, saving and scoring: nothing may be lost, half written, or come out different.

  tests/faults/kills.py --command build/cpu/cugad [--kills 100] [--seed N]

--kills is the number of kills that hit a running command, for each kind. The kinds: training one detector and a fleet
with --checkpoint (half of the resumed runs are killed as well), saving a model over an old one, scoring to .csv and .npy
over an old file, and a fleet's. After each kill
  - the result is the old file whole or the new one whole;
  - the same command, with --resume where it trains, succeeds, and its file equals that of a run never killed.
  - it leaves no file .cugad-*.tmp, of which the kill may have left one beside the result; how often is counted.
"""

import pathlib
import random
import sys
import time

from command import (Command, Failed, contents, expect, expect_one_of, folder, kill_after, make_tables,
                     options, temporaries, training)


class Kind:
    """One kind of work: `arguments` make the file `result` in an empty `place`, where prepare() put what is needed."""

    old = b"the old file, which is no model and no table of scores"

    def __init__(self, name, arguments, result, resumes=False):
        self.name, self.arguments, self.result, self.resumes = name, arguments, result, resumes

    def prepare(self, place):
        (place / self.result).write_bytes(self.old)

    def moment(self, seconds, randomness):
        return randomness.uniform(0, seconds)

    def wait(self, process, place, moment):
        return kill_after(process, moment)


class Saving(Kind):
    """Kills that fall between the opening of a temporary file and its renaming, or shortly after. `files`: how many
    files a whole run writes; any one of them is hit."""

    def __init__(self, name, arguments, result, files=1, resumes=False):
        super().__init__(name, arguments, result, resumes)
        self.files = files

    def moment(self, seconds, randomness):
        self.wanted = randomness.randint(1, self.files)
        return randomness.uniform(0, 0.006)

    def wait(self, process, place, moment):
        seen = set()
        while process.poll() is None and len(seen) < self.wanted:
            seen.update(temporaries(place))
        time.sleep(moment)
        return kill_after(process, 0)


def table(chunks, source, target):
    """The rows of `source` many times over: enough work to be killed in."""
    header, *lines = source.read_text().splitlines(keepends=True)
    target.write_text(header + "".join(lines) * chunks)


def run_kind(command, kind, kills, randomness, totals):
    with folder() as name:
        place = pathlib.Path(name)
        kind.prepare(place)
        seconds = command.seconds(*kind.arguments(place))
        whole = contents(place / kind.result)
    done = attempts = left = mid = 0
    while done < kills:
        expect(attempts < 20 * kills, f"{kind.name}: only {done} of {attempts} kills hit a running command")
        with folder() as name:
            place = pathlib.Path(name)
            kind.prepare(place)
            for again in range(2):
                arguments = kind.arguments(place) + (["--resume"] if kind.resumes and again else [])
                moment = kind.moment(seconds, randomness)
                attempts += 1
                hit = kind.wait(command.start(*arguments), place, moment)
                done += hit
                mid += hit and bool(list(place.glob("checkpoint/*.safetensors")))
                when = f"{kind.name}, killed after {moment:.4f} s"
                expect_one_of(place / kind.result, (kind.old, whole), when)
                if not hit or not kind.resumes or done >= kills or randomness.random() < 0.5:
                    break
            left += bool(temporaries(place))
            command.well(*kind.arguments(place), *(["--resume"] if kind.resumes else []))
            expect_one_of(place / kind.result, (whole,), when + " and run again")
            expect(not temporaries(place), f"{when} and run again: {temporaries(place)} is left")
    totals.append((kind.name, done, mid if kind.resumes else "", left))
    print(f"{kind.name}: {done} kills, {left} left a temporary file", flush=True)


def kinds(command, base):
    big = ["--steps", 6000, "--patience", 0]
    train = ["train", base / "table.csv", *training()]
    fleet = ["train", base / "fleet.csv", *training(), "--group-by", "group", "--fleet-minimum-rows", 20]
    heavy = ["train", base / "table.csv", *training("512,512"), "--steps", 1, "--checkpoint", base / "heavy", "--resume"]
    slow = ["train", base / "table.csv", *training("256,256"), "--steps", 200]
    command.well(*train, "--steps", 100, "--output", base / "model")
    command.well(*fleet, "--steps", 100, "--output", base / "fleet")
    command.well(*heavy[:-1], "--output", base / "heavy_model")
    table(25, base / "table.csv", base / "many.csv")
    table(15, base / "fleet.csv", base / "many_fleet.csv")

    def scoring(rows, model, file):
        return lambda place: ["score", base / rows, "--model", base / model, "--output", place / file, "--threads", 1,
                              "--quiet"]

    return [
        Kind("training a detector", lambda place: train + big + ["--checkpoint", place / "checkpoint", "--output",
                                                                 place / "model"], "model", resumes=True),
        Kind("training a fleet", lambda place: fleet + ["--steps", 2000, "--patience", 0, "--checkpoint", place / "checkpoint",
                                                        "--output", place / "model"], "model", resumes=True),
        Saving("saving a checkpoint", lambda place: slow + ["--checkpoint", place / "checkpoint", "--output",
                                                            place / "model"], "model", files=3, resumes=True),
        # A finished training that is resumed only saves.
        Saving("saving a model", lambda place: heavy + ["--output", place / "model"], "model"),
        Kind("scoring to csv", scoring("many.csv", "model", "scores.csv"), "scores.csv"),
        Kind("scoring to npy", scoring("many.csv", "model", "scores.npy"), "scores.npy"),
        Kind("scoring a fleet to csv", scoring("many_fleet.csv", "fleet", "scores.csv"), "scores.csv"),
    ]


def main():
    chosen = options(__doc__, kills=100)
    command, randomness, totals = Command(chosen.command), random.Random(chosen.seed), []
    try:
        with folder() as name:
            base = pathlib.Path(name)
            make_tables(command, base)
            for kind in kinds(command, base):
                run_kind(command, kind, chosen.kills, randomness, totals)
    except Failed as failure:
        print(f"FAILED: {failure}")
        return 1
    print("| killed while | kills | with a checkpoint | left a temporary file | lost, half written or other bits |")
    print("|---|---|---|---|---|")
    for row in totals:
        print("| " + " | ".join(map(str, row)) + " | 0 |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
