"""Judging a challenger of the platform: the gate's window, who is asked about it, the verdict.

Concept: by folds, the recipe is judged on the newest weeks against what was served in them, and what would serve is its
fit on everything mature. Of that fit itself is asked what folds cannot say: that it works, that nothing gave its labels
away, that it scores as the newest fold's model does. By a holdout, one model is judged and serves.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.out_of_sample import (
    anchor_side,
    scored_exposures,
    served_folds,
    side_of_folds,
    stored_folds,
)
from mlife_assets.components.model.retrain_decision import gate_opening
from mlife_assets.components.model.training_inputs import (
    TrainingMarts,
    day_training_set,
    is_by_folds,
    training_marts,
)
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.errors import GateClosedError, NotEnoughEvidenceError
from mlife_assets.core.model_events import PROMOTION_KIND, anchor_of
from mlife_assets.core.training.fold_scores import ScoredPart, at_places, simple_of_folds
from mlife_assets.core.training.folds import Fold, in_common, speaking
from mlife_assets.core.training.gate import NON_INFERIORITY, Condition
from mlife_assets.core.training.judgement import GateRows, Human, Judgement, judge, judge_model
from mlife_assets.core.training.prequential import (
    JudgedFold,
    fold_conditions,
    newest_week,
    recipe_conditions,
)
from mlife_assets.core.training.training_set import first_gate_day
from mlife_assets.core.windows import last_mature_exposure_day, mature_day


@dataclass(frozen=True)
class GateWindow:
    """What the gate of a day looks at.

    Attributes:
        first_day: of the window.
        last_day: the newest mature day.
        folds: who is asked for the challenger; none by a holdout.
        served: who is asked for what was served; none by a holdout, and before the first champion.
        sentence: how is judged, in words.
    """

    first_day: date
    last_day: date
    folds: tuple[Fold, ...]
    served: tuple[Fold, ...]
    sentence: str

    @property
    def facts(self) -> dict[str, Any]:
        """What a report says of it."""
        return {
            "judged_by": "folds" if self.folds else "holdout",
            "first_gate_day": self.first_day,
            "last_gate_day": self.last_day,
            "folds": [asdict(fold) for fold in self.folds],
            "served": [asdict(fold) for fold in self.served],
        }


def gate_window(platform: ModelPlatform, day: date) -> GateWindow:
    """Return what the gate of a day looks at: the days of the challenger's folds on which anything was served.

    Raises:
        GateClosedError: the folds of the day are not those of its challenger.
        NotEnoughEvidenceError: what was served has learned from every day of the window.
        NotFoundError: the day has no challenger.
    """
    model, version = platform.model, challenger_version(platform, day)
    last = last_mature_exposure_day(day, model.maturity_days)
    if not is_by_folds(model):
        first = first_gate_day(day, model)
        sentence = f"Judged by a holdout from {first} to {last}, of which the challenger has learned nothing."
        return GateWindow(first, last, (), (), sentence)
    folds = stored_folds(platform, day, version)
    if not folds:
        raise GateClosedError(
            f"no folds of {version} were fitted for {day}; materialize fold_models of that day, then this again"
        )
    served = served_folds(platform, day)
    against = "against what was served on its days" if served else "before anything was served"
    kept, within = in_common(folds, served, last)
    first = kept[0].first_day
    if first > last:
        until = mature_day(first, model.maturity_days)
        raise NotEnoughEvidenceError(
            f"the gate of {day} judges days until {last}, and {served[0].model_version}, which was served, may be "
            f"asked from {first} on, since it has learned from earlier ones; wait until {until}"
        )
    sentence = (
        f"Judged by {len(kept)} folds from {first} to {last}: each by the recipe fitted on what was known when it "
        f"began, {against}. What would serve is its fit on everything mature."
    )
    both = zip(speaking(kept, first, last), speaking(within, first, last), strict=True)
    if alike := sum(left == right for left, right in both):
        sentence += f" On {alike} of {(last - first).days + 1} days both sides are one model, so they cannot differ."
    if first > folds[0].first_day:
        sentence += f" Before {first} nobody may be asked what was served."
    return GateWindow(first, last, kept, within, sentence)


def judge_challenger(
    platform: ModelPlatform,
    day: date,
    window: GateWindow,
    gate: GateRows,
    human: Human | None,
    *,
    also_required: Sequence[Condition] = (),
) -> Judgement:
    """Return the gate's verdict of the challenger of a day on rows of its window.

    Raises:
        InvalidInputError: the champion needs a column that is not there, or a row lies outside of the window.
        NotEnoughEvidenceError: only one class to learn from.
    """
    if window.folds:
        judged = _by_folds(platform, day, window, gate, human, also_required)
    else:
        judged = _by_holdout(platform, day, gate, human, also_required)
    sentences = (*judged.decision.sentences, window.sentence)
    return replace(judged, decision=replace(judged.decision, sentences=sentences))


def _by_holdout(
    platform: ModelPlatform,
    day: date,
    gate: GateRows,
    human: Human | None,
    also_required: Sequence[Condition],
) -> Judgement:
    registry = platform.registry
    champion, opened_by, anchor = _held_against(platform, day)
    return judge_model(
        registry.load(challenger_version(platform, day)),
        day_training_set(platform, day),
        gate,
        human,
        platform.model,
        as_of=day,
        champion=None if champion is None else registry.load(champion),
        threads=platform.settings.cores,
        also_required=also_required,
        opened_by=opened_by,
        anchor=None if anchor is None or anchor == champion else registry.load(anchor),
    )


def _by_folds(
    platform: ModelPlatform,
    day: date,
    window: GateWindow,
    gate: GateRows,
    human: Human | None,
    also_required: Sequence[Condition],
) -> Judgement:
    model, registry, version = platform.model, platform.registry, challenger_version(platform, day)
    champion, opened_by, anchor = _held_against(platform, day)
    artifact = registry.load(version)
    parts = scored_exposures(platform, window.folds, gate)
    fitted_on = {fold.model_version: fold.first_day for fold in stored_folds(platform, day, version)}
    marts = training_marts(platform)
    marts.rest()  # rows were scored, so their matrices are what is read from now on
    required = (
        *also_required,
        *recipe_conditions(
            artifact,
            marts.training_set(day),
            [_judged_fold(marts, part, fitted_on[part.fold.model_version], gate.exposures) for part in parts],
            registry.load(parts[-1].fold.model_version),
            newest_week(gate.exposures, model.roles),
            gate.exposures,
            model,
        ),
    )
    return judge(
        gate,
        side_of_folds(platform, version, window.folds, gate, parts),
        None if champion is None else side_of_folds(platform, champion, window.served, gate, parts),
        human,
        model,
        as_of=day,
        required=required,
        opened_by=opened_by,
        anchor=None if anchor is None else anchor_side(platform, anchor, gate),
        alone=None if champion is None else anchor_side(platform, champion, gate),
        simple=simple_of_folds(window.folds, gate, registry.load),
    )


def _held_against(platform: ModelPlatform, day: date) -> tuple[str | None, str | None, str | None]:
    """Return the champion, why a challenger that is not inferior may replace it, and the model that won last.

    The last one only where it is asked for: with a reason. It may be the champion, which by folds is then held against
    the challenger alone as well: what was served before it is part of what the champion's side says.
    """
    champion = platform.registry.champion_at(platform.run_time(day))
    opened = None if champion is None else gate_opening(platform, day)
    anchor = None if opened is None else anchor_version(platform, day)
    return champion, None if opened is None else opened.clause, anchor


def _judged_fold(marts: TrainingMarts, part: ScoredPart, fitted_on: date, exposures: pa.Table) -> JudgedFold:
    fold, rows = part.fold, at_places(exposures, part.places)
    artifact, scored = marts.platform.registry.load(fold.model_version), (part.matrix, part.scores)
    conditions = fold_conditions(artifact, marts.training_set(fitted_on), rows, marts.platform.model, scored)
    marts.rest()  # copies are looked for among all that it learned from
    return JudgedFold(fold.model_version, fold.trained_to, fold.first_day, np.zeros(0), conditions)


def anchor_version(platform: ModelPlatform, day: date) -> str | None:
    """Return the version that won last, or served first, as of the run of partition `day`; None without a champion."""
    now = platform.run_time(day)
    verdicts = [row for row in platform.model_events("promotion_decided", end=day) if row["observed_at"] <= now]
    kinds = {row["model_version"]: row[PROMOTION_KIND] for row in verdicts if row["outcome"] == "promoted"}
    not_inferior = {version for version, kind in kinds.items() if kind == NON_INFERIORITY}
    return anchor_of(platform.registry.history(now), not_inferior)
