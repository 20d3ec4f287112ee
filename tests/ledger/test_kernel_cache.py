"""The cache of compiled kernels: an edit reaches every caller, and only callers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger import kernel

FILES = {
    "leaf.py": "STEP = 1\n",
    "middle.py": "from leaf import (\n    STEP,\n)\n",
    "caller.py": "def late():\n    import middle\n    return middle\n",
    "stranger.py": "import os\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def hashes(folder: Path) -> dict[str, str]:
    kernel.sources.cache_clear()
    kernel.kernel_hash.cache_clear()
    return {name: kernel.kernel_hash(folder / name) for name in FILES}


@pytest.mark.parametrize(
    ("edited", "stale"),
    [
        ("leaf.py", {"leaf.py", "middle.py", "caller.py"}),
        ("middle.py", {"middle.py", "caller.py"}),
        ("stranger.py", {"stranger.py"}),
    ],
)
def test_an_edit_moves_the_cache_of_every_file_that_can_reach_it_and_of_no_other(
    folder: Path, edited: str, stale: set[str]
) -> None:
    before = hashes(folder)
    (folder / edited).write_text(FILES[edited] + "# edited\n")
    after = hashes(folder)
    assert {name for name in FILES if before[name] != after[name]} == stale


def test_the_core_is_compiled_from_its_kernels_and_not_from_the_rooms_above() -> None:
    names = {path.relative_to(kernel.ROOT).as_posix() for path in kernel.sources(kernel.ROOT / "ledger" / "core.py")}
    assert {"ledger/kernels/facts.py", "ledger/kernels/lots.py", "ledger/units.py", "ledger/vocabulary.py"} <= names
    assert not [name for name in names if not name.startswith("ledger/")]


def test_a_module_that_imports_itself_round_a_circle_is_hashed_once(folder: Path) -> None:
    (folder / "leaf.py").write_text("import caller\n")
    kernel.sources.cache_clear()
    assert len(kernel.sources(folder / "leaf.py")) == 3
