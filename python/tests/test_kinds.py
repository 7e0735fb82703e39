"""Rows of every dtype, order and framework give the scores of the same numbers as float32 rows in C order, to the bit."""
import numpy as np
import pytest

import cugad
from cugad import _cugad

SEED = 3
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES = ["bool", *INTEGERS, "float16", "float32", "float64", "longdouble", ">i2", ">u4", ">i8", ">f2", ">f4", ">f8",
          "object"]


def numpy_orders(x):
    yield "C", np.ascontiguousarray(x)
    yield "Fortran", np.asfortranarray(x)
    yield "strided", np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    yield "negative strides", np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    yield "padded", np.concatenate([x, x], axis=1)[:, :x.shape[1]]
    yield "middle of three dimensions", np.stack([x, x, x], axis=1)[:, 1]
    if x.dtype != object:
        yield "read-only", np.frombuffer(x.tobytes(), dtype=x.dtype).reshape(x.shape)
        unaligned = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:].view(x.dtype).reshape(x.shape)
        unaligned[:] = x
        yield "unaligned", unaligned
    yield "list", x.tolist()


def columns_of(x):
    """Columns of the machine's own order of bytes, as tables have them."""
    own = x.dtype.newbyteorder("=")
    return {f"c{c}": np.ascontiguousarray(x[:, c]).astype(own) for c in range(x.shape[1])}


def pandas_orders(x):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    yield "columns", pandas.DataFrame(columns_of(x))
    yield "one block", pandas.DataFrame(x.astype(x.dtype.newbyteorder("=")), columns=list(columns_of(x)))
    yield "rows apart", pandas.DataFrame(columns_of(np.repeat(x, 2, axis=0)))[::2]
    if x.dtype.kind in "biu" or x.dtype.name in ("float32", "float64"):
        yield "of Arrow", pandas.DataFrame(columns_of(x)).convert_dtypes(dtype_backend="pyarrow")
        yield "nullable", pandas.DataFrame(columns_of(x)).convert_dtypes()


def polars_orders(x):
    polars = pytest.importorskip("polars")
    if x.dtype == np.float16 and not hasattr(polars, "Float16"):
        pytest.skip("this polars has no float16")
    frame = polars.DataFrame(columns_of(x))
    yield "columns", frame
    yield "chunks", polars.concat([frame[:7], frame[7:]], rechunk=False)
    yield "sliced", polars.concat([frame, frame])[len(x):]


def pyarrow_orders(x):
    pa = pytest.importorskip("pyarrow")
    table = pa.table(columns_of(x))
    yield "table", table
    yield "chunks", pa.concat_tables([table[:7], table[7:]])
    yield "sliced", pa.concat_tables([table, table]).combine_chunks()[len(x):]
    yield "reader", table.to_reader(max_chunksize=11)
    yield "batch", table.combine_chunks().to_batches()[0]
    yield "iterator", iter(table.to_batches(max_chunksize=9))


def duckdb_orders(x):
    duckdb = pytest.importorskip("duckdb")
    pa = pytest.importorskip("pyarrow")
    connection = duckdb.connect()
    relation = connection.from_arrow(pa.table(columns_of(x)))
    yield "relation", relation
    yield "query", relation.filter("true").select("c0", "c1", "c2", "c3")


def sparse_orders(x):
    sparse = pytest.importorskip("scipy.sparse")
    if x.dtype.newbyteorder("=") != x.dtype:
        pytest.skip("scipy.sparse keeps numbers in the machine's own order")
    for kind in ("csr_matrix", "csc_matrix", "coo_array", "csr_array", "lil_matrix", "bsr_array"):
        yield kind, getattr(sparse, kind)(x)


def torch_orders(x):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(np.ascontiguousarray(x))
    yield "contiguous", tensor
    yield "transposed", tensor.t().contiguous().t()
    yield "strided", tensor.repeat_interleave(2, 0)[::2]
    if x.dtype.kind == "f":
        yield "with gradient", tensor.clone().requires_grad_()
        yield "negative", torch._neg_view(-tensor)
        yield "bfloat16", tensor.bfloat16()


def jax_orders(x):
    jax = pytest.importorskip("jax.numpy")
    array = jax.asarray(x)
    yield "array", array
    yield "transposed", array.T.copy().T
    if x.dtype.kind == "f":
        yield "bfloat16", array.astype(jax.bfloat16)


