"""ONNX models give the library's scores, in ONNX Runtime."""
import ctypes
import json
import os
import subprocess

import numpy as np
import pytest

import cugad

onnx = pytest.importorskip("onnx", reason="onnx is missing: pip install onnx onnxruntime")
pytest.importorskip("onnxruntime", reason="onnxruntime is missing: pip install onnx onnxruntime")

import onnx_graphs  # noqa: E402

TINY = {"steps": 40, "population": 2, "generator_hidden": [16], "discriminator_hidden": [16, 8], "patience": 0}
ENCODER = {**TINY, "encoder_hidden": [16]}
PAIRS = {**ENCODER, "data_branch": [16], "latent_branch": [8]}
CYCLE = {**PAIRS, "cycle_hidden": [16], "latent_cycle_hidden": [8]}

# Every method and every score without a search, with the options that scores read.
DETECTORS = {
    "knn": {"method": "knn"},
    "knn kth": {"method": "knn", "score_rule": "kth_nearest", "neighbours": 3, "scale": "robust"},
    "knn mean": {"method": "knn", "score_rule": "mean_nearest", "log1p": "none", "scale": "none"},
    "anogan bank": {**TINY, "method": "anogan", "bank_rows": 100, "scale": "minmax"},
    "gan": {**TINY, "method": "gan", "discriminator_weight": 0.0},
    "gan bank": {**TINY, "method": "gan", "score_rule": "bank", "bank_rows": 50, "compress": False},
    "sogaal": {**TINY, "method": "sogaal"},
    "bigan": {**PAIRS, "method": "bigan"},
    "bigan logits": {**PAIRS, "method": "bigan", "discrimination": "cross_entropy", "judged_pair": "query"},
    "bigan bank": {**PAIRS, "method": "bigan", "score_rule": "bank", "bank_rows": 50},
    "ali": {**PAIRS, "method": "ali", "column_spread": True},
    "egbad": {**PAIRS, "method": "egbad", "standardise": False, "discrimination": "feature_l2"},
    "ganomaly": {**ENCODER, "method": "ganomaly"},
    "ganomaly reconstruction": {**ENCODER, "method": "ganomaly", "score_rule": "reconstruction", "residual": "l2"},
    "ganomaly discriminator": {**ENCODER, "method": "ganomaly", "score_rule": "discriminator"},
    "fanogan": {**ENCODER, "method": "fanogan", "spectral_norm": True},
    "alad": {**CYCLE, "method": "alad", "batch_norm": True, "r1": 0.0},
    "alad logits": {**CYCLE, "method": "alad", "score_rule": "cycle_logits"},
    "gain": {**TINY, "method": "gain"},
    "translation": {**ENCODER, "method": "translation", "target": ["2", "3"]},
    "ensemble": {**ENCODER, "method": ["anogan", "ganomaly"], "bank_rows": 50},
    "condition": {**TINY, "method": "gain", "condition": ["1"]},
    "condition of an encoder": {**ENCODER, "method": "fanogan", "condition": ["1"]},
}


@pytest.fixture(scope="module")
def tables():
    """Training rows [300, 5] whose columns depend on each other, and rows to score; both with missing cells."""
    random = np.random.default_rng(11)
    train, new = (random.normal(size=(rows, 5)) for rows in (300, 200))
    for rows in (train, new):
        rows[:, 3] = rows[:, 0] + 0.1 * rows[:, 3]
        rows[:, 4] = np.exp(2 * rows[:, 4])
        rows[:, 2] *= 1e-10
        rows[random.random(rows.shape) < 0.02] = np.nan
    new[:5] *= 10
    new[5] = np.nan
    new[6, 0] = 1e30  # too large for sums
    new[8] = np.finfo(np.float32).max  # overflows as it is scaled, and as networks sum it
    return train.astype(np.float32), new.astype(np.float32)


def check(detector, path, rows, bound=onnx_graphs.BOUND):
    """Check all outputs of the detector's graph for the rows."""
    detector.to_onnx(path)
    onnx.checker.check_model(str(path), full_check=True)
    difference, outputs = onnx_graphs.differences(detector, path, rows)
    assert difference.max() <= bound
    scores = detector.anomaly_score(rows)
    np.testing.assert_allclose(outputs["probability"], detector.probability(rows), atol=0.005)
    clear = ~(np.abs(scores - detector.threshold_) < 1e-3)  # not a matter of rounding
    np.testing.assert_array_equal(outputs["is_anomaly"][clear], (detector.predict(rows) == -1)[clear])
    return outputs


