#!/usr/bin/env python3
"""What a fleet of many groups costs to open, to take one group out of, and to score mixed rows with. One JSON line.

  bench/scale_fleet.py --cugad build/cpu/cugad --library build/cpu/libcugad.so FLEET TABLE

FLEET is a model file of `cugad train --group-by`, TABLE a csv whose first column is the group. Times are processor time (user and system,
of all threads), which other programs disturb little, and the least of several rounds:

  open_ms     cugad_fleet_load() of the C interface, the file being in the page cache
  extract_ms  cugad_fleet_take_out(), on average over groups that were not used before
  score       the command `cugad score`, from the table to the scores: seconds, rows a second of two processors that do nothing else, and
              the most memory that the process held
"""
import argparse
import ctypes
import json
import os
import tempfile
import time


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.cugad_last_error.restype = ctypes.c_char_p
        self.device = ctypes.c_void_p()
        self.call("cugad_device_open_with_threads", b"cpu", ctypes.c_int32(1), ctypes.byref(self.device))

    def call(self, name, *arguments):
        if getattr(self.c, name)(*arguments) != 0:
            raise RuntimeError(self.c.cugad_last_error().decode())

    def open(self, path):
        fleet = ctypes.c_void_p()
        start = time.process_time()
        self.call("cugad_fleet_load", self.device, path.encode(), ctypes.byref(fleet))
        return fleet, time.process_time() - start

    def close(self, fleet):
        self.c.cugad_fleet_destroy(fleet)

    def take_out(self, fleet, groups):
        detectors = [ctypes.c_void_p() for _ in groups]
        start = time.process_time()
        for group, detector in zip(groups, detectors):
            self.call("cugad_fleet_take_out", fleet, group.encode(), ctypes.byref(detector))
        spent = time.process_time() - start
        for detector in detectors:
            self.c.cugad_detector_destroy(detector)
        return spent / len(groups)


def score(command, fleet, table):
    """Seconds of processor time, and bytes of memory at most."""
    with tempfile.TemporaryDirectory() as folder:
        process = os.posix_spawn(command, [command, "score", table, "--model", fleet, "--output", f"{folder}/scores.npy",
                                           "--quiet"], os.environ)
        _, status, usage = os.wait4(process, 0)
    if status != 0:
        raise RuntimeError("cugad score failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fleet")
    parser.add_argument("table")
    parser.add_argument("--cugad", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with open(arguments.table, encoding="utf-8") as lines:
        next(lines)
        groups, rows = {}, 0
        for line in lines:
            groups[line.split(",", 1)[0]] = rows
            rows += 1
    library = Library(os.path.abspath(arguments.library))
    opened, taken = [], []
    for number in range(arguments.rounds):
        fleet, seconds = library.open(arguments.fleet)
        opened.append(seconds)
        taken.append(library.take_out(fleet, list(groups)[number::arguments.rounds][:200]))
        library.close(fleet)
    scored = [score(os.path.abspath(arguments.cugad), arguments.fleet, arguments.table) for _ in range(arguments.rounds)]
    seconds = min(one[0] for one in scored)
    print(json.dumps({"groups": len(groups), "file_mb": os.path.getsize(arguments.fleet) / 1e6, "open_ms": 1e3 * min(opened),
                      "extract_ms": 1e3 * min(taken), "rows": rows, "score_seconds": seconds, "rows_per_second": 2 * rows / seconds,
                      "score_memory_mb": max(one[1] for one in scored) / 1e6}))


if __name__ == "__main__":
    main()