FRAMEWORKS = {"numpy": (numpy_orders, set()), "pandas": (pandas_orders, {"longdouble", "object"}),
              "polars": (polars_orders, {"longdouble", "object"}),
              "pyarrow": (pyarrow_orders, {"longdouble", "object"}),
              "duckdb": (duckdb_orders, {"longdouble", "object", "float16", ">f2"}),
              "scipy.sparse": (sparse_orders, {"object", "float16"}),
              "torch": (torch_orders, {"longdouble", "object", "uint16", "uint32", "uint64", *DTYPES[13:]}),
              "jax": (jax_orders, {"longdouble", "object", *DTYPES[13:]})}
TABLES = ("pandas", "polars", "pyarrow", "duckdb")


@pytest.fixture(scope="module")
def whole():
    """Small whole numbers, which every dtype holds."""
    return np.random.default_rng(SEED).integers(0, 20, size=(120, 4)).astype(np.float32)


def scores_of(rows, binary=0):
    """The model's own scores of rows of float32 in C order."""
    model = _cugad.Detector('{"method": "knn"}')
    model.fit(rows, binary=binary)
    return model.score(rows)


@pytest.fixture(scope="module")
def expected(whole):
    """The scores of the numbers, and those of truth values: as numbers, and as the categories that tables make of them,
    two columns of 0 and 1 of which that of false comes first."""
    truth = whole % 2
    pairs = np.stack([1 - truth, truth], axis=-1).reshape(len(truth), -1)
    return {"numbers": scores_of(whole), "truth": scores_of(truth), "categories": scores_of(pairs, pairs.shape[1])}


def test_there_are_twenty_dtypes():
    assert len({np.dtype(dtype).str for dtype in DTYPES}) == len(DTYPES) == 20


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_dtype_order_and_framework_gives_the_same_bits(whole, expected, framework, dtype):
    orders, lacking = FRAMEWORKS[framework]
    if dtype in lacking:
        pytest.skip(f"{framework} has no {dtype}")
    given = (whole % 2 if dtype == "bool" else whole).astype(dtype)
    kind = "numbers" if dtype != "bool" else "categories" if framework in TABLES else "truth"
    for (name, X), (_, again) in zip(orders(given), orders(given)):  # iterators are read once
        detector = cugad.AnomalyDetector(method="knn").fit(X)
        found = detector.anomaly_score(again)
        assert found.dtype == np.float32 and (found == expected[kind]).all(), name
        if kind != "categories":  # the fit saw these numbers, and not others at the same distances
            assert (detector.anomaly_score(given.astype(np.float32)) == expected[kind]).all(), name


def test_broadcast_rows_give_the_same_bits(whole):
    fitted = cugad.AnomalyDetector(method="knn").fit(whole)
    repeated = np.broadcast_to(whole[:1], (9, 4))
    assert repeated.strides[0] == 0
    assert (fitted.anomaly_score(repeated) == fitted.anomaly_score(whole[:1])).all()
    constant = np.broadcast_to(whole[:9, :1], (9, 4))
    assert constant.strides[1] == 0
    assert (fitted.anomaly_score(constant) == fitted.anomaly_score(np.ascontiguousarray(constant))).all()
    zeroes = np.broadcast_to(np.float32(0), (9, 4))
    assert (fitted.anomaly_score(zeroes) == fitted.anomaly_score(np.zeros((9, 4)))).all()


def test_masked_cells_are_missing(whole):
    fitted = cugad.AnomalyDetector(method="knn").fit(whole)
    missing = np.array(whole[:3], np.float32)
    missing[:, 0] = np.nan
    for dtype in (np.float32, np.float64):
        masked = np.ma.masked_array(whole[:3].astype(dtype), mask=[[1, 0, 0, 0]] * 3)
        assert (fitted.anomaly_score(masked) == fitted.anomaly_score(missing)).all()
        unmasked = np.ma.masked_array(whole[:3].astype(dtype))
        assert (fitted.anomaly_score(unmasked) == fitted.anomaly_score(whole[:3])).all()


def test_thresholds_are_finite(whole):
    fitted = cugad.AnomalyDetector(method="knn").fit(whole)
    before = fitted.threshold_
    for wrong in (np.nan, np.inf, None):
        with pytest.raises(ValueError, match="expected a finite number"):
            fitted.threshold_ = wrong
    assert fitted.threshold_ == before
