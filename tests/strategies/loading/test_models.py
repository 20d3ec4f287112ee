"""Models from files: loaded only where they answer as they did, and a strategy like any other then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strategies
from strategies import models
from strategies.api import StrategyError, as_bars, parse_params
from strategies.causality import differences, signals
from strategies.features import NAMES, features
from strategies.timeframe import DAY_NS, HOUR_NS

pytestmark = pytest.mark.slow  # models are scikit-learn's; the kernels that feed them have tests of their own


def walk(size: int = 400, seed: int = 3) -> Any:
    draw = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(draw.normal(0, 0.01, size)))
    return as_bars(np.arange(1, size + 1) * DAY_NS, close, close * 1.01, close * 0.99, close, draw.uniform(1e5, 2e5, size))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.linear_model import LogisticRegression

    bars = walk()
    table = features(bars, 168 * HOUR_NS).T
    usable = np.isfinite(table).all(axis=1)[:-1]
    rising = (bars.close[1:] > bars.close[:-1])[usable]
    fitted = LogisticRegression(C=0.1, solver="newton-cholesky").fit(table[:-1][usable], rising)
    return models.save(fitted, tmp_path_factory.mktemp("model") / "trend.skops", table[:-1][usable])


def copy(saved: Path, folder: Path, **changes: Any) -> Path:
    """Return a copy of the model whose manifest says something else."""
    place = folder / saved.name
    place.write_bytes(saved.read_bytes())
    manifest = json.loads(saved.with_suffix(".json").read_text("utf-8"))
    place.with_suffix(".json").write_text(json.dumps({**manifest, **changes}), "utf-8")
    return place


def test_a_saved_model_is_a_strategy_that_sees_no_future(saved: Path) -> None:
    strategy, bars = strategies.get(str(saved)), walk(seed=5)
    params = parse_params(strategy, ["enter=0.52", "leave=0.5"])
    targets = signals(strategy, bars, params)[:, 0]
    assert {0.0, 1.0} <= set(targets[~np.isnan(targets)].tolist()) and np.isnan(targets[: strategy.warmup(params) - 1]).all()
    assert differences(strategy, bars, params, cuts=range(90, 400, 31)) == []


@pytest.mark.parametrize(("name", "other"), [("scikit-learn", "1.2.0"), ("numpy", "1.21.0")])
def test_another_version_is_refused_with_both_versions_and_the_fix(name: str, other: str, saved: Path, tmp_path: Path) -> None:
    place = copy(saved, tmp_path, versions={**models.versions(), name: other})
    with pytest.raises(StrategyError) as refused:
        strategies.get(str(place))
    text = str(refused.value)
    assert other in text and models.versions()[name] in text and f"Install {name}=={other}" in text and "save it again" in text


def test_eighty_two_models_of_another_library_are_all_refused(saved: Path, tmp_path: Path) -> None:
    """The disaster: none of them trades."""
    for number in range(82):
        (tmp_path / str(number)).mkdir()
        place = copy(saved, tmp_path / str(number), versions={**models.versions(), "scikit-learn": "1.5.2"})
        with pytest.raises(StrategyError, match=r"scikit-learn 1\.5\.2 and this is"):
            models.load(place)


def test_a_golden_row_that_is_answered_otherwise_refuses_the_model(saved: Path, tmp_path: Path) -> None:
    answers = json.loads(saved.with_suffix(".json").read_text("utf-8"))["answers"]
    place = copy(saved, tmp_path, answers=[*answers[:7], answers[7] + 1e-6, *answers[8:]])
    with pytest.raises(StrategyError, match=r"golden row 7 .*\(1 of 64 rows differ\)"):
        models.load(place)


def test_a_changed_file_other_features_no_manifest_and_no_file_are_refused(saved: Path, tmp_path: Path) -> None:
    place = copy(saved, tmp_path)
    place.write_bytes(place.read_bytes() + b"x")
    with pytest.raises(StrategyError, match="changed or replaced"):
        models.load(place)
    with pytest.raises(StrategyError, match="other features"):
        models.load(copy(saved, tmp_path, features=list(NAMES[:-1])))
    copy(saved, tmp_path, format=2)
    with pytest.raises(StrategyError, match="no manifest of format 1"):
        models.load(place)
    place.with_suffix(".json").unlink()
    with pytest.raises(StrategyError, match="no readable manifest"):
        models.load(place)
    with pytest.raises(StrategyError, match="there is no model"):
        strategies.get(str(tmp_path / "none.skops"))


class Strange:
    """A type that is not scikit-learn's."""

    def predict_proba(self, rows: Any) -> Any:
        return np.full((len(rows), 2), 0.5)


def test_a_type_that_is_not_scikit_learns_is_not_read(tmp_path: Path) -> None:
    place = models.save(Strange(), tmp_path / "strange.skops", np.zeros((3, len(NAMES))))
    with pytest.raises(StrategyError, match="Strange, which is not scikit-learn's"):
        models.load(place)


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="NAME.skops"):
        models.save(Strange(), tmp_path / "model.pkl", np.zeros((3, len(NAMES))))
