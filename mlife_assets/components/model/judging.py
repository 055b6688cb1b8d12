"""Judging a challenger of the platform: the gate's window, its scoring models, the verdict.

Concept: with folds, the recipe is judged on the newest weeks against served scores, and its fit on everything mature
would serve. That fit itself is checked for what folds cannot show: that it works, that nothing gave its labels away,
that it scores like the newest fold's model. With a holdout, one model is judged and serves.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.out_of_sample import PlatformFacts
from mlife_assets.components.model.training_inputs import day_training_set, is_by_folds
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import Condition, Terms
from mlife_assets.core.training.judgement import GateRows, Human, Judgement, judge_model
from mlife_assets.core.training.training_set import first_gate_day
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.lifecycle.day import held_against, judged_by_folds, window_of_folds


def gate_window(platform: ModelPorts, day: date) -> GateWindow:
    """Return the gate's window of a day: the days of the challenger's folds on which a model served.

    Raises:
        GateClosedError: the folds of the day are not those of its challenger.
        NotEnoughEvidenceError: the served models have learned from every day of the window.
        NotFoundError: the day has no challenger.
    """
    model, version = platform.model, challenger_version(platform, day)
    if not is_by_folds(model):
        last = last_mature_exposure_day(day, model.label_step.maturity_days)
        first = first_gate_day(day, model)
        sentence = f"Judged by a holdout from {first} to {last}, of which the challenger has learned nothing."
        return GateWindow(first, last, sentence)
    facts = PlatformFacts(platform, day)
    if not facts.challenger_folds(version):
        raise GateClosedError(
            f"no folds of {version} were fitted for {day}; materialize fold_models of that day, then this again"
        )
    return window_of_folds(facts, version)


def judge_challenger(
    platform: ModelPorts,
    day: date,
    window: GateWindow,
    gate: GateRows,
    human: Human | None,
    *,
    also_required: Sequence[Condition] = (),
) -> Judgement:
    """Return the gate's verdict of the challenger of a day on rows of its window.

    Raises:
        InvalidInputError: the champion needs a missing column, or a row lies outside the window.
        NotEnoughEvidenceError: only one class in the training data.
    """
    if window.folds:
        facts, version = PlatformFacts(platform, day), challenger_version(platform, day)
        judged = judged_by_folds(facts, version, window, gate, human, also_required)
    else:
        judged = _by_holdout(platform, day, gate, human, also_required)
    sentences = (*judged.decision.sentences, window.sentence)
    return replace(judged, decision=replace(judged.decision, sentences=sentences))


def _by_holdout(
    platform: ModelPorts,
    day: date,
    gate: GateRows,
    human: Human | None,
    also_required: Sequence[Condition],
) -> Judgement:
    registry, version = platform.registry, challenger_version(platform, day)
    champion, changes = held_against(PlatformFacts(platform, day), version)
    return judge_model(
        registry.load(version),
        day_training_set(platform, day),
        gate,
        human,
        platform.model,
        Terms(day, also_required, champion is not None and not changes, changes),
        champion=None if champion is None else registry.load(champion),
        threads=platform.settings.cores,
    )
