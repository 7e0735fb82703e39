"""What a wheel must do where nothing but numpy is installed: scripts/wheel.sh, a fresh environment, this file."""
import pickle

import numpy as np

import cugad

rows = np.random.default_rng(0).normal(size=(500, 4))
detector = cugad.AnomalyDetector().fit(rows)
assert list(detector.predict([[0, 0, 0, 0], [9, 9, 9, 9]])) == [1, -1]
assert (pickle.loads(pickle.dumps(detector)).anomaly_score(rows) == detector.anomaly_score(rows)).all()
print(cugad.__file__, detector.explain([[9, 0, 0, 0]], count=1)[0][0])
