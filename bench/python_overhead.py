#!/usr/bin/env python3
"""What a call from Python costs beyond the same call of the C interface.

  PYTHONPATH=build/cpu/python bench/python_overhead.py --library build/cpu/libcugad.so

Processor time of one thread (n_jobs=1), which other programs disturb little; each figure is the lowest of several
rounds, the calls of a round alternate. The C interface is called by ctypes with arguments that are made once; the cost
of ctypes itself, that of a call of the same form which returns at once, is subtracted.

  one row       anomaly_score(row) - cugad_detector_score, for a float32 row in C order: aim 15 us
  score_samples what it adds to the model's scores, which stand ready, beside scikit-learn's check_array(rows): no more
  many rows     anomaly_score of 100,000 x 30 over cugad_detector_score: aim 1.02
"""
import argparse
import ctypes
import sys
import time

import numpy as np

import cugad


class CInterface:
    def __init__(self, library, path):
        self.c = ctypes.CDLL(library)
        self.c.cugad_last_error.restype = ctypes.c_char_p
        self.device, self.detector = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(self.c.cugad_device_open_with_threads(b"cpu", 1, ctypes.byref(self.device)))
        self.check(self.c.cugad_detector_load(self.device, str(path).encode(), ctypes.byref(self.detector)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.c.cugad_last_error().decode())

    def call(self, rows):
        """Return functions that score the rows, and that only call; and the scores."""
        scores = np.empty(len(rows), dtype=np.float32)
        as_pointer = lambda array: ctypes.c_void_p(array.ctypes.data)
        shape = [ctypes.c_int64(size) for size in (rows.shape[0], rows.shape[1], rows.shape[1])]
        given = (self.detector, as_pointer(rows), *shape, as_pointer(scores))
        nothing = (ctypes.c_void_p(), *given[1:])  # no detector: returns at once with an error
        score = self.c.cugad_detector_score
        self.check(score(*given))
        return lambda: score(*given), lambda: score(*nothing), scores


def costs(calls, repeats, rounds):
    """Return the seconds of processor time of each call: the lowest mean of a round."""
    best = [np.inf] * len(calls)
    for _ in range(rounds):
        for place, call in enumerate(calls):
            begin = time.thread_time()
            for _ in range(repeats):
                call()
            best[place] = min(best[place], (time.thread_time() - begin) / repeats)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--method", default="ganomaly")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--file", default="/tmp/overhead.safetensors")
    asked = parser.parse_args()
    random = np.random.default_rng(0)
    train = random.normal(size=(2000, 30)).astype(np.float32)
    detector = cugad.AnomalyDetector(method=asked.method, steps=100, population=1, n_jobs=1).fit(train)
    detector.save(asked.file)
    c = CInterface(asked.library, asked.file)

    row = random.normal(size=(1, 30)).astype(np.float32)
    score, nothing, scores = c.call(row)
    assert detector.anomaly_score(row)[0] == scores[0]
    by_c, empty, by_python, samples = costs(
        [score, nothing, lambda: detector.anomaly_score(row), lambda: detector.score_samples(row)], 2000, asked.rounds)
    print(f"one row: C {1e6 * (by_c - empty):.1f} us, anomaly_score {1e6 * by_python:.1f} us: "
          f"{1e6 * (by_python - by_c + empty):.1f} us more (aim: 15)")

    try:
        from sklearn.utils import check_array
        import copy
        for count in (1, 1000, 100_000):
            rows = random.normal(size=(count, 30)).astype(np.float32)
            ready, scores = copy.copy(detector), detector.anomaly_score(rows)
            ready._model = type("Model", (), {"score": lambda self, rows: scores})()
            checked, added = costs([lambda: check_array(rows), lambda: ready.score_samples(rows)],
                                   max(10, 2000 // count), asked.rounds)
            print(f"score_samples of {count:,} x 30: {1e6 * added:.1f} us beyond the model's scores (check_array: "
                  f"{1e6 * checked:.1f} us)")
    except ImportError:
        print("score_samples: left out, scikit-learn is missing")

    many = random.normal(size=(100_000, 30)).astype(np.float32)
    score, _, scores = c.call(many)
    assert (detector.anomaly_score(many) == scores).all()
    begin = time.process_time  # scoring of many rows runs on a thread of its own
    best = [np.inf, np.inf]
    for _ in range(asked.rounds):
        for place, call in enumerate((score, lambda: detector.anomaly_score(many))):
            first = begin()
            call()
            best[place] = min(best[place], begin() - first)
    print(f"100,000 x 30: C {1e3 * best[0]:.1f} ms, anomaly_score {1e3 * best[1]:.1f} ms: "
          f"{best[1] / best[0]:.3f} times (aim: 1.02)")


if __name__ == "__main__":
    sys.exit(main())
