"""Pages of detector.report()."""
import json
import pathlib
import re

import numpy as np
import pytest

import cugad


@pytest.fixture(autouse=True)
def needs_charts(fitted, rows, tmp_path):
    try:
        fitted.report(rows[:1], path=tmp_path / "any.html")
    except NotImplementedError as error:
        pytest.skip(str(error))


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.S)[1])


def test_numbers_are_those_of_the_detector(fitted, rows, tmp_path):
    spoilt = rows.copy()
    spoilt[::20, 3] += 8
    labels = np.arange(len(rows)) % 20 == 0
    path = tmp_path / "page.html"
    fitted.report(spoilt, labels, path=path, title="a < b", top=7)
    page = data_of(path)
    scores = fitted.anomaly_score(spoilt)
    assert page["title"] == "a < b" and page["rows"] == 400
    assert [np.float32(row["score"]) for row in page["top"]] == sorted(scores, reverse=True)[:7]
    first = page["top"][0]["row"]
    assert page["top"][0]["reasons"][0]["column"] == fitted.explain(spoilt[first:first + 1])[0][0].column
    at = page["steps"]["threshold"].index(page["threshold"])
    assert page["threshold"] == float(fitted.threshold_)
    assert page["steps"]["flagged"][at] == (fitted.predict(spoilt) == -1).sum()
    assert page["steps"]["anomalies"][at] == ((fitted.predict(spoilt) == -1) & labels).sum()
    metrics = pytest.importorskip("sklearn.metrics")
    assert page["labels"]["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    assert page["training"]["phases"][0]["steps"] == [entry["step"] for entry in fitted.history_]


def test_threshold_that_was_set(rows, tmp_path):
    detector = cugad.AnomalyDetector(method="knn", contamination=0.1).fit(rows)
    detector.report(rows, path=tmp_path / "page.html")
    page = data_of(tmp_path / "page.html")
    assert page["steps"]["flagged"][page["steps"]["threshold"].index(page["threshold"])] == 40


def test_tables_name_their_rows(tmp_path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    table = pandas.DataFrame({"load": rng.uniform(size=300), "state": np.where(np.arange(300) % 3, "on", "off"),
                              "machine": [f"m{i}" for i in range(300)]})
    detector = cugad.AnomalyDetector(method="knn", exclude=["machine"]).fit(table)
    table.loc[5, "load"] = 70
    table.loc[6, "state"] = "</script>"
    detector.report(table, path=tmp_path / "page.html", ids=["machine"])
    page = data_of(tmp_path / "page.html")
    assert page["top"][0]["ids"] == ["m5"] and page["top"][0]["reasons"][0]["value"] == "70"
    state = [column for column in page["columns"] if column["name"] == "state"][0]
    assert state["unseen"] == 1 and sum(state["counts"]) == 299


def test_images(tmp_path):
    images = np.random.default_rng(4).integers(0, 50, size=(60, 8, 8)).astype(np.uint8)
    detector = cugad.ImageDetector(method="knn").fit(images)
    images[9, 2:4, 2:4] = 255
    detector.report(images, path=tmp_path / "page.html", top=3)
    page = data_of(tmp_path / "page.html")
    assert page["top"][0]["row"] == 9 and page["image"] == "8x8x1"
    assert page["top"][0]["heatmap"].startswith("data:image/png;base64,")


def test_one_group_of_a_fleet(rows, tmp_path):
    groups = np.where(np.arange(400) % 4 == 0, "a", "b")
    fleet = cugad.FleetDetector(method="knn").fit(rows, groups=groups)
    fleet.report(rows + 3, groups == "a", group="b", groups=groups, path=tmp_path / "page.html")
    page = data_of(tmp_path / "page.html")
    scores = fleet.anomaly_score(rows + 3, groups)
    assert page["rows"] == 300 and page["labels"]["anomalies"] == 0
    for row in page["top"]:
        assert groups[row["row"]] == "b" and np.float32(row["score"]) == scores[row["row"]]
    with pytest.raises(ValueError, match="one of the 2 groups"):
        fleet.report(rows, group="c", groups=groups, path=tmp_path / "page.html")


def test_labels_and_paths_that_are_refused(fitted, rows, tmp_path):
    path = tmp_path / "page.html"
    for labels, words in (([0, 1], "2 labels"), (["normal"] * 400, "holds texts"), (np.zeros((400, 2)), "2 dimensions")):
        with pytest.raises(ValueError, match=words):
            fitted.report(rows, labels, path=path)
    with pytest.raises(ValueError, match="X is an array"):
        fitted.report(rows, path=path, ids=["machine"])
    with pytest.raises(OSError):
        fitted.report(rows, path=tmp_path / "missing" / "page.html")
    assert not path.exists()
    unknown = [None] * 200 + [float("nan")] * 100 + [0] * 99 + [1]
    fitted.report(rows, unknown, path=path)
    assert data_of(path)["labels"]["rows"] == 100


def test_the_code_of_its_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs/report.md").read_text(encoding="utf-8")
    exec(compile(re.search(r"^```python\n(.*?)^```", text, re.M | re.S)[1], "docs/report.md", "exec"), {})
    assert {row["row"] for row in data_of(tmp_path / "report.html")["top"][:5]} == {95, 96, 97, 98, 99}
