"""Dask and Spark: the file of one process, also if a worker is killed. Skipped where the engine is not installed."""
import os
import pathlib
import shutil
import signal
import sys
import threading
import time

import numpy as np
import pytest

import cugad
from test_shards import FLEET, group_rows

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def frame():
    """A table of groups with a column of text, and an index that is no feature."""
    rows, groups = group_rows()
    return pandas.DataFrame(rows, columns=["x", "y", "z"]).assign(
        kind=np.where(rows[:, 0] > 0, "warm", "cold"), machine=groups)


def detector(**more):
    return cugad.FleetDetector(groups="machine", **{**FLEET, **more})


@pytest.fixture(scope="module")
def whole(frame, tmp_path_factory):
    """The fleet of one process, and its file."""
    path = tmp_path_factory.mktemp("whole") / "fleet"
    fleet = detector().fit(frame)
    fleet.save(path)
    return fleet, path.read_bytes()


class Killer(threading.Thread):
    """Kills the first process that `find` names while `fit` runs; `found` is what it was called for."""

    def __init__(self, find):
        super().__init__()
        self.find, self.killed, self.has_ended = find, None, threading.Event()

    def run(self):
        while self.killed is None and not self.has_ended.wait(0.02):
            self.killed = self.find()
            if self.killed is not None:
                os.kill(self.killed, signal.SIGKILL)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.has_ended.set()
        self.join()


# ---- Dask

@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    pytest.importorskip("dask.dataframe")
    with distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as opened:
            yield opened


def test_dask_without_a_cluster(frame, whole, tmp_path):
    dataframe = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    from cugad import dask
    pieces = dataframe.from_pandas(frame, npartitions=3)
    fleet = dask.fit(detector(), pieces, tmp_path / "fleet", shards=3)
    assert (tmp_path / "fleet").read_bytes() == whole[1]
    for method in ("anomaly_score", "predict"):
        found = dask.score(fleet, pieces, method).compute()
        assert (found.to_numpy() == getattr(whole[0], method)(frame)).all() and (found.index == frame.index).all()
        assert found.name == method
    assert len(dask.score(fleet, pieces[pieces.x > 1e6]).compute()) == 0
    with pytest.raises(ValueError, match="method is 'fit', expected one of anomaly_score"):
        dask.score(fleet, pieces, "fit")
    for call in (lambda: dask.fit(detector(), frame, tmp_path / "x"), lambda: dask.score(fleet, frame)):
        with pytest.raises(TypeError, match="pandas.*DataFrame, expected a Dask DataFrame"):
            call()
    with pytest.raises(ValueError, match="shards is 0, expected an integer of at least 1"):
        dask.fit(detector(), pieces, tmp_path / "x", shards=0)


def test_a_population_on_dask(rows, quick, tmp_path):
    dataframe = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    from cugad import dask
    table = pandas.DataFrame(rows, columns=list("abcde"))
    cugad.AnomalyDetector(**quick).fit(table).save(tmp_path / "whole")
    dask.fit(cugad.AnomalyDetector(**quick), dataframe.from_pandas(table, npartitions=2), tmp_path / "merged")
    assert (tmp_path / "merged").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_killed_worker_of_dask(client, frame, tmp_path):
    from dask import dataframe

    from cugad import dask
    longer = detector(steps=600)
    longer.fit(frame).save(tmp_path / "whole")
    processes = client.run(os.getpid)

    def worker_at_work():
        return next((processes.get(address) for address, keys in client.processing().items()
                     if any("part_of" in str(key) for key in keys)), None)

    with Killer(worker_at_work) as killer:
        fleet = dask.fit(longer, dataframe.from_pandas(frame, npartitions=5), tmp_path / "fleet")
    assert killer.killed in processes.values()
    assert killer.killed not in client.run(os.getpid).values()
    assert (tmp_path / "fleet").read_bytes() == (tmp_path / "whole").read_bytes()
    found = dask.score(fleet, dataframe.from_pandas(frame, npartitions=5)).compute()
    assert (found.to_numpy() == fleet.anomaly_score(frame)).all()


# ---- Spark

@pytest.fixture(scope="module")
def session():
    sql = pytest.importorskip("pyspark.sql", reason="Spark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    opened = (sql.SparkSession.builder.master("local[4,4]").config("spark.ui.enabled", "false")
              .config("spark.driver.host", "127.0.0.1").config("spark.log.level", "OFF").getOrCreate())
    yield opened
    opened.stop()


def python_workers():
    """The processes of Spark's Python workers that descend from this one: children of a daemon."""
    parents, daemons = {}, set()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            number = int(folder.name)
            parents[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"pyspark.daemon" in (folder / "cmdline").read_bytes():
                daemons.add(number)
        except OSError:  # it has ended
            pass

    def is_ours(number):
        while number in parents and number != os.getpid():
            number = parents[number]
        return number == os.getpid()

    return [number for number in daemons if parents[number] in daemons and is_ours(number)]


def test_a_killed_worker_of_spark(session, frame, tmp_path):
    from cugad import spark
    longer = detector(steps=600)
    longer.fit(frame).save(tmp_path / "whole")
    tracker = session.sparkContext.statusTracker()
    failures = []

    def worker_at_work():
        running = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        if any(stage is not None and stage.numActiveTasks == 4 for stage in running):
            time.sleep(0.1)
            return next(iter(python_workers()), None)
        return None

    def count_failures():
        while not killer.has_ended.wait(0.02):
            failures.extend(stage.numFailedTasks for stage in map(tracker.getStageInfo, tracker.getActiveStageIds())
                            if stage is not None)

    with Killer(worker_at_work) as killer:
        counter = threading.Thread(target=count_failures)
        counter.start()
        spark.fit(longer, session.createDataFrame(frame), tmp_path / "fleet", shards=12)
    counter.join()
    assert killer.killed is not None and max(failures) >= 1
    assert (tmp_path / "fleet").read_bytes() == (tmp_path / "whole").read_bytes()


def test_spark_scores_where_the_rows_are(session, frame, whole, tmp_path):
    from cugad import spark
    pieces = session.createDataFrame(frame).repartition(5, "machine")
    fleet = spark.fit(detector(), session.createDataFrame(frame), tmp_path / "fleet", shards=4)
    assert (tmp_path / "fleet").read_bytes() == whole[1]
    for method in ("anomaly_score", "predict"):
        scored = spark.score(fleet, pieces, method)
        assert scored.columns == [*frame.columns, method]
        found = scored.toPandas()
        assert len(found) == len(frame)
        assert (found[method].to_numpy() == getattr(whole[0], method)(found[list(frame.columns)])).all()
    with pytest.raises(ValueError, match="has a column 'predict' already"):
        spark.score(fleet, pieces.withColumnRenamed("z", "predict"), "predict")
