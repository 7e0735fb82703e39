"""Rows of any kind: arrays, tensors, sparse matrices, tables."""
import ctypes
import json
import subprocess
import os
import warnings
import weakref

import numpy as np
import pytest

import cugad
from cugad._rows import to_rows


def test_float32_rows_are_not_copied(rows):
    assert to_rows(rows) is rows
    padded = np.concatenate([rows, rows], axis=1)[:, :5]
    assert to_rows(padded).__array_interface__["data"][0] == padded.__array_interface__["data"][0]
    torch_like = type("Tensor", (), {"__dlpack__": lambda self, **_: rows.__dlpack__(),
                                     "__dlpack_device__": lambda self: rows.__dlpack_device__()})()
    assert to_rows(torch_like).__array_interface__["data"][0] == rows.__array_interface__["data"][0]


def test_scoring_reads_the_memory_of_float32_rows(rows, fitted, monkeypatch):
    """anomaly_score and score_samples hand the model the caller's own memory, whatever its owner."""
    seen = []

    class Watched:
        def score(self, given, *further):
            seen.append(given.__array_interface__["data"][0])
            return np.zeros(len(given), dtype=np.float32)

    monkeypatch.setattr(fitted, "_model", Watched())
    address = rows.__array_interface__["data"][0]
    for given in (rows, memoryview(rows), np.frombuffer(rows.tobytes(), dtype=np.float32).reshape(rows.shape)):
        seen.clear()
        fitted.anomaly_score(given)
        fitted.score_samples(given)
        assert seen == 2 * [np.asarray(given).__array_interface__["data"][0]]
    assert seen[0] != address


class TensorOfPytorch:
    """As PyTorch's tensors: DLPack takes neither gradients nor a sign that a view leaves open, and numpy no bfloat16."""

    def __init__(self, rows, dtype="torch.float32", is_open=False):
        self.rows, self.dtype, self.is_open = rows, dtype, is_open

    def detach(self):
        return TensorOfPytorch(self.rows, self.dtype, self.is_open)

    def resolve_neg(self):
        return TensorOfPytorch(-self.rows if self.is_open else self.rows, self.dtype)

    def bfloat16(self):
        return TensorOfPytorch(self.rows, "torch.bfloat16", self.is_open)

    def float(self):
        return self.rows

    def __dlpack_device__(self):
        return self.rows.__dlpack_device__()

    def __dlpack__(self, **keywords):
        if self.dtype == "torch.bfloat16":
            raise BufferError("numpy has no such dtype")
        return self.rows.__dlpack__(**keywords)


def test_tensors_as_those_of_pytorch(rows, fitted):
    expected = fitted.anomaly_score(rows)
    assert (fitted.anomaly_score(TensorOfPytorch(-rows, is_open=True)) == expected).all()
    assert (fitted.anomaly_score(TensorOfPytorch(rows).bfloat16()) == expected).all()


class TensorElsewhere:
    """A tensor of DLPack that says that its memory is that of a GPU; nobody reads it."""

    def __init__(self, rows, device=(2, 0), dtype="torch.float32"):
        self.rows, self.device, self.shape, self.dtype = np.ascontiguousarray(rows), device, rows.shape, dtype

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **_):
        class Tensor(ctypes.Structure):
            _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
                        ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                        ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64),
                        ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]

        self.sizes = (ctypes.c_int64 * 2)(*self.shape)
        self.tensor = Tensor(self.rows.ctypes.data, self.device, 2, 2, 32, 1, ctypes.addressof(self.sizes), None, 0,
                             None, None)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.tensor), b"dltensor", None)


def test_tensors_of_a_gpu_need_a_detector_there(rows, fitted):
    tensor = TensorElsewhere(rows)
    with pytest.raises(ValueError, match="X is in memory of cuda:0, expected .* the detector's device, which is cpu"):
        fitted.anomaly_score(tensor)
    with pytest.raises(ValueError, match="X is in memory of cuda:1"):
        fitted.anomaly_score(TensorElsewhere(rows, device=(2, 1)))
    with pytest.raises(ValueError, match="X is in memory of cuda:0"):
        cugad.AnomalyDetector(method="knn").fit(tensor)
    with pytest.raises(ValueError, match="contamination is 0.1 and X on a GPU"):
        cugad.AnomalyDetector(method="knn", contamination=0.1).fit(tensor)
    with pytest.raises(ValueError, match="float64, expected .* of float32"):
        fitted.anomaly_score(TensorElsewhere(rows, dtype="torch.float64"))
    with pytest.raises(ValueError, match="X has 4 features"):
        fitted.anomaly_score(TensorElsewhere(rows[:, :4]))
    with pytest.raises(ValueError, match="only fit and anomaly_score take tensors of a GPU"):
        fitted.explain(tensor)
    with pytest.raises(ValueError, match="device .8, 0. of DLPack, expected memory of the CPU"):
        fitted.anomaly_score(TensorElsewhere(rows, device=(8, 0)))