@pytest.mark.parametrize("name", DETECTORS)
def test_graphs_score_as_the_library(name, tables, tmp_path):
    train, new = tables
    detector = cugad.AnomalyDetector(**DETECTORS[name], random_state=3).fit(train)
    check(detector, tmp_path / "m.onnx", new)


def test_the_default_recipe_takes_the_columns_of_a_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    random = np.random.default_rng(12)

    def made(rows):
        load = random.uniform(size=rows)
        table = pandas.DataFrame({"load": load, "temperature": 20 + load + random.normal(size=rows) / 10,
                                  "time": 1.7e9 + np.arange(rows) * 0.5,
                                  "state": np.where(load > 0.5, "busy", "idle"), "on": load > 0.1})
        table.loc[random.random(rows) < 0.1, "state"] = None
        table.loc[random.random(rows) < 0.1, "temperature"] = None
        return table

    train, new = made(300), made(100)
    new.loc[3, "state"] = "broken"
    for parameters in ({}, {"reference_rows": 0}):
        detector = cugad.AnomalyDetector(steps=60, generator_hidden=[16], discriminator_hidden=[16], random_state=5,
                                         include=["time"], **parameters).fit(train)
        check(detector, tmp_path / "m.onnx", new)
    inputs = {one.name: one.type.tensor_type for one in onnx.load(tmp_path / "m.onnx").graph.input}
    assert sorted(inputs) == sorted(train.columns)
    assert inputs["time"].elem_type == onnx.TensorProto.DOUBLE
    assert inputs["state"].elem_type == onnx.TensorProto.STRING
    assert inputs["load"].shape.dim[0].dim_param == "batch"


@pytest.mark.parametrize("name", ["anogan", "bigan", "ganomaly", "alad", "translation"])
def test_images_pass_convolutions(name, tmp_path):
    random = np.random.default_rng(13)
    train = random.uniform(0, 255, size=(80, 8, 8 if name != "translation" else 16)).astype(np.float32)
    train[:, 2:5, 2:5] += 100
    new = train[:20] + random.normal(size=train[:20].shape).astype(np.float32)
    parameters = {"steps": 8, "population": 2, "batch": 8}
    parameters.update({"anogan": {"bank_rows": 30}, "translation": {"target": ["right"]}}.get(name, {}))
    detector = cugad.ImageDetector(method=name, random_state=3, **parameters).fit(train)
    path = tmp_path / "m.onnx"
    detector.to_onnx(path)
    onnx.checker.check_model(str(path), full_check=True)
    outputs = onnx_graphs.run(path, new.reshape(len(new), -1))
    scores = detector.anomaly_score(new)
    assert np.abs(outputs["score"] - scores).max() <= onnx_graphs.BOUND * np.maximum(1, np.abs(scores)).max()


IMAGE_LAYERS = {
    "normalised": {"method": "fanogan", "generator_hidden": ["24", "up4k4s2ln"],
                   "discriminator_hidden": ["conv4k3s2ln", "conv8k3s1"], "encoder_hidden": ["conv4k4s3bn", "16"]},
    "wide strides": {"method": "anogan", "generator_hidden": ["8", "up6k3s3"], "discriminator_hidden": ["conv4k3s3"],
                     "bank_rows": 40},
    "skips": {"method": "translation", "target": ["left"],
              "generator_hidden": ["conv8k4s2", "conv8k4s2", "up8k4s2+1"]},
    "conditions": {"method": "fanogan", "condition": ["126"], "generator_tanh": False, "encoder_tanh": False},
}


@pytest.mark.parametrize("name", IMAGE_LAYERS)
def test_layers_of_images(name, tmp_path):
    random = np.random.default_rng(14)
    rows = random.uniform(0, 255, size=(60, 9 * 7 * 2)).astype(np.float32)
    if name == "skips":
        rows = np.tile(rows.reshape(60, 9, 7, 2), (1, 1, 2, 1)).reshape(60, -1)
    if name == "conditions":
        rows = np.column_stack([rows, random.normal(size=60).astype(np.float32)])
    detector = cugad.AnomalyDetector(image="9x14x2" if name == "skips" else "9x7x2", steps=6, population=2, batch=8,
                                     random_state=1, **IMAGE_LAYERS[name]).fit(rows)
    rows[:3, 5] = np.nan
    check(detector, tmp_path / "m.onnx", rows)


def test_a_row_does_not_depend_on_its_batch(tables, tmp_path):
    train, new = tables
    detector = cugad.AnomalyDetector(**DETECTORS["gain"]).fit(train)
    detector.to_onnx(tmp_path / "m.onnx")
    one = onnx_graphs.run(tmp_path / "m.onnx", new[7:8])["score"]
    np.testing.assert_allclose(one, onnx_graphs.run(tmp_path / "m.onnx", new)["score"][7:8], rtol=1e-5)


