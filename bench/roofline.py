#!/usr/bin/env python3
"""How near each benchmark comes to what the device allows, from the ceilings that the same run measured.

usage: bench/roofline.py FILE.json ...   (what cugad_bench --benchmark_out wrote; several files of one run count together)

A benchmark's share is that of the limit it is nearest to: its bytes/s over those of a large copy, or its flop/s over those
of a large matrix product in the same mode (on the CPU: of multiply-adds from registers). More than 100 % of the memory's rate:
the operands stayed in a cache, as they do on the CPU, where buffers do not rotate.
"""
import json
import re
import statistics
import sys

COUNTERS = ("query-iterations/s", "model-steps/s", "steps/s", "rows/s", "parameters/s", "queries/s", "numbers/s", "copies/s",
            "launches/s", "products/s")


def read_runs(path):
    """The runs of a file; of one that was cut short, those before the cut."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return json.loads(text)["benchmarks"]
    except json.JSONDecodeError:
        end = text.rfind("\n    },")
        return json.loads(text[:end] + "\n    }\n  ]\n}")["benchmarks"] if end >= 0 else []


def medians(runs):
    """Plain name -> counters: the median of the repetitions, or the one run. Failed runs: {"error": why}."""
    found, single = {}, {}
    for run in runs:
        name = run.get("run_name", run["name"]).replace("/real_time", "")
        if run.get("error_occurred"):
            found[name] = {"error": run.get("error_message", "failed")}
        elif run.get("run_type") == "aggregate":
            if run.get("aggregate_name") == "median":
                found.setdefault(name, run)
        else:
            single.setdefault(name, []).append(run)
    for name, several in single.items():
        if name not in found:
            numbers = {key for key, value in several[0].items() if isinstance(value, (int, float))}
            found[name] = {**several[0], **{key: statistics.median(run.get(key, 0) for run in several) for key in numbers}}
    return found


def mode_of(name):
    match = re.search(r"(?:_|/)(fp32|tf32|bf16)(?:/|$)", name)
    return match[1] if match else "fp32"


def compute_ceiling(found, mode):
    for name in (f"ceiling_matrix_{mode}", "fma_peak"):
        if name.startswith("ceiling") or not any(other.startswith("ceiling_matrix") for other in found):
            if "flop/s" in found.get(name, {}):
                return found[name]["flop/s"]
    return None


def shares(found):
    """Rows of name, unit, rate, share of the roofline (or None), limit."""
    copy = found.get("ceiling_copy", {}).get("bytes/s")
    rows = []
    for name, run in found.items():
        if "error" in run:
            rows.append({"name": name, "error": run["error"]})
            continue
        unit = next((counter for counter in COUNTERS if counter in run), "flop/s" if "flop/s" in run else None)
        limits = []
        if copy and "bytes/s" in run:
            limits.append((run["bytes/s"] / copy, "memory"))
        peak = compute_ceiling(found, mode_of(name))
        if peak and "flop/s" in run:
            limits.append((run["flop/s"] / peak, "arithmetic"))
        share, limit = max(limits, default=(None, None))
        rows.append({"name": name, "unit": unit, "rate": run.get(unit) if unit else None, "real_time": run["real_time"],
                     "time_unit": run["time_unit"], "share": share, "limit": limit, "label": run.get("label", "")})
    return rows


def as_markdown(rows):
    lines = ["| benchmark | rate | unit | time | of the roofline | limit |", "|---|---|---|---|---|---|"]
    for row in rows:
        if "error" in row:
            lines.append(f"| {row['name']} | failed: {row['error']} | | | | |")
            continue
        share = f"{100 * row['share']:.1f} %" if row["share"] is not None else ""
        rate = f"{row['rate']:.4g}" if row["rate"] is not None else ""
        name = f"{row['name']} ({row['label']})" if row["label"] else row["name"]
        lines.append(f"| {name} | {rate} | {row['unit'] or ''} | {row['real_time']:.4g} {row['time_unit']} | {share} | {row['limit'] or ''} |")
    return "\n".join(lines)


def bars(found):
    """The bars for an H200 that need no peer: rows of bar, value, wanted, met (None: not measured), and what the goal's row
    begins with in the table of predictions of docs/kernels.md."""
    def rate(name, counter):
        return found.get(name, {}).get(counter)

    def row(bar, value, wanted, goal):
        return {"bar": bar, "value": value, "wanted": wanted, "met": None if value is None else value >= wanted, "goal": goal}

    rows = [row("search, bf16, 262,144 rows: query-iterations/s", rate("latent_search_bf16/262144/2", "query-iterations/s"), 0.6e9, "search, bf16, mma.sync")]
    population = [rate(f"train_recorded_{mode}/256", "model-steps/s") for mode in ("fp32", "tf32", "bf16")]
    rows.append(row("population of 256: model-steps/s (best mode)", max((value for value in population if value), default=None), 2e5,
                    "population of 256"))
    copy, adam = rate("ceiling_copy", "bytes/s"), rate("adam/64000000/0", "bytes/s")
    rows.append(row("Adam on 256 MB: share of copy bandwidth", adam / copy if adam and copy else None, 0.85, "Adam"))
    for mode in ("fp32", "tf32", "bf16"):
        ratios = {}
        for name in found:
            if (match := re.fullmatch(rf"dense_forward/(1/(\d+)/\d+/\d+/{mode})", name)):
                ours, library = rate(name, "rows/s"), rate(f"library_dense/{match[1]}", "rows/s")
                if ours and library:
                    ratios[match[1]] = (ours / library, int(match[2]))
        for least, wanted, text, goal in ((0, 0.9, "every batch", "dense_forward"), (1, 1.0, "batch up to 4,096", "... ahead")):
            chosen = {key: value for key, (value, rows_) in ratios.items() if not least or rows_ <= 4096}
            worst = min(chosen, key=chosen.get, default=None)
            rows.append(row(f"dense_forward over cuBLASLt + activation, {mode}, {text}, worst shape {worst or '-'}",
                            chosen[worst] if worst else None, wanted, goal))
    return rows


def predictions(path):
    """Goal -> what docs/kernels.md predicts of it."""
    with open(path, encoding="utf-8") as file:
        section = file.read().split("## Predictions beside the goals", 1)[-1]
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {row[0]: row[1] for row in rows[2:] if len(row) > 1}


def beside_predictions(path, bars_found, peers):
    """A Markdown table of all that is predicted, or wanted, beside what was measured; `peers`: rows of bench/peers_gpu.py."""
    predicted = predictions(path)
    lines = ["| goal | predicted | measured | wanted |", "|---|---|---|---|"]
    told = set()
    ratios = [(row["measure"], row["ratio"], row["bar"], row["goal"]) for row in peers]
    for name, value, wanted, goal in [(row["bar"], row["value"], row["wanted"], row["goal"]) for row in bars_found] + ratios:
        key = next((key for key in predicted if goal and key.startswith(goal)), None)
        told.add(key)
        lines.append(f"| {name} | {predicted.get(key, '-')} | {'not measured' if value is None else f'{value:.4g}'} | {f'{wanted:.4g}' if wanted else '-'} |")
    lines += [f"| {key} | {text} | not measured | |" for key, text in predicted.items() if key not in told]
    return "\n".join(lines)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    found = {}
    for path in sys.argv[1:]:
        found.update({**medians(read_runs(path)), **found})
    print(as_markdown(shares(found)))


if __name__ == "__main__":
    main()
