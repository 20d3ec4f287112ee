"""Shared ground of the data tests: one good file, a calendar cache of its own, LEAN data when it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LEAN = ROOT.parent / "shared" / "data" / "lean"


@pytest.fixture(scope="session", autouse=True)
def calendar_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the calendar of the tests out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def lean() -> Path:
    """Return the folder of real data, or skip with the reason."""
    if not (LEAN / "daily").is_dir():
        pytest.skip("real LEAN data is absent: ../shared/data/lean, seen from the project root, is not there")
    return LEAN


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes bytes or text to a file and returns its path."""

    def write(content: bytes | str, name: str = "bars.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write
