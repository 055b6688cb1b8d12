"""Out of sample: which model may be asked about which day, for a challenger, for a champion, and for what was served.

Concept: a model speaks for itself from the day on by which it had learned everything it knows; for the days before, the
folds of its training do. What was served is whoever served; before the first champion, that one's folds stand in. So a
champion that was promoted yesterday has a word on weeks that its own fit has learned from, and no row is scored by
what has seen it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.training import fold_scores
from mlife_assets.core.training.folds import Fold, in_succession, until
from mlife_assets.core.training.judgement import GateRows, Side
from mlife_assets.core.windows import add_days, run_time

FOLD_REPORT = "folds"


def fold_report(
    platform: ModelPlatform, day: date, model_version: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the report of the folds of a day's challenger, with those of challengers that the day had before.

    One of them may serve: it was promoted, and the day was trained again under other settings. Its folds are asked.
    """
    earlier = {version: one for version, one in _reported(platform, day).items() if version != model_version}
    return {"model_version": model_version, "folds": list(rows), "earlier": earlier}


def stored_folds(platform: ModelPlatform, day: date, model_version: str) -> tuple[Fold, ...]:
    """Return the folds of a challenger of a day; none when no report of the day has them."""
    return tuple(_fold(one) for one in _reported(platform, day).get(model_version, ()))


def all_folds(platform: ModelPlatform, day: date) -> tuple[Fold, ...]:
    """Return the folds of all challengers that a day had."""
    return tuple(_fold(one) for rows in _reported(platform, day).values() for one in rows)


def _fold(row: Mapping[str, Any]) -> Fold:
    return Fold(date.fromisoformat(row["first_day"]), row["model_version"], date.fromisoformat(row["trained_to"]))


def _reported(platform: ModelPlatform, day: date) -> dict[str, list[dict[str, Any]]]:
    try:
        report = platform.model_tables.read_report(FOLD_REPORT, day)
    except NotFoundError:
        return {}
    return {**report.get("earlier", {}), report["model_version"]: report["folds"]}


def folds_of(platform: ModelPlatform, model_version: str) -> tuple[Fold, ...]:
    """Return who is asked for a registered model: the folds of its training, then itself.

    A model that was judged on a holdout has no folds, and speaks for itself from the first day of the holdout on.
    """
    rows = [row for row in platform.registry.versions() if row["model_version"] == model_version]
    folds = [fold for row in rows[:1] for fold in stored_folds(platform, row["as_of_date"], model_version)]
    itself = fold_scores.itself(platform.registry.load(model_version), platform.model)
    return (*until(folds, itself.first_day), itself)


def served_folds(platform: ModelPlatform, day: date) -> tuple[Fold, ...]:
    """Return what was served as partition `day` decides, for all days on which anybody may be asked; none without one.

    A champion serves from the first run after its promotion on.
    """
    history = platform.registry.history(run_time(day))
    if not history:
        return ()
    reigns = []
    for reign in history:
        recorded = reign.since.date()
        begins = recorded if reign.since <= run_time(recorded) else add_days(recorded, 1)
        reigns.append((begins, folds_of(platform, reign.model_version)))
    return in_succession(folds_of(platform, history[0].model_version), reigns)


def fit_days_of_served(platform: ModelPlatform, day: date) -> list[date]:
    """Return the days on which the models were fitted that served until partition `day` decides."""
    served = {reign.model_version for reign in platform.registry.history(run_time(day))}
    return [row["as_of_date"] for row in platform.registry.versions() if row["model_version"] in served]


def side_of_folds(
    platform: ModelPlatform,
    version: str,
    folds: Sequence[Fold],
    gate: GateRows,
    known: Sequence[fold_scores.ScoredPart] = (),
) -> Side:
    """Return the probabilities of the gate's rows, each row by the registered model of its fold."""
    return fold_scores.side_of_folds(version, folds, gate, platform.model.roles, platform.scorer, known)


def scored_exposures(
    platform: ModelPlatform, folds: Sequence[Fold], gate: GateRows
) -> Sequence[fold_scores.ScoredPart]:
    """Return what the registered models of folds say of the gate's exposures."""
    days = gate.exposures[platform.model.roles.time].to_numpy().astype("datetime64[D]")
    return list(fold_scores.scored_parts(folds, gate.exposures, days, {}, platform.scorer))


def anchor_side(platform: ModelPlatform, version: str, gate: GateRows) -> Side:
    """Return how a registered model ranks the gate's rows on whose days anybody may be asked for it."""
    return fold_scores.anchor_side(version, folds_of(platform, version), gate, platform.scorer)
