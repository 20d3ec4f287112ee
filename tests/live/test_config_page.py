"""docs/paper.md says every key of a paper session with its default, and its example is a configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from live.config import Accumulate, Alarms, ConfigError, PaperConfig, Passive, RiskLimits, SecondNet, Timeouts, Windows, checked, read

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "paper.md").read_text("utf-8")
PARTS: list[Any] = [PaperConfig, Alarms, Windows, RiskLimits, Passive, Accumulate, SecondNet, Timeouts]


def rows() -> dict[str, list[str]]:
    """Return the defaults that the page gives, by key; a row may name several keys."""
    found: dict[str, list[str]] = {}
    for line in re.findall(r"^\| (`[^|]+) \| ?([^|]*?) ?\|", PAGE, re.M):
        keys, defaults = re.findall(r"`([^`]+)`", line[0]), [part.strip() for part in line[1].split(", ")]
        for at, key in enumerate(keys):
            found.setdefault(key, []).append(defaults[at] if len(defaults) == len(keys) else line[1])
    return found


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_stands_on_the_page_with_its_default(part: Any) -> None:
    told = rows()
    for field in msgspec.structs.fields(part):
        assert field.name in told, f"{part.__name__}.{field.name} is not in docs/paper.md"
        if isinstance(field.default, bool | int | float | str):
            text = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            assert (f"`{text}`" if text else "none") in told[field.name], f"{field.name}: the page says {told[field.name]}, the default is {text}"


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert example is not None
    (tmp_path / "paper.toml").write_text(example[1], "utf-8")
    config = read(tmp_path / "paper.toml")
    assert config.also == ("rsi_reversion n=3",) and config.passive == Passive(20.0, 2) and config.accumulate[0].at == "10:30"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"passive": Passive(lifetime_s=0.0)}, "lifetime_s above 0"), ({"passive": Passive(requotes=14)}, "requotes from 0 to 13"),
        ({"accumulate": (Accumulate("AAPL", at="25:00"),)}, "at '25:00'"), ({"accumulate": (Accumulate("NVDA"),)}, "NVDA"),
        ({"symbols": ()}, "name at least one"), ({"tasks": 0}, "tasks 0"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        checked(msgspec.structs.replace(PaperConfig(), **changes))
