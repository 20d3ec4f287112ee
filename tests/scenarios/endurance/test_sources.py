"""The hash of the sources: the same as reading every file, and no change of a file escapes it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.journal import provenance
from ledger.journal.provenance import source_hash

ROOT = provenance.ROOT


def by_reading(root: Path) -> str:
    """Return the hash as the first release computed it."""
    found = list(root.glob("*.py"))
    for room in provenance.ROOMS:
        found += [path for suffix in ("py", "sql") for path in (root / room).rglob(f"*.{suffix}")]
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small source tree."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    texts = {"main.py": "a = 1", "ledger/core.py": "b = 2", "ledger/deep/er.sql": "SELECT 3", "live/x.py": "d = 4", "notes.sql": "no",
             "tests/t.py": "no", "ledger/readme.md": "no"}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def same_size_same_time(path: Path) -> None:
    before = path.stat()
    path.write_text("b = 7")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_file_in_its_place(path: Path) -> None:
    path.with_suffix(".new").write_text("b = 8")
    path.with_suffix(".new").replace(path)


CHANGES: list[Callable[[Path], object]] = [
    lambda path: path.write_text("b = 22"), lambda path: path.unlink(), lambda path: path.with_name("more.py").write_text(""),
    lambda path: path.rename(path.with_name("kore.py")), same_size_same_time, another_file_in_its_place,
]  # fmt: skip


def test_the_hash_is_that_of_every_file_read_in_order(tree: Path) -> None:
    assert source_hash() == by_reading(tree)
    (tree / "ledger" / "__pycache__").mkdir()
    assert source_hash() == by_reading(tree)


def test_the_hash_of_this_tree_is_that_of_every_file_read_in_order() -> None:
    assert source_hash() == by_reading(ROOT)


@pytest.mark.parametrize("change", CHANGES)
def test_no_change_of_a_source_escapes(tree: Path, change: Callable[[Path], object]) -> None:
    before = source_hash()
    assert source_hash() == before
    change(tree / "ledger" / "core.py")
    assert source_hash() != before and source_hash() == by_reading(tree)


def test_a_file_that_is_no_source_changes_nothing(tree: Path) -> None:
    before = source_hash()
    (tree / "ledger" / "readme.md").write_text("more")
    (tree / "tests" / "t.py").write_text("more")
    assert source_hash() == before