def test_the_file_says_what_it_is_made_of(tables, tmp_path):
    train, _ = tables
    detector = cugad.AnomalyDetector(method="knn").fit(train)
    detector.threshold_ = 2.5
    detector.to_onnx(tmp_path / "m.onnx", output_prefix="cugad_")
    model = onnx.load(tmp_path / "m.onnx")
    known = {one.key: one.value for one in model.metadata_props}
    assert float(known["threshold"]) == 2.5
    assert known["method"] == "knn" and json.loads(known["options"])["method"] == "knn"
    assert known["cugad_version"] == cugad.__version__ and len(known["model_hash"]) == 16
    assert [one.name for one in model.graph.output] == ["cugad_score", "cugad_probability", "cugad_is_anomaly"]


def test_what_a_graph_cannot_hold_is_refused(tables, tmp_path):
    train, _ = tables
    searching = cugad.AnomalyDetector(**TINY, method="anogan", score_rule="search", search_steps=5).fit(train)
    with pytest.raises(NotImplementedError, match="searches the latent space .* score = bank"):
        searching.to_onnx(tmp_path / "m.onnx")
    fitted = cugad.AnomalyDetector(method="knn").fit(train)
    with pytest.raises(OSError, match="nowhere"):
        fitted.to_onnx(tmp_path / "nowhere" / "m.onnx")
    pandas = pytest.importorskip("pandas")
    named = cugad.AnomalyDetector(method="knn").fit(pandas.DataFrame({"score": train[:, 0], "b": train[:, 1]}))
    with pytest.raises(NotImplementedError, match="'score' has the name of an output"):
        named.to_onnx(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_one_model_of_a_fleet(tables, tmp_path):
    train, new = tables
    groups = ["a"] * 150 + ["b"] * 150
    fleet = cugad.FleetDetector(method="knn").fit(train, groups=groups)
    fleet.to_onnx(tmp_path / "m.onnx", "b")
    scores = fleet.anomaly_score(new, ["b"] * len(new))
    np.testing.assert_allclose(onnx_graphs.run(tmp_path / "m.onnx", new)["score"], scores, rtol=1e-4, atol=1e-4)


def test_command_and_c_write_the_same_graph(tables, tmp_path):
    command, library = os.environ.get("CUGAD_COMMAND"), os.environ.get("CUGAD_LIBRARY")
    if not command or not library:
        pytest.skip("CUGAD_COMMAND and CUGAD_LIBRARY, the paths of the command and of libcugad.so, are not set")
    train, new = tables
    model, written = tmp_path / "m.safetensors", tmp_path / "python.onnx"
    cugad.AnomalyDetector(method="knn").fit(train).save(model)
    cugad.AnomalyDetector.load(model).to_onnx(written)
    by_command = tmp_path / "command.onnx"
    subprocess.run([command, "export", "--model", model, "--output", by_command], check=True, capture_output=True)
    assert by_command.read_bytes() == written.read_bytes()

    # A file of numbers without names is one input.
    np.save(tmp_path / "rows.npy", train)
    subprocess.run([command, "train", tmp_path / "rows.npy", "--output", model, "--method", "knn"], check=True,
                   capture_output=True)
    subprocess.run([command, "export", "--model", model, "--output", by_command], check=True, capture_output=True)
    difference, _ = onnx_graphs.differences(cugad.AnomalyDetector.load(model), by_command, new)
    assert difference.max() <= onnx_graphs.BOUND
    cugad.AnomalyDetector.load(model).to_onnx(written)

    c = ctypes.CDLL(library)
    c.cugad_last_error.restype = ctypes.c_char_p
    device, detector = ctypes.c_void_p(), ctypes.c_void_p()
    assert c.cugad_device_open(b"cpu", ctypes.byref(device)) == 0
    assert c.cugad_detector_load(device, str(model).encode(), ctypes.byref(detector)) == 0
    assert c.cugad_detector_export_onnx(detector, str(tmp_path / "c.onnx").encode()) == 0
    assert (tmp_path / "c.onnx").read_bytes() == written.read_bytes()
    assert c.cugad_detector_export_onnx(None, b"m.onnx") == -1
    assert b"cugad_detector_export_onnx: detector is NULL" in c.cugad_last_error()
    assert c.cugad_detector_export_onnx(detector, str(tmp_path / "no" / "m.onnx").encode()) == -2
    c.cugad_detector_destroy(detector)
    c.cugad_device_close(device)
