#!/usr/bin/env python3
"""Trains a fleet with Dask or Spark on this machine and compares its file with that of one process.

usage: bench/fleet_engines.py TABLE --engine one|dask|spark [--workers 4] [--kill] --output FILE [--one FILE]

TABLE is a csv of `cugad synthesize telemetry --groups N`. --kill kills one worker while it trains. --one is the file of an earlier run
with --engine one; the last line says whether both are equal. Needs the package, pandas, and dask[dataframe,distributed] or pyspark.
"""
import argparse
import filecmp
import os
import signal
import subprocess
import threading
import time

OPTIONS = dict(method="gan", population=1, steps=60, generator_hidden=[16], discriminator_hidden=[16], batch=16)


def kill_when_found(find, killed):
    """Kills the process that find() names, once it names one; looks for it for three minutes."""
    for _ in range(3600):
        time.sleep(0.05)
        process = find()
        if process:
            os.kill(process, signal.SIGKILL)
            killed.append(process)
            return


def fit_with_dask(detector, frame, arguments, killed):
    import cugad.dask
    from dask import dataframe
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=arguments.workers, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        processes = client.run(os.getpid)

        def find():
            for worker, keys in client.processing().items():
                if any("part_of" in str(key) for key in keys):
                    time.sleep(3)
                    return processes[worker]
            return None

        if arguments.kill:
            threading.Thread(target=kill_when_found, args=(find, killed), daemon=True).start()
        cugad.dask.fit(detector, dataframe.from_pandas(frame, npartitions=8, sort=False), arguments.output)


def fit_with_spark(detector, frame, arguments, killed):
    import cugad.spark
    from pyspark.sql import SparkSession
    spark = (SparkSession.builder.master(f"local[{arguments.workers},4]").config("spark.ui.enabled", "false")
             .config("spark.driver.memory", "6g").config("spark.driver.maxResultSize", "4g")
             .config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate())

    def find():
        """A Python worker that has worked for three seconds."""
        listed = subprocess.run(["ps", "-eo", "pid,times,args"], capture_output=True, text=True).stdout.splitlines()
        workers = [line.split() for line in listed if "pyspark.daemon" in line]
        return next((int(worker[0]) for worker in reversed(workers) if int(worker[1]) >= 3), None)

    if arguments.kill:
        threading.Thread(target=kill_when_found, args=(find, killed), daemon=True).start()
    cugad.spark.fit(detector, spark.createDataFrame(frame), arguments.output, shards=max(arguments.workers, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--engine", choices=("one", "dask", "spark"), required=True)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--output", required=True)
    parser.add_argument("--one")
    arguments = parser.parse_args()
    import pandas
    import cugad
    frame = pandas.read_csv(arguments.table)
    frame = frame[frame.label == "normal"].drop(columns="label").reset_index(drop=True)
    detector = cugad.FleetDetector(groups="group", n_jobs=1, **OPTIONS)
    killed = []
    begin = time.time()
    if arguments.engine == "one":
        detector.fit(frame).save(arguments.output)
    else:
        {"dask": fit_with_dask, "spark": fit_with_spark}[arguments.engine](detector, frame, arguments, killed)
    line = f"{arguments.engine}: {arguments.workers if arguments.engine != 'one' else 1} workers, {time.time() - begin:.1f} s"
    if arguments.kill:
        line += f", {len(killed)} killed"
    if arguments.one:
        line += ", equal" if filecmp.cmp(arguments.one, arguments.output, shallow=False) else ", NOT equal"
    print(line)


if __name__ == "__main__":
    main()
