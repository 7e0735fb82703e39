#!/usr/bin/env python3
"""Fits and scores tensors in memory of a GPU, which is the emulator: takes the folder of a package that was built on it.

The emulator's memory is the host's, so that numpy writes rows into it and reads scores from it; to the package it is
memory of CUDA device 0, which the emulator checks.
"""
import ctypes
import importlib.util
import sys

if importlib.util.find_spec("numpy") is None:
    print("Tensors of a GPU: skipped, numpy is missing")
    sys.exit(77)
sys.path.insert(0, sys.argv[1])

import numpy as np

import cugad


class Tensor(ctypes.Structure):
    """DLManagedTensor."""
    _fields_ = [("data", ctypes.c_void_p), ("type", ctypes.c_int32), ("id", ctypes.c_int32), ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p), ("offset", ctypes.c_uint64),
                ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


def look_at(capsule):
    """Return the tensor in a capsule that some library made."""
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    tensor = Tensor.from_address(get(capsule, b"dltensor"))
    tensor.capsule = capsule  # which owns it
    return tensor


def floats_at(address, count):
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address))


class OnGpu:
    """Rows in memory that a result of the package lies in."""
    dtype = "float32"

    def __init__(self, memory, shape):
        self.memory, self.shape = memory, shape
        self.address = look_at(memory.__dlpack__()).data

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **_):
        self.sizes = (ctypes.c_int64 * 2)(*self.shape)
        self.tensor = Tensor(self.address, 2, 0, 2, 2, 32, 1, ctypes.addressof(self.sizes), None, 0, None, None)
        make = ctypes.pythonapi.PyCapsule_New
        make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return make(ctypes.addressof(self.tensor), b"dltensor", None)


def main():
    seed = 5
    print("seed", seed)
    random = np.random.default_rng(seed)
    rows, columns = 80, 3
    normal = random.normal(size=(rows, columns)).astype(np.float32)
    parameters = {"method": "ganomaly", "steps": 20, "population": 1, "device": "emulated"}
    of_host = cugad.AnomalyDetector(**parameters).fit(normal)
    expected = of_host.anomaly_score(normal)
    assert expected.shape == (rows,) and np.isfinite(expected).all()

    memory = of_host._model.make_memory(rows * columns)
    assert memory.__dlpack_device__() == (2, 0)
    tensor = OnGpu(memory, normal.shape)
    floats_at(tensor.address, rows * columns)[:] = normal.ravel()
    for detector in (of_host, cugad.AnomalyDetector(**parameters).fit(tensor)):
        scores = detector.anomaly_score(tensor)
        assert scores.__dlpack_device__() == (2, 0)
        found = look_at(scores.__dlpack__())
        assert (found.type, found.id, found.ndim, found.bits) == (2, 0, 1, 32)
        assert (floats_at(found.data, rows) == expected).all()
        assert found.data != tensor.address
    assert (detector.anomaly_score(normal) == expected).all()  # a detector on a GPU takes rows of the host, too
    try:
        cugad.AnomalyDetector(method="knn", device="cpu").fit(tensor)
    except ValueError as error:
        print(error)
        assert "X is in memory of cuda:0" in str(error) and "which is cpu" in str(error)
    else:
        raise AssertionError("a tensor of a GPU was fitted on the CPU")
    print("fitted and scored", rows, "rows in memory of", of_host._model.device)


if __name__ == "__main__":
    main()
