"""Parts of shards make the very file of one process."""
import pathlib

import numpy as np
import pytest

import cugad

FLEET = {"method": "gan", "steps": 60, "population": 2, "generator_hidden": [8], "discriminator_hidden": [8],
         "bank_rows": 50, "minimum_rows": 30, "pooled_rows": 200, "random_state": 3}


def group_rows(seed=11):
    """Rows and the group of each: twelve of 40 rows and one of 9, in no order."""
    random = np.random.default_rng(seed)
    groups = np.append(np.repeat([f"m{g}" for g in range(12)], 40), ["few"] * 9)
    order = random.permutation(len(groups))
    rows = random.normal(size=(len(groups), 3)).astype(np.float32)
    rows[5, 1] = np.nan
    return rows, groups[order]


def parts_of(detector, count, folder, X, **further):
    return [detector.fit_part(X, shard=(number, count), output=folder / f"part-{number}-of-{count}", **further)
            for number in range(count, 0, -1)]


def test_of_a_fleet(tmp_path):
    rows, groups = group_rows()
    detector = cugad.FleetDetector(**FLEET)
    detector.fit(rows, groups=groups).save(tmp_path / "whole")
    for count in (1, 3):
        cugad.merge(parts_of(cugad.FleetDetector(**FLEET), count, tmp_path, rows, groups=groups), tmp_path / "merged")
        assert (tmp_path / "merged").read_bytes() == (tmp_path / "whole").read_bytes()
    loaded = cugad.FleetDetector.load(tmp_path / "merged")
    assert (loaded.anomaly_score(rows, groups) == detector.anomaly_score(rows, groups)).all()


def test_of_a_fleet_by_a_column_of_a_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows, groups = group_rows()
    frame = pandas.DataFrame(rows, columns=["x", "y", "z"]).assign(
        kind=np.where(rows[:, 0] > 0, "warm", "cold"), machine=groups)
    detector = cugad.FleetDetector(groups="machine", **FLEET)
    detector.fit(frame).save(tmp_path / "whole")
    parts = parts_of(detector, 2, tmp_path, frame)
    cugad.merge(parts, tmp_path / "merged")
    assert (tmp_path / "merged").read_bytes() == (tmp_path / "whole").read_bytes()
    loaded = cugad.FleetDetector.load(tmp_path / "merged")
    assert loaded.groups == "machine" and (loaded.predict(frame) == detector.predict(frame)).all()
    assert list(loaded.feature_names_in_) == ["x", "y", "z", "kind", "machine"]


def test_of_a_population(rows, quick, tmp_path):
    detector = cugad.AnomalyDetector(**quick)
    detector.fit(rows).save(tmp_path / "whole")
    cugad.merge(parts_of(cugad.AnomalyDetector(**quick), 2, tmp_path, rows), tmp_path / "merged")
    assert (tmp_path / "merged").read_bytes() == (tmp_path / "whole").read_bytes()
    unfitted = cugad.AnomalyDetector(**quick)
    assert unfitted.fit_part(rows, shard="1/2", output=str(tmp_path / "again")) == str(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "part-1-of-2").read_bytes()
    with pytest.raises(ValueError, match="not fitted"):
        unfitted.predict(rows)


def test_of_images(tmp_path):
    images = np.random.default_rng(1).integers(0, 255, size=(60, 4, 4), dtype=np.uint8)
    detector = cugad.ImageDetector(method="gan", steps=20, population=2, bank_rows=50)
    detector.fit(images).save(tmp_path / "whole")
    cugad.merge(parts_of(detector, 2, tmp_path, images), tmp_path / "merged")
    assert (tmp_path / "merged").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_does_not_belong_together(rows, quick, tmp_path):
    detector = cugad.AnomalyDetector(**quick)
    parts = parts_of(detector, 2, tmp_path, rows)
    with pytest.raises(ValueError, match="of 2 shards 2/2 is missing"):
        cugad.merge(parts[1:], tmp_path / "merged")
    other = detector.set_params(batch=20).fit_part(rows, shard=(2, 2), output=tmp_path / "other")
    with pytest.raises(ValueError, match="batch = 20"):
        cugad.merge([parts[1], other], tmp_path / "merged")
    with pytest.raises(ValueError, match="'3/2', expected I/N"):
        detector.fit_part(rows, shard=(3, 2), output=tmp_path / "x")
    with pytest.raises(ValueError, match="shard is None, expected its number and their count"):
        detector.fit_part(rows, shard=None, output=tmp_path / "x")
    with pytest.raises(ValueError, match="at most 2 shards"):
        detector.fit_part(rows, shard=(1, 3), output=tmp_path / "x")
    with pytest.raises(ValueError, match="contamination"):
        cugad.AnomalyDetector(contamination=0.1, **quick).fit_part(rows, shard=(1, 2), output=tmp_path / "x")
    with pytest.raises(ValueError, match="groups is None"):
        cugad.FleetDetector(**FLEET).fit_part(rows, shard=(1, 2), output=tmp_path / "x")
    with pytest.raises(OSError):
        cugad.merge([tmp_path / "no such part"], tmp_path / "merged")
    assert not (tmp_path / "merged").exists() and not (tmp_path / "x").exists()


def test_one_path_and_a_part_as_output_are_refused(rows, tmp_path):
    parts = parts_of(cugad.AnomalyDetector(method="gan", steps=100, population=2), 2, tmp_path, rows)
    with pytest.raises(ValueError, match="expected a list of the parts"):
        cugad.merge(parts[0], tmp_path / "merged")
    before = pathlib.Path(parts[0]).read_bytes()
    with pytest.raises(ValueError, match="which is one of the parts"):
        cugad.merge(parts, parts[0])
    assert pathlib.Path(parts[0]).read_bytes() == before
