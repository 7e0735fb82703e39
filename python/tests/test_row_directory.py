"""Fits whose rows lie in files: the bits of a fit in memory."""
import numpy as np
import pytest

import cugad
from cugad import _rows

QUICK = {"method": "gain", "steps": 20, "population": 1, "generator_hidden": [8], "discriminator_hidden": [8],
         "random_state": 3}


def rows_with_gaps(count=_rows.CHUNK_ROWS + 100):
    random = np.random.default_rng(0)
    rows = random.normal(size=(count, 4)).astype(np.float32)
    rows[random.random(rows.shape) < 0.05] = np.nan
    return rows


def file_of(detector, path):
    detector.save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def rows():
    return rows_with_gaps()


@pytest.fixture(scope="module")
def in_memory(rows, tmp_path_factory):
    return file_of(cugad.AnomalyDetector(**QUICK).fit(rows), tmp_path_factory.mktemp("memory") / "model")


def mapped(rows, folder):
    np.save(folder / "rows.npy", rows)
    return np.load(folder / "rows.npy", mmap_mode="r")


FORMS = {
    "mapped": lambda rows, folder: mapped(rows, folder),
    "mapped float64": lambda rows, folder: mapped(rows.astype(np.float64), folder),
    "mapped columns": lambda rows, folder: mapped(np.asfortranarray(rows), folder),
    "array": lambda rows, folder: rows,
}


@pytest.mark.parametrize("form", FORMS)
def test_gives_the_bits_of_a_fit_in_memory(rows, in_memory, form, tmp_path):
    given, kept = FORMS[form](rows, tmp_path), tmp_path / "kept"
    kept.mkdir()
    detector = cugad.AnomalyDetector(**QUICK).fit(given, row_directory=kept)
    assert file_of(detector, tmp_path / "model") == in_memory
    assert not list(kept.iterdir())


def test_tables_and_sparse_matrices(tmp_path):
    sparse = pytest.importorskip("scipy.sparse")
    pa = pytest.importorskip("pyarrow")
    rows = rows_with_gaps(400)
    rows[rows < 0] = 0
    table = pa.table({f"c{c}": rows[:, c] for c in range(4)})
    for given in (sparse.csr_matrix(rows), table):
        apart = [file_of(cugad.AnomalyDetector(**QUICK).fit(given, **more), tmp_path / "model")
                 for more in ({}, {"row_directory": tmp_path})]
        assert apart[0] == apart[1]


def test_float32_rows_are_not_copied_and_others_lie_in_a_file(rows, tmp_path):
    given = mapped(rows, tmp_path)
    assert _rows.mapped_rows(given, tmp_path) is given
    made = _rows.mapped_rows(given[:, ::-1], tmp_path)
    assert isinstance(made, np.memmap) and made.dtype == np.float32
    np.testing.assert_array_equal(made, rows[:, ::-1])


def test_contamination_goes_with_it(rows, tmp_path):
    kept = [cugad.AnomalyDetector(**QUICK, contamination=0.1).fit(rows[:500], **more).threshold_
            for more in ({}, {"row_directory": tmp_path})]
    assert kept[0] == kept[1]


def test_errors(rows, tmp_path):
    none = tmp_path / "none"
    for given in (rows, rows.astype(np.float64)):
        with pytest.raises(OSError, match="none"):
            cugad.AnomalyDetector(**QUICK).fit(given, row_directory=none)
    for wrong in ("", b"folder"):
        with pytest.raises(ValueError, match="row_directory is "):
            cugad.AnomalyDetector(**QUICK).fit(rows, row_directory=wrong)
    with pytest.raises(NotImplementedError, match="trim"):
        cugad.AnomalyDetector(**QUICK, trim=0.1).fit(rows, row_directory=tmp_path)
    infinite = rows.copy()
    infinite[-1, 2] = np.inf  # behind the first chunk, beside missing cells
    for given in (infinite, infinite.astype(np.float64)):
        with pytest.raises(ValueError, match="infinity"):
            cugad.AnomalyDetector(**QUICK).fit(given, row_directory=tmp_path)
