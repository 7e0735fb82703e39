"""The code of docs/python.md, docs/python and docs/onnx.md runs, and prints what the comments behind its calls of print say."""
import pathlib
import re
import warnings

import pytest

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "python.md", *sorted((DOCS / "python").glob("*.md"))]


def code_of(page):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.M | re.S))


@pytest.mark.parametrize("page", [page for page in PAGES if code_of(page)], ids=lambda page: page.stem)
def test_the_page_runs(page, tmp_path, monkeypatch, capsys):
    for name in ("pandas", "pyarrow", "sklearn"):
        pytest.importorskip(name)
    for engine in ("pyod", "dask", "pyspark"):
        if engine in code_of(page):
            pytest.importorskip(engine)
    monkeypatch.chdir(tmp_path)
    expected = re.findall(r"^print\(.*\) +# (.*)$", code_of(page), flags=re.M)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for module in ("pyod", "dask", "pyspark"):
            warnings.filterwarnings("default", module=module)
        exec(compile(code_of(page), str(page), "exec"), {})
    assert capsys.readouterr().out.splitlines() == expected and expected


def test_the_page_of_onnx_runs(tmp_path, monkeypatch, capsys):
    for name in ("pandas", "pyarrow", "onnxruntime"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code_of(DOCS / "onnx.md"), "onnx.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["[ True False  True]", "knn,gain True"]


def test_every_page_is_linked():
    linked = re.findall(r"\]\((python/[a-z_]+\.md)\)", PAGES[0].read_text())
    assert sorted(linked) == [str(page.relative_to(DOCS)) for page in PAGES[1:]]
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"