@pytest.mark.parametrize("given, message", [
    (np.zeros((0, 5)), r"0 sample\(s\)"), (np.zeros((5, 0)), r"0 feature\(s\)"), (np.zeros(5), "Expected 2D array"),
    (np.zeros((2, 2, 2)), "dim 3"), (np.array(1.0), "scalar"), (np.full((3, 5), np.inf), "infinity"),
    (np.full((3, 5), 1e300), "too large"), (np.zeros((3, 5), dtype=complex), "Complex"),
    (np.zeros((3, 5), dtype="M8[s]"), "Dates"), (np.array([["a"] * 5]), "could not convert"),
    (np.zeros((3, 4)), "X has 4 features, but AnomalyDetector is expecting 5"),
])
def test_wrong_arrays_are_value_errors(fitted, given, message):
    with pytest.raises(ValueError, match=message):
        fitted.anomaly_score(given)
    if "expecting" not in message:
        with pytest.raises(ValueError, match=message):
            cugad.AnomalyDetector(method="knn").fit(given)


def test_missing_cells_are_allowed(fitted, rows):
    holed = rows[:5].copy()
    holed[:, 1] = np.nan
    assert np.isfinite(fitted.anomaly_score(holed)).all()
    assert np.isnan(fitted.anomaly_score(np.full((1, 5), np.nan))).all()
    assert fitted.predict(np.full((1, 5), np.nan)) == [-1]


# ---- Tables ----

def columns_of(count=300, seed=4):
    random = np.random.default_rng(seed)
    service = random.choice(["http", "ssh", "a service with a longer name"], size=count)
    return {"load": random.normal(size=count).round(3), "service": service.tolist(),
            "errors": random.integers(0, 5, size=count), "busy": random.random(count) > 0.5}


def frames():
    """Functions that make a table of every kind that is installed from columns."""
    makers = {}
    try:
        import pyarrow as pa
        makers["pyarrow"] = pa.table
        makers["pyarrow chunks"] = lambda columns: pa.concat_tables(
            [pa.table(columns).slice(0, 7), pa.table(columns).slice(7, 0), pa.table(columns).slice(7)])
        makers["pyarrow reader"] = lambda columns: pa.table(columns).to_reader(max_chunksize=11)
        makers["pyarrow dictionary"] = lambda columns: pa.table(
            {name: pa.array(cells).dictionary_encode() if isinstance(cells, list) else cells
             for name, cells in columns.items()})
        import pandas
        makers["pandas"] = pandas.DataFrame
        makers["pandas categorical"] = lambda columns: pandas.DataFrame(columns).astype({"service": "category"})
    except ImportError:
        pass
    try:
        import duckdb
        makers["duckdb"] = lambda columns: duckdb.from_arrow(makers["pyarrow"](columns))
    except ImportError:
        pass
    try:
        import polars
        makers["polars"] = polars.DataFrame
        makers["polars categorical"] = lambda columns: polars.DataFrame(columns).cast({"service": polars.Categorical})
    except ImportError:
        pass
    return makers


FRAMES = frames()


@pytest.fixture(scope="module")
def of_table():
    if not FRAMES:
        pytest.skip("neither pyarrow nor polars is installed")
    return cugad.AnomalyDetector(method="knn").fit(next(iter(FRAMES.values()))(columns_of()))


@pytest.mark.parametrize("kind", FRAMES)
def test_tables_of_every_library_give_the_same_bits(of_table, kind):
    make = FRAMES[kind]
    table = make(columns_of())
    detector = cugad.AnomalyDetector(method="knn").fit(table)
    assert detector.columns_ == ["load", "errors", "service=a service with a longer name", "service=http",
                                 "service=ssh", "busy=false", "busy=true"]
    assert list(detector.feature_names_in_) == ["load", "service", "errors", "busy"] and detector.n_features_in_ == 4
    new = columns_of(seed=5)
    assert (detector.anomaly_score(make(new)) == of_table.anomaly_score(FRAMES["pyarrow"](new))).all()


