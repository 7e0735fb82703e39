"""FleetDetector."""
import pickle

import numpy as np
import pytest

import cugad


@pytest.fixture(scope="module")
def fleet_rows():
    random = np.random.default_rng(5)
    groups = np.repeat(["a", "b", "c"], [100, 100, 20])
    rows = random.normal(size=(220, 3)) + (groups == "b")[:, None] * 50
    return rows.astype(np.float32), groups


@pytest.fixture(scope="module")
def fleet(fleet_rows):
    rows, groups = fleet_rows
    return cugad.FleetDetector(method="gain", steps=50, population=1, minimum_rows=30).fit(rows, groups=groups)


def test_each_group_has_its_own_normal(fleet, fleet_rows):
    rows, groups = fleet_rows
    assert [(name, own) for name, _, own, _ in fleet.groups_] == [("a", True), ("b", True), ("c", False)]
    scores = fleet.anomaly_score(rows, groups)
    exchanged = np.where(groups == "a", "b", "a")
    assert np.median(fleet.anomaly_score(rows[:200], exchanged[:200])) > np.median(scores) + 1
    assert (fleet.predict(rows[:200], exchanged[:200]) == -1).mean() > 0.9
    assert ((fleet.decision_function(rows, groups) < 0) == (scores >= fleet.thresholds(rows, groups))).all()
    assert (fleet.score_samples(rows, groups) == -scores).all()
    assert ((fleet.probability(rows, groups) >= 0) & (fleet.confidence(rows, groups) <= 1)).all()
    assert len(fleet.explain(rows[:2], groups[:2], count=2)) == 2


def test_copies_score_to_the_bit(fleet, fleet_rows, tmp_path):
    rows, groups = fleet_rows
    scores = fleet.anomaly_score(rows, groups)
    assert (pickle.loads(pickle.dumps(fleet)).anomaly_score(rows, groups) == scores).all()
    fleet.save(tmp_path / "fleet")
    assert (cugad.FleetDetector.load(tmp_path / "fleet").anomaly_score(rows, groups) == scores).all()


def test_groups_of_a_table(fleet, fleet_rows, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows, groups = fleet_rows
    frame = pandas.DataFrame(rows, columns=["x", "y", "z"]).assign(machine=groups)
    parameters = {"method": "gain", "steps": 50, "population": 1, "minimum_rows": 30}
    detector = cugad.FleetDetector(groups="machine", **parameters).fit(frame)
    assert (detector.anomaly_score(frame) == fleet.anomaly_score(rows, groups)).all()
    assert detector.columns_ == ["x", "y", "z"]
    detector.save(tmp_path / "fleet")
    loaded = cugad.FleetDetector.load(tmp_path / "fleet")
    assert loaded.groups == "machine" and (loaded.predict(frame) == detector.predict(frame)).all()
    beside = cugad.FleetDetector(**parameters).fit(frame.drop(columns="machine"), groups=groups)
    assert (beside.fit_predict(frame.drop(columns="machine"), groups=groups) == detector.predict(frame)).all()
    with pytest.raises(ValueError, match="groups is None"):
        cugad.FleetDetector().fit(frame)


def test_wrong_groups(fleet_rows):
    rows, groups = fleet_rows
    with pytest.raises(ValueError, match="groups is None"):
        cugad.FleetDetector().fit(rows)
    with pytest.raises(ValueError, match="3 entries for 220 rows"):
        cugad.FleetDetector().fit(rows, groups=groups[:3])
    with pytest.raises(ValueError, match="contamination"):
        cugad.FleetDetector(contamination=0.1).fit(rows, groups=groups)


def test_groups_are_texts():
    from cugad._fleet import group_texts
    assert group_texts(np.array([1.0, np.nan, 2.5])) == ["1", "", "2.5"]
    assert group_texts([1, None, "x"]) == ["1", "", "x"]
