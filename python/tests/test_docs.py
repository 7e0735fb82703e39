"""The code of docs/python.md runs, and does what its comments say."""
import pathlib
import re
import warnings

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/python.md"


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    for name in ("pandas", "pyarrow", "sklearn"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    assert len(blocks) >= 5
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
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
