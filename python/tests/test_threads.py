"""Threads, processes, Ctrl-C, progress."""
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import cugad


def fit_and_score(seed):
    rows = np.random.default_rng(seed).normal(size=(200, 3)).astype(np.float32)
    detector = cugad.AnomalyDetector(method="anogan", steps=50, population=1, bank_rows=100, random_state=seed,
                                     n_jobs=1)
    return detector.fit(rows).anomaly_score(rows)


def test_fits_in_threads(fitted, rows):
    expected = [fit_and_score(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for scores, alone in zip(pool.map(fit_and_score, range(4)), expected):
            assert (scores == alone).all()
        many = np.tile(rows, (20, 1))  # one detector in several threads
        for scores in pool.map(lambda _: fitted.anomaly_score(many), range(4)):
            assert (scores[:400] == fitted.anomaly_score(rows)).all()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_fits_in_processes(start, fitted, rows):
    expected = fit_and_score(1)
    with multiprocessing.get_context(start).Pool(1) as pool:
        assert (pool.apply_async(fit_and_score, (1,)).get(60) == expected).all()
        assert (pool.apply_async(fitted.anomaly_score, (rows,)).get(60) == fitted.anomaly_score(rows)).all()


def test_fits_in_loky():
    joblib = pytest.importorskip("joblib")
    (scores,) = joblib.Parallel(n_jobs=2)([joblib.delayed(fit_and_score)(1)])
    assert (scores == fit_and_score(1)).all()


def test_other_threads_run_during_a_fit(rows):
    counted = 0

    def count():
        nonlocal counted
        while running.is_set():
            counted += 1
            time.sleep(0.001)

    running = threading.Event()
    running.set()
    thread = threading.Thread(target=count)
    thread.start()
    cugad.AnomalyDetector(method="anogan", steps=200, population=2, bank_rows=100).fit(rows)
    running.clear()
    thread.join()
    assert counted > 3


SCRIPT = """
import sys, numpy as np, cugad
rows = np.random.default_rng(0).normal(size=(2000, 20)).astype(np.float32)
detector = cugad.AnomalyDetector(method="anogan", steps=int(sys.argv[2]), population=1, checkpoint_directory=sys.argv[1],
                                 resume=sys.argv[3] == "resume", patience=0)
print("begins", flush=True)
try:
    detector.fit(rows)
    print("history", detector.history_[0]["step"])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_leaves_a_checkpoint(tmp_path):
    folder = tmp_path / "checkpoint"
    call = [sys.executable, "-c", SCRIPT, str(folder)]
    process = subprocess.Popen([*call, "1000000", "new"], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begins\n"
    deadline = time.monotonic() + 60
    while not (folder.exists() and any(folder.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert any(folder.iterdir())


def test_exceptions_of_progress_cancel_the_fit(rows, monkeypatch):
    class Stop(Exception):
        pass

    from cugad._progress import Progress

    def stop(self, step, steps, models):
        raise Stop(step)

    monkeypatch.setattr(Progress, "update", stop)
    with pytest.raises(Stop, match="100"):
        cugad.AnomalyDetector(method="anogan", steps=100000, population=1).fit(rows)


def test_progress_is_shown_or_logged(rows, capsys, caplog, monkeypatch):
    parameters = {"method": "anogan", "steps": 200, "population": 1, "bank_rows": 100, "verbose": 1}
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # as if it were not installed
    with caplog.at_level(logging.WARNING, logger="cugad"):
        cugad.AnomalyDetector(**parameters).fit(rows)
    assert [record.getMessage() for record in caplog.records] == ["step 100 of 200", "step 200 of 200"]
    monkeypatch.undo()
    pytest.importorskip("tqdm")
    cugad.AnomalyDetector(**parameters).fit(rows)
    assert "200/200" in capsys.readouterr().err


def test_works_without_scikit_learn():
    script = """
import sys
sys.modules["sklearn"] = sys.modules["sklearn.base"] = None
import numpy as np, cugad
rows = np.random.default_rng(0).normal(size=(100, 3))
detector = cugad.AnomalyDetector(method="knn")
try:
    detector.predict(rows)
except ValueError as error:
    assert "not fitted" in str(error)
assert (detector.set_params(neighbours=3).fit_predict(rows) == 1).mean() > 0.9
assert detector.get_params()["neighbours"] == 3
try:
    detector.set_params(nosuch=1)
except ValueError as error:
    print(error)
"""
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=os.environ)
    assert "Invalid parameter 'nosuch'" in out.stdout
