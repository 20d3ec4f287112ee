"""The notebooks run, and print what they are committed with.

Theory of operation. Each notebook is executed by a fresh kernel in an empty folder. Its texts must be those in the
file: a notebook whose outputs are old is a lie with a picture. Pictures must be there; their bytes belong to the
drawing library, and a cell with the tag `varies` shows a drawing in text that may be drawn otherwise. `ONEBOOK_WRITE_NOTEBOOKS=1 pytest tests/test_notebooks.py` writes new outputs into the files.
"""

from __future__ import annotations

import asyncio
import os
import re
from itertools import groupby
from pathlib import Path

import nbformat
import pytest
from tests.test_architecture import banned_text

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WRITE = bool(os.environ.get("ONEBOOK_WRITE_NOTEBOOKS"))


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return the notebook as a fresh kernel leaves it."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    asyncio.run(client.async_execute())
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran is nobody's business
    return notebook


def texts(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Return what each code cell printed or showed: texts as they are, pictures as a word."""
    return [
        ["varies"] * bool(cell.outputs) if "varies" in cell.metadata.get("tags", []) else joined(cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def joined(outputs: list[nbformat.NotebookNode]) -> list[str]:
    """Return what outputs show; a stream is one text, in however many pieces a busy machine sent it."""
    found = []
    for name, group in groupby(outputs, lambda output: output.get("name", "")):
        pieces = [shown(output) for output in group]
        found += [f"{name}: {''.join(pieces)}"] if name else pieces
    return found


def shown(output: nbformat.NotebookNode) -> str:
    if output.output_type == "stream":
        return str(output.text)
    assert output.output_type != "error", output.traceback
    return "picture" if "image/png" in output.data else output.data["text/plain"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_it_is_committed_with(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    found = executed(path, tmp_path)
    if WRITE:
        nbformat.write(found, path)
    committed = nbformat.read(path, as_version=4)
    assert texts(found) == texts(committed)
    assert [cell.execution_count for cell in committed.cells if cell.cell_type == "code"] == list(range(1, len(texts(committed)) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asks_answers_and_remarks(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert cells[0][1].startswith("# ") and sum(source.startswith("## ") for _, source in cells) >= 5
    assert cells[-1][0] == "markdown" or cells[-2][1].startswith("## "), "it ends with an answer or a remark"
    assert all(cell.outputs for cell in notebook.cells if cell.cell_type == "code"), "every answer is shown"
    assert list(banned_text(path.read_text(encoding="utf-8"), path.name)) == []
    assert not re.search(r"/site-packages/|/python3", path.read_text(encoding="utf-8"))


def test_there_are_three_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["1-does-it-work", "2-can-it-buy-twice", "3-why-did-paper-differ"]


def test_a_text_that_came_in_pieces_is_the_text():
    def stream(text, name="stdout"):
        return nbformat.v4.new_output("stream", name=name, text=text)

    assert joined([stream("a"), stream("b\n"), stream("c", "stderr")]) == joined([stream("ab\n"), stream("c", "stderr")]) == ["stdout: ab\n", "stderr: c"]
