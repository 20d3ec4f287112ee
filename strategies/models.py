"""Models from files: a fitted classifier as a strategy, loaded only where it answers as it did when it was saved.

Theory of operation. `save` writes two files: `NAME.skops`, the model in a format that runs no code
when it is read, and `NAME.json`, its manifest: the versions it was fitted with, the features it
expects, the hash of the model's file, and golden rows with the answers the model gave them.
`load` refuses, and says which and what to do, when the file was changed, holds a type that
scikit-learn does not own, was written by another scikit-learn or another numpy, expects other
features, or when one golden row is answered otherwise. So a model never trades under a
library that reads it differently.

`strategies.get("trend.skops")` is a strategy of such a file: long when the chance of rising is above
`enter`, flat below `leave`, mirrored with `allow_short`. Chances are rounded to nine decimals, because
a matrix product rounds by the number of its rows, and a strategy must not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strategies.api import Bars, Strategy, StrategyError, first_column
from strategies.features import LONGER_LOOKBACK, LOOKBACK, NAMES, features
from strategies.latch import latch
from strategies.timeframe import HOUR_NS

Floats = NDArray[np.float64]
FORMAT = 1
GOLDEN_MOST = 64
TOLERANCE = 1e-9
DIGITS = 9


class Params(NamedTuple):
    """Levels of the probability."""

    enter: float = 0.55
    leave: float = 0.5
    allow_short: int = 0


class Model(NamedTuple):
    """A model that answered its golden rows."""

    path: Path
    classifier: Any
    higher_hours: int
    bar_minutes: int
    versions: Mapping[str, str]


def versions() -> dict[str, str]:
    """Return the versions that decide how a model's file is read."""
    import sklearn
    import skops

    return {"scikit-learn": str(sklearn.__version__), "numpy": str(np.__version__), "skops": str(skops.__version__)}


def save(classifier: Any, path: Path | str, rows: Floats, *, higher_hours: int = 168, bar_minutes: int = 1440) -> Path:
    """Write a fitted classifier and its manifest; return the path of the model.

    Args:
        path: `NAME.skops`. rows: float64[n, len(features.NAMES)], rows the model has seen; the first 64 become golden.
        higher_hours: length of the longer bars of the features. bar_minutes: length of a bar.
    Raises:
        StrategyError: a wrong name, or rows of another width.
    """
    import skops.io

    place, golden = Path(path), np.ascontiguousarray(rows[:GOLDEN_MOST], np.float64)
    if place.suffix != ".skops" or golden.ndim != 2 or golden.shape[0] == 0 or golden.shape[1] != len(NAMES):
        raise StrategyError(f"{place}: a model is saved as NAME.skops with rows of the {len(NAMES)} features, not {golden.shape}")
    place.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(classifier, place)
    manifest = {
        "format": FORMAT, "sha256": _sha256(place), "versions": versions(), "features": list(NAMES), "higher_hours": higher_hours,
        "bar_minutes": bar_minutes, "rows": golden.tolist(), "answers": chances(classifier, golden).tolist(),
    }  # fmt: skip
    _manifest_path(place).write_text(json.dumps(manifest, indent=1), "utf-8")
    return place


def load(path: Path | str) -> Model:
    """Return a model that is what was saved, and answers as it did then.

    Raises:
        StrategyError: naming the file, what differs, and what to do.
    """
    import skops.io

    place = Path(path).expanduser()
    manifest = _manifest(place)
    if _sha256(place) != manifest["sha256"]:
        raise StrategyError(f"{place} is not the file its manifest describes: it was changed or replaced; save the model again")
    _require_versions(place, manifest["versions"])
    if manifest["features"] != list(NAMES):
        raise StrategyError(f"{place} was fitted on other features ({', '.join(manifest['features'])}); fit and save it again")
    strange = skops.io.get_untrusted_types(file=place)
    if strange:
        raise StrategyError(f"{place} holds {', '.join(strange)}, which is not scikit-learn's; such a file may run code and is not read")
    classifier = skops.io.load(place)
    _require_golden(place, classifier, manifest)
    return Model(place, classifier, int(manifest["higher_hours"]), int(manifest["bar_minutes"]), manifest["versions"])


