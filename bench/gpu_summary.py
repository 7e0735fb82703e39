"""The summaries that bench/gpu_check.sh writes, and how it reads the test programs."""
import json
import os
import re

import roofline


def count_tests(path, output):
    """From the program's report; of a program that died before it wrote one, the failures that it printed."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with open(path, encoding="utf-8") as file:
            suites = json.load(file)["testsuites"]
    except (OSError, ValueError):
        counts["failed"] = len(re.findall(r"^\[  FAILED  \] .*ms\)$", output, re.MULTILINE))
        return counts
    for suite in suites:
        for test in suite["testsuite"]:
            if test.get("failures"):
                counts["failed"] += 1
            elif test.get("result") == "SKIPPED" or test.get("status") == "NOTRUN":
                counts["skipped"] += 1
            else:
                counts["passed"] += 1
    return counts


def small_cases(listing, each):
    """Op -> names of some of its cases, from what --gtest_list_tests prints: evenly spaced among the third of the cases whose
    numbers are the smallest, the first of which may do nothing at all."""
    suites, suite = {}, None
    for line in listing.splitlines():
        if not line.startswith(" "):
            match = re.match(r"(?:test|exact)/(\w+)\.", line)
            plain = re.match(r"(search_paths|reconstruction_score)\.", line)  # the resident search, and rounded modes
            if match:
                suite = suites.setdefault(match[1], (line.split()[0], []))
            else:
                suite = plain and suites.setdefault(plain[1] + " (whole suite)", (line.split()[0], []))
        elif suite:
            suite[1].append(line.split()[0])

    def size(name):
        product = 1
        for number in re.findall(r"(?:^|,)(?:n|m|k|rows|columns|models|in|out|steps|bank|queries|width|d)=(\d+)", name):
            product *= int(number) + 1
        return product

    chosen = {}
    for op, (prefix, names) in sorted(suites.items()):
        if op.endswith("(whole suite)"):
            chosen[op] = [prefix + "*"]
            continue
        ordered = sorted(names, key=size)
        third = ordered[len(ordered) // 6:max(each, len(ordered) // 2)] or ordered
        chosen[op] = [prefix + third[i * (len(third) - 1) // max(1, each - 1)] for i in range(min(each, len(third)))]
    return chosen


def verdict(stage):
    return "FAILED" if not stage["ok"] else "not run" if stage.get("not_run") else "ok"


def outcome(result):
    """In one word or two, with what was not run."""
    if not result["ok"]:
        return "FAILED"
    left_out = [name for name, stage in result["stages"].items() if stage.get("not_run")]
    return "passed" + (f" (not run: {', '.join(left_out)})" if left_out else "")


def markdown(result):
    facts, stages = result["facts"], result["stages"]
    lines = [f"# {'Rehearsal without a GPU' if result['rehearsal'] else 'Check on a GPU'}, {result['date']}", "",
             f"GPU: {facts['gpu'] or 'none'}, {facts['memory'] or '-'}, driver {facts['driver'] or '-'}, CUDA compiler {facts['nvcc'] or 'none'}, "
             f"{facts['compiler']}, {facts['cores']} cores; architecture {result['architecture'] or '-'}; commit "
             f"{facts['commit'][:12]}{' with changes' if facts['changed_files'] else ''}. {result['seconds']} s, "
             f"{outcome(result)}.", "",
             "| stage | result | seconds | |", "|---|---|---|---|"]
    for name, stage in stages.items():
        lines.append(f"| {name} | {verdict(stage)} | {stage['seconds']} | {stage.get('why', '')} |")
    if "programs" in stages.get("tests", {}):
        lines += ["", "| test program | passed | failed | skipped | |", "|---|---|---|---|---|"]
        for name, entry in stages["tests"]["programs"].items():
            lines.append(f"| {name} | {entry['passed']} | {entry['failed']} | {entry['skipped']} | {entry.get('why', '')} |")
    sanitizers = stages.get("sanitizers", {})
    if "runs" in sanitizers:
        names = {True: [], False: []}
        for run in sanitizers["runs"]:
            if run.get("not_run") or not run["ok"]:
                names[run.get("not_run", False)].append(f"{run['op']} ({run['tool']})")
        lines += ["", f"compute-sanitizer: {len(sanitizers['runs']) - len(names[True])} runs, failed: {', '.join(names[False]) or 'none'}; "
                      f"not run: {', '.join(names[True]) or 'none'}."]
    if result.get("peers"):
        lines += ["", "| measure | cugad | PyTorch | ratio | bar | best form of PyTorch |", "|---|---|---|---|---|---|"]
        for row in result["peers"]:
            lines.append(f"| {row['measure']} | {row['cugad']:.4g} | {row['peer']:.4g} | {row['ratio']:.2f} | {row['bar'] or '-'} | {row['form']} |")
    if result.get("benchmarks"):
        lines += ["", roofline.as_markdown(result["benchmarks"])]
    for name, stage in stages.items():
        for entry in [stage, *stage.get("programs", {}).values(), *stage.get("runs", []), *stage.get("unfinished", [])]:
            if not entry.get("ok", False) and entry.get("output"):
                label = entry.get("op") or entry.get("group") or name
                lines += ["", f"## Output of {label}", "", "```", entry["output"].strip(), "```"]
    if result.get("predictions"):
        lines += ["", "## Predicted beside measured", "", "Predictions are of an H200.", "", result["predictions"]]
    return "\n".join(lines) + "\n"


def write(folder, result):
    """Writes both files; returns their common name."""
    os.makedirs(folder, exist_ok=True)
    chip = re.sub(r"[^a-z0-9]+", "-", (result["facts"]["gpu"] or "rehearsal").lower()).strip("-")
    name = os.path.join(folder, f"{result['date'][:10]}-{chip}")
    with open(name + ".json", "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    with open(name + ".md", "w", encoding="utf-8") as file:
        file.write(markdown(result))
    return name
