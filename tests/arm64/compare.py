#!/usr/bin/env python3
"""Compares the bits of op tests on two kinds of machines, by the hashes in their reports (--gtest_output=json:FILE).

compare.py --filter REPORT...    the ops of reports, as a filter of GoogleTest
compare.py REPORT REPORT...      the first machine's report, and those of the second's shards; the exit status is not 0 if
                                 a case that both ran has other bits
"""
import json
import sys


def cases(paths):
    """{(op, case): {device: hash}} of what ran."""
    found = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        for suite in report["testsuites"]:
            for test in suite["testsuite"]:
                if test["result"] == "COMPLETED":
                    found[suite["name"], test["name"]] = {key: value for key, value in test.items() if key.startswith("cpu:")}
    return found


def main():
    if sys.argv[1] == "--filter":
        print(":".join(sorted({f"{op}.*" for op, _ in cases(sys.argv[2:])})))
        return 0
    here, there = cases(sys.argv[1:2]), cases(sys.argv[2:])
    compared, different = 0, []
    for case in sorted(here.keys() & there.keys()):
        for name, bits in here[case].items():
            for other, other_bits in there[case].items():
                # The baseline, which rounds products, against itself; the others against each other.
                if (name == "cpu:baseline") != (other == "cpu:baseline"):
                    continue
                compared += 1
                if bits != other_bits:
                    different.append(f"{'.'.join(case)}: {name} and {other}")
    for line in different:
        print(line)
    print(f"{compared} results compared, {len(different)} with other bits")
    return 1 if different or compared == 0 else 0


sys.exit(main())
