"""Large files: the audit from the shell, with planted faults found exactly; a million trades where there is time for it."""

from __future__ import annotations

import pytest

from benchmarks import rescue


def test_twenty_thousand_trades_are_audited_from_the_shell(tmp_path):
    assert rescue.audit(tmp_path, 20_000)


@pytest.mark.soak
def test_a_million_trades_are_audited_from_the_shell(tmp_path):
    assert rescue.audit(tmp_path, 1_000_000)
