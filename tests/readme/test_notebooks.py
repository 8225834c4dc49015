"""The notebooks of docs/tutorials run from their first cell to their last, and show what is saved in them."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.ipynb"))


def cells_of(notebook, kind):
    return [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def run_cell(code, names):
    """What a notebook shows of a cell: what it prints, and the value of its last line."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    return printed.getvalue(), value


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_shows_what_is_saved(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for cell in cells_of(notebook, "code"):
        printed, value = run_cell("".join(cell["source"]), names)
        saved = {output["output_type"]: output for output in cell["outputs"]}
        # Another Python has another documentation: the words are the same, the numbers are not.
        assert ("stream" in saved) == bool(printed)
        assert ("execute_result" in saved) == (value is not None)
        if hasattr(value, "_repr_html_"):
            page = "".join(saved["execute_result"]["data"]["text/html"])
            assert page.startswith("<div") and value._repr_html_().startswith("<div")
    assert names["guarded"].rows.tolist() != names["longest"].rows.tolist()
    assert len(names["guarded"]) == len(names["longest"]) == len(names["random"]) == 200


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_in_a_kernel(notebook, tmp_path, monkeypatch):
    """As a reader runs it: with a kernel of Jupyter."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    document = nbformat.read(notebook, 4)
    nbclient.NotebookClient(document, timeout=300, kernel_name="python3", cwd=str(tmp_path)).execute()
    shown = [output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output.output_type == "error"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda file: file.stem)
def test_its_links_lead_somewhere_and_it_names_no_place_of_the_author(notebook):
    text = "\n".join("".join(cell["source"]) for cell in cells_of(notebook, "markdown"))
    for target in re.findall(r"\]\(([^)#\s]*)", text):
        assert (notebook.parent / target).exists(), target
    everything = notebook.read_text("utf-8")
    assert str(REPOSITORY) not in everything and os.path.expanduser("~/") not in everything  # noqa: PTH111


def test_there_is_one():
    assert [file.stem for file in NOTEBOOKS] == ["first-selection"]
