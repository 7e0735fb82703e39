"""Runs the ONNX models of detectors, for tests and bench/onnx_agreement.py."""
import numpy as np
import onnxruntime

# How far a score of the graph lies from that of the library: relative to that score, or, for small ones, to the median
# size of the scores.
BOUND = 1e-4


def text_of(cell):
    """Return the text of a cell as the graph takes it: empty if it is missing, truth values in lower case."""
    if cell is None or cell != cell:
        return ""
    return str(cell).lower() if isinstance(cell, (bool, np.bool_)) else str(cell)


def feeds(session, X):
    """Return the inputs for X: rows of numbers, or a table of pandas."""
    if [one.name for one in session.get_inputs()] == ["rows"]:
        return {"rows": np.ascontiguousarray(X, dtype=np.float32)}
    made = {}
    for one in session.get_inputs():
        cells = X[one.name]
        if one.type == "tensor(string)":
            cells = np.array([[text_of(cell)] for cell in cells], dtype=object)
        else:
            cells = cells.to_numpy(dtype=np.float64 if one.type == "tensor(double)" else np.float32)[:, None]
        made[one.name] = cells
    return made


def run(path, X):
    """Return the outputs of a graph by their names."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds(session, X))))


def differences(detector, path, X):
    """Return the relative difference of each row's score, and the outputs of the graph."""
    outputs = run(path, X)
    scores = detector.anomaly_score(X)
    assert (np.isfinite(scores) == np.isfinite(outputs["score"])).all()
    finite = np.isfinite(scores)
    np.testing.assert_array_equal(scores[~finite], outputs["score"][~finite])
    size = np.maximum(np.abs(scores), np.median(np.abs(scores[finite])))[finite]
    return np.abs(outputs["score"][finite].astype(np.float64) - scores[finite]) / size, outputs
