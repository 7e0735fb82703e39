"""cugad beside PyTorch on a GPU: runs torch_gpu.py and sets its best forms beside the product's medians."""
import json
import os
import re
import subprocess
import time

# measure, the product's benchmark, its counter, what the peer's lines begin with, the batch that is wanted there, bar, and what
# the goal's row begins with in the table of predictions of docs/kernels.md.
# The peer's best form counts: eager, as a graph or compiled, in whatever precision it offers for that measure.
MEASURES = [
    ("search query-iterations/s, bf16, 262,144 rows", "latent_search_bf16/262144/2", "query-iterations/s", r"latent_search fm batch (\d+) ", 262144, 3.0, "3 x PyTorch at 262,144"),
    ("search query-iterations/s, bf16, 1,024 rows", "latent_search_bf16/1024/2", "query-iterations/s", r"latent_search fm batch (\d+) ", 1024, 10.0, "10 x PyTorch at 1,024"),
    ("search query-iterations/s, fp32, 262,144 rows", "latent_search_fp32/262144/2", "query-iterations/s", r"latent_search fm batch (\d+) fp32 ", 262144, None, None),
    ("population of 256, model-steps/s, tf32", "train_recorded_tf32/256", "model-steps/s", r"population (\d+) batch 50 ", 256, 20.0, "20 x PyTorch"),
    ("population of 1,024, model-steps/s, tf32", "train_recorded_tf32/1024", "model-steps/s", r"population (\d+) batch 50 ", 1024, None, None),
    ("scores through an encoder, rows/s, bf16", "reconstruction_score_bf16/1048576", "rows/s", r"score egbad (\d+) rows ", 1048576, 3.0, "scoring 3 x"),
    ("training steps/s, batch 50, fp32", "train_recorded_fp32/1", "model-steps/s", r"train_step anogan batch (\d+) ", 50, None, None),
    ("training steps/s, batch 1,024, fp32", "train_recorded_batch_1024_fp32/1", "model-steps/s", r"train_step anogan batch (\d+) ", 1024, None, None),
]
PARTS = ("population", "search", "score", "train")


def run_peer(folder, python, seconds):
    """Lines of torch_gpu.py, part by part; a part that takes too long gives what it printed so far."""
    lines, messages = [], []
    end = time.monotonic() + seconds
    for number, part in enumerate(PARTS):
        limit = max(5.0, (end - time.monotonic()) / (len(PARTS) - number))
        command = [python, "-u", os.path.join(os.path.abspath(folder), "torch_gpu.py"), "--only", part]
        try:
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=limit, check=False,
                                  env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
            output, error = done.stdout, done.stderr.decode(errors="replace") if done.returncode else ""
        except subprocess.TimeoutExpired as expired:
            output, error = expired.stdout or b"", f"stopped after {limit:.0f} s"
        if error:
            messages.append(f"torch_gpu.py --only {part}: {error.strip().splitlines()[-1]}")
        for line in output.decode(errors="replace").splitlines():
            try:
                entry = json.loads(line)
                lines.append((entry["what"], entry["rate"], entry["why"]))
            except (ValueError, KeyError, TypeError):
                messages.append(f"line not understood: {line[:120]}")
    return lines, messages


def best_of(lines, pattern, wanted):
    """The fastest form at the wanted size, or else at the two sizes beside it, whichever is faster: (rate, what)."""
    sizes = {}
    for what, rate, _ in lines:
        match = re.match(pattern, what)
        if match and rate:
            sizes.setdefault(int(match[1]), []).append((rate, what))
    beside = [wanted] if wanted in sizes else [size for size in (max((s for s in sizes if s < wanted), default=None),
                                                                 min((s for s in sizes if s > wanted), default=None)) if size]
    return max((entry for size in beside for entry in sizes[size]), default=None)


def ratios(medians, lines):
    rows, messages = [], []
    known = [pattern for _, _, _, pattern, _, _, _ in MEASURES]
    for what, rate, why in lines:
        if rate is None:
            messages.append(f"PyTorch did not run: {what}: {why}")
        elif not any(re.match(pattern, what) for pattern in known):
            messages.append(f"no such measure here: {what}")
    for measure, benchmark, counter, pattern, wanted, bar, goal in MEASURES:
        ours, theirs = medians.get(benchmark, {}).get(counter), best_of(lines, pattern, wanted)
        if ours and theirs:
            rows.append({"measure": measure, "cugad": ours, "peer": theirs[0], "ratio": ours / theirs[0], "bar": bar, "form": theirs[1], "goal": goal})
        else:
            messages.append(f"not compared: {measure}: {'the benchmark is missing' if not ours else 'PyTorch has no such line'}")
    return rows, messages


def compare(medians, folder, python, seconds):
    lines, messages = run_peer(folder, python, seconds)
    rows, more = ratios(medians, lines)
    return rows, messages + more


def report(rows, messages):
    print(f"{'measure':50} {'cugad':>10} {'PyTorch':>10} {'ratio':>7} {'bar':>5}  best form of PyTorch")
    for row in rows:
        bar = f"{row['bar']:.0f}" if row["bar"] else "-"
        print(f"{row['measure']:50} {row['cugad']:10.4g} {row['peer']:10.4g} {row['ratio']:7.2f} {bar:>5}  {row['form']}")
    for message in messages:
        print(message)
