"""The runners that stand ready are made of the intact code, before any test takes a part of it away."""

from __future__ import annotations

import pytest

from tests.scenarios.fuzz.stage.standing import standing


@pytest.fixture(autouse=True, scope="session")
def _stand() -> None:
    standing()
