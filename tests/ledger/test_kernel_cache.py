"""The cache of compiled kernels: an edit reaches every caller, and only callers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
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


def forget() -> None:
    """Forget what was read of the files before they were edited."""
    for kept in (kernel._files, kernel._imported, kernel.sources, kernel.kernel_hash):
        kept.cache_clear()


def hashes(folder: Path) -> dict[str, str]:
    forget()
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
    assert {"ledger/kernels/facts.py", "ledger/kernels/executions.py", "ledger/kernels/lots.py", "ledger/units.py", "ledger/vocabulary.py"} <= names
    assert not [name for name in names if not name.startswith("ledger/")]


def test_a_module_that_imports_itself_round_a_circle_is_hashed_once(folder: Path) -> None:
    (folder / "leaf.py").write_text("import caller\n")
    forget()
    assert len(kernel.sources(folder / "leaf.py")) == 3


SHARED = """
from ledger.kernel import jit

@jit
def double(pair):
    return 2 * pair.a
"""
STRANGER = """
from typing import NamedTuple
import shared

class Pair(NamedTuple):
    a: int

class Other(NamedTuple):
    a: int

answers = shared.double(Pair(1)), shared.double(Other(2))
hits = sum(shared.double.stats.cache_hits.values())
"""


def run(code: str, folder: Path, *places: Path) -> str:
    environment = {**os.environ, "ONEBOOK_KERNELS": str(folder / "kernels"), "PYTHONPATH": os.pathsep.join(map(str, places))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.compiled
def test_a_version_for_a_strangers_type_is_found_again_and_is_in_nobody_elses_way(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, name, text in ((ours, "shared", SHARED), (theirs, "stranger", STRANGER)):
        folder.mkdir()
        (folder / f"{name}.py").write_text(text)
    ask = "import stranger; print(stranger.answers, stranger.hits)"
    assert run(ask, tmp_path, kernel.ROOT, ours, theirs) == "(2, 4) 0"
    assert run(ask, tmp_path, kernel.ROOT, ours, theirs) == "(2, 4) 2"
    # Without the stranger's folder on the path, what is kept for others must still be readable.
    other = "import collections, shared; P = collections.namedtuple('P', 'a'); print(shared.double(P(5)))"
    assert run(other, tmp_path, kernel.ROOT, ours) == "10"
    (theirs / "stranger.py").write_text(STRANGER.replace("class Other", "class Another").replace("Other(2)", "Another(3)"))
    assert run(ask, tmp_path, kernel.ROOT, ours, theirs) == "(2, 6) 0"


@pytest.mark.compiled
def test_one_file_imported_under_two_names_keeps_two_sets_of_code(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "mine.py").write_text(SHARED + "import typing\nclass Own(typing.NamedTuple):\n    a: int\n")
    for name, place in (("mine", tmp_path / "package"), ("package.mine", tmp_path), ("mine", tmp_path / "package")):
        code = f"from {name} import Own, double; print(double(Own(4)))"
        assert run(code, tmp_path, kernel.ROOT, place) == "8"


@pytest.mark.compiled
def test_a_function_typed_into_a_console_is_compiled_and_not_kept(tmp_path: Path) -> None:
    code = "from ledger.kernel import jit\n@jit\ndef three(x):\n    return 3 * x\nprint(three(7), hasattr(three, 'py_func'))"
    assert run(code, tmp_path, kernel.ROOT) == "21 True"


def plain_sources(path: Path) -> set[Path]:
    """Return what `sources` must find, with every name looked up in every place, again for every file."""
    found, open_files = {path}, [path]
    while open_files:
        here = open_files.pop()
        for package, names, plain in kernel.IMPORT.findall(here.read_text("utf-8")):
            modules = {plain or package, *(f"{package}.{name}" for name in re.findall(r"\w+", names) if package)}
            for module in modules:
                places = [home / f"{module.replace('.', '/')}{end}" for home in (kernel.ROOT, here.parent) for end in (".py", "/__init__.py")]
                new = [place for place in places if place.is_file() and place not in found]
                found.update(new)
                open_files += new
    return found


@pytest.mark.parametrize("path", ["ledger/core.py", "ledger/units.py", "sim/sweep/core/kernels.py", "sim/run.py", "strategies/columnar.py"])
def test_the_files_found_by_remembering_are_those_found_by_looking_everywhere(path: str) -> None:
    assert set(kernel.sources(kernel.ROOT / path)) == plain_sources(kernel.ROOT / path)