def strategy(path: Path | str) -> Strategy:
    """Return the strategy of a model's file.

    Raises:
        StrategyError: as `load`.
    """
    model = load(path)

    def prepare(bars: Bars, params: Params) -> Floats:
        """Return float64[2, T]: the target, the chance of rising."""
        table = np.ascontiguousarray(features(bars, model.higher_hours * HOUR_NS).T)
        usable, chance = np.isfinite(table).all(axis=1), np.full(bars.close.size, np.nan)
        if usable.any():
            chance[usable] = chances(model.classifier, table[usable])
        up, down = 1.0 - params.enter, 1.0 - params.leave
        target = latch(
            chance > params.enter, chance < params.leave, chance < up, chance > down, params.allow_short, warmup(params) - 1
        )
        return np.stack([target, chance])

    def warmup(params: Params) -> int:
        """Return the bars that the slowest feature needs."""
        return max(LOOKBACK, -(-model.higher_hours * 60 // model.bar_minutes) * (LONGER_LOOKBACK + 2)) + 1

    return Strategy(
        name=model.path.stem, params=Params, prepare=prepare, on_bar=first_column, warmup=warmup, state_size=0, allow_short=True,
        summary=f"Long when the model of {model.path.name} gives a rise good odds.", check=_check,
        ranges={"enter": (0.5, 1), "leave": (0, 1), "allow_short": (0, 1)},
    )  # fmt: skip


def chances(classifier: Any, rows: Floats) -> Floats:
    """Return float64[n]: the chance of rising that a classifier gives each row, to nine decimals."""
    return np.round(np.asarray(classifier.predict_proba(rows), np.float64)[:, 1], DIGITS)


def _check(params: Params) -> str:
    return "" if params.leave <= params.enter else f"leave={params.leave:g} must not be above enter={params.enter:g}"


def _manifest_path(place: Path) -> Path:
    return place.with_suffix(".json")


def _manifest(place: Path) -> dict[str, Any]:
    """Return the manifest beside a model."""
    if not place.is_file():
        raise StrategyError(f"there is no model {place}; `strategies.models.save` writes one")
    try:
        found = json.loads(_manifest_path(place).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StrategyError(f"{place} has no readable manifest {_manifest_path(place).name} beside it: {error}; save it again") from error
    wanted = {"format", "sha256", "versions", "features", "higher_hours", "bar_minutes", "rows", "answers"}
    if not isinstance(found, dict) or set(found) != wanted or found["format"] != FORMAT:
        raise StrategyError(f"{_manifest_path(place)} is no manifest of format {FORMAT}; save the model again")
    return found


def _require_versions(place: Path, fitted: Mapping[str, str]) -> None:
    """Refuse a model of another scikit-learn, or of another minor version of numpy."""
    here = versions()
    for name, parts in (("scikit-learn", 9), ("numpy", 2)):  # numpy's third number changes no answer
        was, now = str(fitted.get(name, "an unknown version")), here[name]
        if was.split(".")[:parts] != now.split(".")[:parts]:
            raise StrategyError(
                f"{place} was saved with {name} {was} and this is {name} {now}: it might answer differently. "
                f"Install {name}=={was} for it, or fit and save it again under {now}"
            )


def _require_golden(place: Path, classifier: Any, manifest: Mapping[str, Any]) -> None:
    """Refuse a model that answers one of its golden rows otherwise than when it was saved."""
    rows, answers = np.array(manifest["rows"], np.float64), np.array(manifest["answers"], np.float64)
    now = chances(classifier, rows)
    wrong = np.flatnonzero(~(np.abs(now - answers) <= TOLERANCE))
    if wrong.size:
        at = int(wrong[0])
        raise StrategyError(
            f"{place} answers golden row {at} with {now[at]:.9f} and answered {answers[at]:.9f} when it was saved "
            f"({wrong.size} of {answers.size} rows differ); fit and save it again in this environment"
        )


def _sha256(place: Path) -> str:
    return hashlib.sha256(place.read_bytes()).hexdigest()
