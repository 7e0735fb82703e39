#!/usr/bin/env python3
"""PyTorch tensors in and out of the C interface by DLPack, without copies. Exits with 77 where there is no PyTorch.

  tests/c_api/dlpack_torch.py LIBRARY
"""
import ctypes
import json
import os
import sys

try:
    import torch
    from torch.utils import dlpack
except ImportError:
    if sys.executable != "/usr/bin/python3" and os.path.exists("/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3"] + sys.argv)  # Debian's PyTorch
    print("skipped: this Python has no PyTorch")
    sys.exit(77)

library = ctypes.CDLL(sys.argv[1])
library.cugad_last_error.restype = ctypes.c_char_p
pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
capsule_of = ctypes.pythonapi.PyCapsule_New
capsule_of.restype, capsule_of.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
OK, INVALID = 0, -1


def check(status):
    assert status == OK, library.cugad_last_error().decode()


class Lent:
    """A tensor lent to the library; its capsule calls the deleter when it goes."""

    def __init__(self, tensor):
        self.capsule = dlpack.to_dlpack(tensor)
        self._as_parameter_ = ctypes.c_void_p(pointer_of(self.capsule, b"dltensor"))


def imported(call, *arguments):
    """The tensor that the library gives, on its own memory."""
    given = ctypes.c_void_p()
    check(call(*arguments, ctypes.byref(given)))
    return dlpack.from_dlpack(capsule_of(given, b"dltensor", None))


def refused(status, part):
    message = library.cugad_last_error().decode()
    assert status == INVALID and part in message, (status, message)


def main():
    torch.manual_seed(3)
    training, rows = torch.randn(200, 6), torch.randn(50, 6)
    device, detector = ctypes.c_void_p(), ctypes.c_void_p()
    check(library.cugad_device_open(b"cpu", ctypes.byref(device)))
    config = {"method": "anogan", "population": 2, "hidden": [16], "discriminator_hidden": [16], "steps": 40, "bank_rows": 64}
    check(library.cugad_detector_create(device, json.dumps(config).encode(), ctypes.byref(detector)))
    check(library.cugad_detector_fit_dlpack(detector, Lent(training), None))

    expected = torch.empty(50)
    size = ctypes.c_int64
    check(library.cugad_detector_score(detector, ctypes.c_void_p(rows.data_ptr()), size(50), size(6), size(6),
                                       ctypes.c_void_p(expected.data_ptr())))
    scores = torch.full((50,), -1.0)
    check(library.cugad_detector_score_dlpack(detector, Lent(rows), Lent(scores)))
    assert torch.equal(scores, expected)
    given = imported(library.cugad_detector_score_to_dlpack, detector, Lent(rows))
    assert given.shape == (50,) and given.dtype == torch.float32 and torch.equal(given, expected)

    # Views: rows of a wider tensor, every second of them, and one row.
    wide = torch.full((100, 9), float("nan"))
    wide[::2, 2:8] = rows
    given = imported(library.cugad_detector_score_to_dlpack, detector, Lent(wide[::2, 2:8]))
    assert torch.equal(given, expected)
    given = imported(library.cugad_detector_score_to_dlpack, detector, Lent(wide[34, 2:8]))
    assert torch.equal(given, expected[17:18])

    samples = imported(library.cugad_detector_sample_to_dlpack, detector, ctypes.c_uint64(1), size(7))
    assert samples.shape == (7, 6) and bool(torch.isfinite(samples).all())

    none = ctypes.byref(ctypes.c_void_p())
    refused(library.cugad_detector_score_to_dlpack(detector, Lent(rows.double()), none), "float32")
    refused(library.cugad_detector_score_to_dlpack(detector, Lent(rows.t().contiguous().t()), none), "stride")
    refused(library.cugad_detector_score_to_dlpack(detector, Lent(rows[:, :5].contiguous()), none), "columns")

    library.cugad_detector_destroy(detector)
    library.cugad_device_close(device)
    assert torch.equal(given, expected[17:18])  # it has outlived both
    print(f"PyTorch {torch.__version__}: rows, views, scores and samples by DLPack")


if __name__ == "__main__":
    main()