def test_cells_by_the_rule_of_tables():
    pa = pytest.importorskip("pyarrow")
    import datetime
    import decimal
    count = 60
    random = np.random.default_rng(6)
    numbers = random.normal(size=count).round(2)
    cells = {
        "float": numbers, "holes": [None if i % 7 == 0 else float(x) for i, x in enumerate(numbers)],
        "decimal": [decimal.Decimal(str(x)) for x in numbers],
        "negative": pa.array([decimal.Decimal(-i) / 4 for i in random.permutation(count).tolist()],
                             pa.decimal128(10, 2)),
        "half": pa.array(numbers.astype(np.float16)),
        "duration": pa.array([datetime.timedelta(seconds=float(abs(x))) for x in numbers]),
        "code": pa.array(random.integers(0, 3, size=count)).dictionary_encode(),
        "word": ["a" if i % 3 else None for i in range(count)],
        "large": pa.array([["x", "y"][i % 2] for i in range(count)], pa.large_string()),
        "date": pa.array([datetime.date(1960, 1, 1) + datetime.timedelta(days=37 * i) for i in range(count)]),
        "moment": pa.array([datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=7 * i) for i in range(count)]),
        "clock": pa.array([datetime.time(i % 24, i % 60) for i in range(count)]),
        "nothing": pa.nulls(count),
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector = cugad.AnomalyDetector(method="knn").fit(pa.table(cells))
    assert detector.columns_ == ["float", "holes", "decimal", "negative", "half", "duration", "code=0", "code=1",
                                 "code=2", "word=a", "large=x", "large=y"]
    texts = "\n".join(str(one.message) for one in caught)
    for name in ("date", "moment", "clock", "nothing"):
        assert f"column '{name}' is left out" in texts
    assert "1960-01-01" in texts or "dates or times" in texts
    assert "include=['date']" in texts and "--" not in texts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        included = cugad.AnomalyDetector(method="knn", include=["date"]).fit(pa.table(cells))
    assert "date=1960-01-01" in included.columns_
    assert np.isfinite(detector.anomaly_score(pa.table(cells))).all()


def test_other_kinds_of_columns_are_refused():
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(NotImplementedError, match="column 'lists' is of Arrow's kind"):
        cugad.AnomalyDetector().fit(pa.table({"lists": [[1], [2, 3]]}))
    with pytest.raises(ValueError, match="row 2, column .x.: found an infinite number"):
        cugad.AnomalyDetector().fit(pa.table({"x": [1.0, 2.0, float("inf")] * 9, "y": [1.0, 3.0, 7.0] * 9}))
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        cugad.AnomalyDetector().fit(pa.table({"x": pa.array([], pa.float64())}))


def test_names_of_columns(of_table):
    pandas = pytest.importorskip("pandas")
    columns = columns_of()
    frame = pandas.DataFrame(columns)
    with pytest.raises(ValueError, match="must be in the same order"):
        of_table.predict(frame[["service", "load", "errors", "busy"]])
    with pytest.raises(ValueError, match="yet now missing:\n- load"):
        of_table.predict(frame.drop(columns="load"))
    with pytest.raises(ValueError, match="columns of text"), pytest.warns(UserWarning, match="valid feature names"):
        of_table.predict(np.zeros((3, 4)))
    numbers = pandas.DataFrame({"a": columns["load"], "b": columns["errors"]})
    detector = cugad.AnomalyDetector(method="knn").fit(numbers)
    with pytest.warns(UserWarning, match="valid feature names"):
        assert (detector.anomaly_score(numbers.to_numpy()) == detector.anomaly_score(numbers)).all()
    of_array = cugad.AnomalyDetector(method="knn").fit(numbers.to_numpy())
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        assert (of_array.anomaly_score(numbers) == detector.anomaly_score(numbers)).all()
    with pytest.raises(ValueError, match="holds text"), pytest.warns(UserWarning):
        of_array.anomaly_score(frame[["load", "service"]])
    unnamed = cugad.AnomalyDetector(method="knn").fit(numbers.set_axis([0, 1], axis=1))
    assert not hasattr(unnamed, "feature_names_in_")
    with pytest.raises(TypeError, match="string names"):
        cugad.AnomalyDetector(method="knn").fit(numbers.set_axis(["a", 1], axis=1))


