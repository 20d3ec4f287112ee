"""One book in every mode: the compiled loop, one by one, plain Python and with bounds checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ledger.book import Book
from ledger.core import apply, apply_all
from ledger.vocabulary import Method, Outcome
from tests.arbitrary import Seeded, Stream
from tests.ledger.twin.comparison import columns_of, row_of
from tests.oracle import Oracle

pytestmark = pytest.mark.compiled

CHILD = """
import sys
import numpy as np
from ledger.book import Book
from ledger.core import apply
for number, path in enumerate(sys.argv[1:]):
    book = Book(method=number % 4)
    outcomes = [int(apply(book, row)) for row in np.load(path)]
    print(book.digest(), sum(outcome * (n + 1) for n, outcome in enumerate(outcomes)))
"""
STREAMS = 4


@pytest.fixture(scope="module")
def streams() -> list[np.ndarray]:
    """Event rows of seeded streams, refused ones among them; signals are left to the book."""
    result = []
    for number in range(STREAMS):
        book, twin = Book(method=Method(number % 4)), Oracle(number % 4)
        stream, rows = Stream(Seeded(1_000 + number), twin, edges=number == 3), []
        for event in stream.opening() + [None] * 150:
            row = row_of(event or stream.next())
            twin.apply(columns_of(row), apply(book, row))
            rows.append(row)
        result.append(np.array(rows))
    return result


@pytest.fixture(scope="module")
def digests(streams: list[np.ndarray]) -> list[str]:
    """`digest weighted-outcomes` of each stream, one event at a time in this process."""
    lines = []
    for number, rows in enumerate(streams):
        book = Book(method=Method(number % 4))
        outcomes = [int(apply(book, row)) for row in rows]
        lines.append(f"{book.digest()} {sum(outcome * (n + 1) for n, outcome in enumerate(outcomes))}")
    return lines


def test_the_compiled_loop_writes_the_same_book_as_one_event_at_a_time(streams: list[np.ndarray], digests: list[str]) -> None:
    for number, rows in enumerate(streams):
        book, done = Book(method=Method(number % 4)), 0
        while done < len(rows):
            done += apply_all(book, rows[done:])
            if done < len(rows):
                assert apply(book, rows[done]) != Outcome.APPLIED
                done += 1
        assert book.digest() == digests[number].split()[0]


@pytest.mark.slow  # With checked bounds the kernels are compiled once more, a minute when no cache is warm.
@pytest.mark.parametrize("mode", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_another_mode_of_the_compiler_writes_the_same_book(mode: str, streams: list[np.ndarray], digests: list[str], tmp_path: Path) -> None:
    paths = []
    for number, rows in enumerate(streams):
        paths.append(str(tmp_path / f"{number}.npy"))
        np.save(paths[-1], rows)
    root = str(Path(__file__).resolve().parents[2])
    child = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", CHILD, *paths],
        env=os.environ | {mode: "1", "PYTHONPATH": root}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    assert child.stdout.split("\n")[:-1] == digests
