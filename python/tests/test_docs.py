"""The code of docs/python.md and docs/onnx.md runs, and does what its comments say."""
import pathlib
import re
import warnings

import pytest

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def run_page(page, least):
    """Run the blocks of a page from top to bottom; return their names."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.M | re.S)
    assert len(blocks) >= least
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile("\n".join(blocks), str(page), "exec"), names)
    return names


def test_the_page_of_onnx_runs(tmp_path, monkeypatch, capsys):
    for name in ("pandas", "pyarrow", "onnxruntime"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    run_page(DOCS / "onnx.md", least=2)
    assert capsys.readouterr().out.splitlines() == ["[ True False  True]", "knn,gain True"]


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    for name in ("pandas", "pyarrow", "sklearn"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    names = run_page(DOCS / "python.md", least=5)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "[-1  1]"
    assert re.fullmatch(r"0: 10\.\d* to 1[45]\.\d* expected \(\d\d %\)", printed[2])
    assert printed[3] == "['load', 'temperature', 'state=busy', 'state=idle']"
    assert printed[4] == "[-1  1 -1]"
    assert printed[5] == "20"
    assert printed[6] == "[-1  1]"
    assert printed[-1] == "[-1] 10"
    assert (names["fleet"].predict(names["rows"][:3], groups=["a"] * 3) == [-1 if machine == "b" else 1 for machine in
                                                                             names["machine"][:3]]).all()