def test_parquet_and_iterators(of_table, tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pa.table(columns_of(seed=5))
    expected = of_table.anomaly_score(table)
    parquet.write_table(table.slice(0, 100), tmp_path / "0.parquet")
    parquet.write_table(table.slice(100), tmp_path / "1.parquet")
    assert (of_table.anomaly_score(tmp_path) == expected).all()
    assert (of_table.anomaly_score(str(tmp_path / "0.parquet")) == expected[:100]).all()
    assert (of_table.anomaly_score(table.slice(first, 50) for first in range(0, 300, 50)) == expected).all()
    assert (cugad.AnomalyDetector(method="knn").fit(tmp_path).anomaly_score(table) ==
            cugad.AnomalyDetector(method="knn").fit(table).anomaly_score(table)).all()
    with pytest.raises(ValueError, match="without rows"):
        of_table.anomaly_score(iter([]))
    of_batches = cugad.AnomalyDetector(method="knn").fit(iter(table.to_batches(max_chunksize=7)))
    assert (of_batches.anomaly_score(iter(table.to_batches(max_chunksize=11))) ==
            cugad.AnomalyDetector(method="knn").fit(table).anomaly_score(table)).all()
    parquet.write_table(table.select(["load"]), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match="2.parquet has other columns than .*0.parquet"):
        of_table.anomaly_score(tmp_path)
    with pytest.raises(OSError):
        of_table.anomaly_score(tmp_path / "nosuch.parquet")
    with pytest.raises(ValueError, match="table 1 of the iterator has other columns than table 0"):
        of_table.anomaly_score(iter([table, pa.table({"load": ["text"]})]))
    broken = pa.RecordBatchReader.from_batches(table.schema, [table.select(["load"]).to_batches()[0]])
    with pytest.raises(ValueError, match="a batch of 1 columns, expected 4"):
        of_table.anomaly_score(broken)


def test_broken_objects_are_refused(rows, fitted):
    def make(**methods):
        return type("Broken", (), methods)()

    def fail(*_, **__):
        raise RuntimeError("is broken")

    def wrong(name, given, kind=ValueError):
        for call in (fitted.anomaly_score, cugad.AnomalyDetector(method="knn").fit):
            with pytest.raises(kind, match=name):
                call(given())

    wrong("Expected 2D array, got scalar", lambda: make())
    wrong("is broken", lambda: make(__array__=fail), RuntimeError)
    wrong("Broken. gives no rows by DLPack: is broken",
          lambda: make(__dlpack__=fail, __dlpack_device__=lambda self: (1, 0)))
    wrong("is broken", lambda: make(__arrow_c_stream__=fail), RuntimeError)
    wrong("of Broken returns int, expected a PyCapsule", lambda: make(__arrow_c_stream__=lambda self: 3))
    pa = pytest.importorskip("pyarrow")
    wrong("table 0 of the iterator is of type int, expected a table", lambda: iter([1]))
    wrong("late", lambda: (pa.table({f"{c}": rows[:, c] for c in range(5)}) if part == 0 else {}["late"]
                           for part in range(2)), KeyError)


def test_a_table_is_read_in_pieces_for_a_fit():
    """A fit holds a table's features, not the table: much memory is that of one piece."""
    pa = pytest.importorskip("pyarrow")
    from cugad._tables import TableColumns, open_table
    numbers = np.random.default_rng(9).normal(size=(50_000, 8))
    rows = numbers.astype(np.float32)
    pieces = (pa.table({str(c): numbers[first:first + 1000, c] for c in range(8)}) for first in range(0, 50_000, 1000))
    alive, tables = [], []

    def watched():
        for piece in pieces:
            tables.append(weakref.ref(piece))
            alive.append(sum(table() is not None for table in tables))
            yield piece

    _, learnt = TableColumns.learn(open_table(watched()))
    assert len(alive) == 50 and max(alive) <= 3
    assert learnt.dtype == np.float32 and (learnt == rows).all()


def test_roles_of_columns():
    pa = pytest.importorskip("pyarrow")
    columns = columns_of()
    detector = cugad.AnomalyDetector(method="knn", categorical=["errors"], exclude=["load"]).fit(pa.table(columns))
    assert "errors=3" in detector.columns_ and "load" not in detector.columns_
    with pytest.raises(ValueError, match="max_categories"):
        cugad.AnomalyDetector(max_categories=2).fit(pa.table(columns))
    with pytest.raises(ValueError, match="nosuch"):
        cugad.AnomalyDetector(exclude=["nosuch"]).fit(pa.table(columns))


def test_large_numbers_keep_their_differences():
    pa = pytest.importorskip("pyarrow")
    random = np.random.default_rng(8)
    base = 1.7e9
    columns = {"counter": base + random.normal(size=200).round(3), "x": random.normal(size=200)}
    detector = cugad.AnomalyDetector(method="gain", steps=50, population=1).fit(pa.table(columns))
    near = base + np.array([-3.0, 0.0, 3.0])
    assert len(set(detector.anomaly_score(pa.table({"counter": near, "x": np.zeros(3)})))) == 3
    filled, low, high = detector.fill(pa.table({"counter": [None, base], "x": [0.0, 0.0]}, schema=pa.schema(
        [("counter", pa.float64()), ("x", pa.float64())])))
    assert abs(filled[0, 0] - base) < 300
    reason = detector.explain(pa.table({"counter": [base + 50], "x": [0.0]}), 1)[0][0]
    assert reason.column == "counter" and abs(reason.low - base) < 10


def test_models_go_to_the_command_and_back(tmp_path):
    pandas = pytest.importorskip("pandas")
    command = os.environ.get("CUGAD_COMMAND")
    frame = pandas.DataFrame({name: cells for name, cells in columns_of().items() if name != "busy"})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    detector = cugad.AnomalyDetector(method="knn").fit(frame)
    detector.save(tmp_path / "python.safetensors")
    loaded = cugad.AnomalyDetector.load(tmp_path / "python.safetensors")
    assert (loaded.anomaly_score(frame) == detector.anomaly_score(frame)).all()
    assert list(loaded.feature_names_in_) == list(frame.columns)
    if not command:
        pytest.skip("CUGAD_COMMAND, the path of the command, is not set")
    run = lambda *words: subprocess.run([command, *map(str, words)], check=True, capture_output=True, text=True).stdout
    scored = run("score", tmp_path / "rows.csv", "--model", tmp_path / "python.safetensors").split()[1:]
    assert np.allclose([float(score) for score in scored], detector.anomaly_score(frame), rtol=1e-6)
    run("train", tmp_path / "rows.csv", "--method", "knn", "--output", tmp_path / "command.safetensors", "--quiet")
    of_command = cugad.AnomalyDetector.load(tmp_path / "command.safetensors")
    reordered = frame[frame.columns[::-1]].assign(more=1)
    assert (of_command.anomaly_score(reordered) == detector.anomaly_score(frame)).all()
    assert of_command.method == "knn" and json.loads(of_command._model.options)["seed"] == of_command.random_state


def test_the_command_reads_parquet_or_says_what_to_do(tmp_path):
    """The command gives the scores of Python, where it was built with Arrow's C++ library."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    command = os.environ.get("CUGAD_COMMAND")
    if not command:
        pytest.skip("CUGAD_COMMAND, the path of the command, is not set")
    table = pa.table(columns_of()).append_column("label", pa.array([0, 1] * 150))
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=70)
    run = lambda *words: subprocess.run([command, *map(str, words)], capture_output=True, text=True)
    trained = run("train", tmp_path / "rows.parquet", "--method", "knn", "--label-column", "label", "--normal", "1",
                  "--output", tmp_path / "model", "--quiet")
    if trained.returncode != 0:
        assert trained.stderr.count("\n") == 1 and "is a Parquet file, which this build does not read" in trained.stderr
        assert not (tmp_path / "model").exists()
        pytest.skip("the command was built without Arrow's C++ library")
    detector = cugad.AnomalyDetector(method="knn").fit(table.drop(["label"]).take(list(range(1, 300, 2))))
    loaded = cugad.AnomalyDetector.load(tmp_path / "model")
    assert (loaded.anomaly_score(table) == detector.anomaly_score(table.drop(["label"]))).all()
    scored = run("score", tmp_path / "rows.parquet", "--model", tmp_path / "model").stdout.split()[1:]
    assert np.allclose([float(score) for score in scored], loaded.anomaly_score(table), rtol=1e-6)
    judged = run("evaluate", tmp_path / "rows.parquet", "--model", tmp_path / "model", "--label-column", "label",
                 "--normal", "1")
    assert judged.returncode == 0 and "auroc" in judged.stdout
    (tmp_path / "damaged.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:500])
    damaged = run("score", tmp_path / "damaged.parquet", "--model", tmp_path / "model")
    assert damaged.returncode != 0 and damaged.stderr.count("\n") == 1 and "damaged.parquet" in damaged.stderr


def test_damaged_model_files(tmp_path):
    (tmp_path / "model").write_bytes(b"nonsense" * 9)
    with pytest.raises(ValueError):
        cugad.AnomalyDetector.load(tmp_path / "model")
    with pytest.raises(OSError):
        cugad.AnomalyDetector.load(tmp_path / "nosuch")
