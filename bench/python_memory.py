#!/usr/bin/env python3
"""Peak memory of reading a table for a fit, and of the fit, beside the size of the table.

  PYTHONPATH=build/cpu/python bench/python_memory.py [--rows 1000000] [--columns 30] [--steps 20] [--mapped]

Each table is fitted twice, in processes of their own that hold it: as a table, and as the float32 rows that the fit of
the table has made of it, which is what the fit itself holds. Columns of the result, in MiB:

  input    the Arrow buffers of the table
  source   of Parquet and of batches that are made on the way: the peak of reading them alone, without a detector
  rows     the float32 features, which every fit keeps while it trains
  read     the peak while the table is read, beyond the input or source and the rows; in brackets as a share of the table
  fit      the peak of the fit of the table, beyond that of the same rows as an array; likewise

A share under 15 % is the aim, for `read` and for `fit`.

With --mapped: fits of an array in a file of .npy that is mapped, without and with row_directory. `own` is the peak of
the memory that is the process's own, beyond that before the fit: pages of files are not in it.
"""
import argparse
import json
import subprocess
import sys
import threading

KINDS = ["float64", "float32", "float64 nulls text", "float32 nulls text", "parquet", "batches"]
MIB = 2**20


def status(field):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field + ":"))


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def make_table(kind, rows, columns, seed=0):
    import numpy as np
    import pyarrow as pa
    random = np.random.default_rng(seed)
    dtype = np.float32 if "float32" in kind else np.float64
    arrays = {}
    for c in range(columns):
        numbers = random.standard_normal(rows, dtype=np.float32).astype(dtype)
        nulls = random.random(rows, dtype=np.float32) < 0.1 if "nulls" in kind and c % 3 == 0 else None
        if "text" in kind and c == columns - 1:
            words = pa.array(["connect", "disconnect", "a longer name of a service", "ping"])
            arrays["text"] = words.take(pa.array(random.integers(0, 4, rows)))
        else:
            arrays[f"c{c}"] = pa.array(numbers, mask=nulls)
    return pa.table(arrays)


def measure_source(kind, make):
    """The peak of reading a source alone; of a table there is none."""
    from cugad._tables import parquet_pieces
    for _ in parquet_pieces(make()) if kind == "parquet" else make():
        pass
    return status("VmHWM")


def measure(kind, rows, columns, steps, form, folder):
    import numpy as np
    import cugad
    from cugad._tables import TableColumns, open_table
    detector = cugad.AnomalyDetector(method="anogan", steps=steps, population=1, bank_rows=200,
                                     random_state=1)
    detector.fit(np.random.default_rng(0).normal(size=(500, 3)))  # loads whatever is loaded once
    if kind == "parquet":
        import pyarrow.dataset
        make, size = lambda: f"{folder}/table.parquet", 0
    elif kind == "batches":
        make, size = lambda: (make_table("float64 text", count, columns, first) for first, count in
                              ((first, min(50_000, rows - first)) for first in range(0, rows, 50_000))), 0
    else:
        table = make_table(kind, rows, columns)
        make, size = lambda: table, table.nbytes / MIB
    forget_peak()
    before = status("VmRSS")
    if form == "source":
        print(json.dumps({"source": measure_source(kind, make) - before}))
        return
    as_rows = form == "rows"
    learnt, made = TableColumns.learn(open_table(make()))
    read = status("VmHWM") - before - made.nbytes / MIB
    given, features = (made, made.nbytes / MIB) if as_rows else (None, made.nbytes / MIB)
    del made, learnt
    if not as_rows:
        given = make()
    forget_peak()
    before = status("VmRSS") - (features if as_rows else 0)
    detector.fit(given)
    print(json.dumps({"input": size, "rows": features, "read": read, "fit": status("VmHWM") - before}))


def own_peak(call):
    """The largest size of memory that is no file's while call() runs."""
    sizes, ended = [status("RssAnon")], threading.Event()

    def look():
        while not ended.wait(.005):
            sizes.append(status("RssAnon"))
    watch = threading.Thread(target=look)
    watch.start()
    call()
    ended.set()
    watch.join()
    return max(sizes)


def measure_mapped(path, form, steps, folder):
    import numpy as np
    import cugad
    detector = cugad.AnomalyDetector(method="anogan", steps=steps, population=1, bank_rows=200, random_state=1)
    detector.fit(np.random.default_rng(0).normal(size=(500, 3)))  # loads whatever is loaded once
    given = np.load(path, mmap_mode="r")
    before = status("RssAnon")
    more = {"row_directory": folder} if form == "files" else {}
    print(json.dumps(own_peak(lambda: detector.fit(given, **more)) - before))


def compare_mapped(asked):
    import numpy as np
    print(f"{asked.rows:,} rows x {asked.columns} columns; MiB")
    print(f"{'array':10}{'file':>8}{'own':>8}{'own, row_directory':>20}")
    for kind in ("float32", "float64"):
        path = f"{asked.folder}/rows.npy"
        rows = np.lib.format.open_memmap(path, "w+", kind, (asked.rows, asked.columns))
        random = np.random.default_rng(0)
        for first in range(0, asked.rows, 100_000):
            rows[first:first + 100_000] = random.standard_normal((min(100_000, asked.rows - first), asked.columns))
        size = rows.nbytes / MIB
        del rows
        own = [json.loads(subprocess.run([sys.executable, __file__, "--steps", str(asked.steps), "--folder", asked.folder,
                                          "--one", path, form], check=True, stdout=subprocess.PIPE).stdout)
               for form in ("memory", "files")]
        print(f"{kind:10}{size:8.0f}{own[0]:8.0f}{own[1]:20.0f}")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--folder", default="/tmp")
    parser.add_argument("--mapped", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one and asked.one[1] in ("memory", "files"):
        measure_mapped(*asked.one, asked.steps, asked.folder)
        return 0
    if asked.mapped:
        return compare_mapped(asked)
    if asked.one:
        measure(asked.one[0], asked.rows, asked.columns, asked.steps, asked.one[1], asked.folder)
        return 0
    import pyarrow.parquet
    table = make_table("float64 text", asked.rows, asked.columns)
    whole = table.nbytes / MIB
    pyarrow.parquet.write_table(table, f"{asked.folder}/table.parquet", row_group_size=100_000)
    del table
    print(f"{asked.rows:,} rows x {asked.columns} columns; MiB")
    print(f"{'table':20}{'input':>8}{'source':>8}{'rows':>8}{'read':>16}{'fit':>16}")
    failed = 0
    for kind in asked.kinds.split(","):
        found = {}
        for form in ("table", "rows", *(["source"] if kind in ("parquet", "batches") else [])):
            command = [sys.executable, __file__, "--rows", str(asked.rows), "--columns", str(asked.columns), "--steps",
                       str(asked.steps), "--folder", asked.folder, "--one", kind, form]
            found[form] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        one = found["table"]
        size = one["input"] or whole
        fit = one["fit"] - found["rows"]["fit"]
        source = found.get("source", {"source": 0})["source"]
        read = one["read"] - source
        shares = [f"{beyond:8.0f} ({100 * beyond / size:3.0f} %)" for beyond in (read, fit)]
        print(f"{kind:20}{one['input']:8.0f}{source:8.0f}{one['rows']:8.0f}{shares[0]:>16}{shares[1]:>16}")
        failed += read > 0.15 * size or fit > 0.15 * size
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
