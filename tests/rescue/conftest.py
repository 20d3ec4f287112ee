"""Audits of files that tests write, by the same door that people use."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.rescue.audit import Audited, run
from ledger.rescue.readers import open_file
from ledger.rescue.schema import Options, legacy_of


def audited(path: Path, calendar=None, **options) -> Audited:
    """Read a file and audit it."""
    with open_file(path) as source:
        return run(legacy_of(source, Options(**options)), calendar)


def found(path: Path, audit: str, **options):
    """Return the findings of one audit."""
    return [finding for finding in audited(path, **options).findings if finding.audit == audit]


@pytest.fixture
def database(tmp_path):
    return tmp_path / "trading_data.db"
