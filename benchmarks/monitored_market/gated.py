"""Retraining on the monitored market as the platform does: folds, a fit on everything mature, the gate, a promotion.

Concept: what the assets of the group `model` do, with the same functions and policies, without Dagster. Bypassed are
the audit of fairness, which can only refuse, rankings by a panel (the recruiters' rule stands for people), searches.
What a model holds follows from the day, so whoever asks for a day gets the model that was fitted first; what was known
until the day on which branches part is known to all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model_events import Reign, anchor_of
from mlife_assets.core.monitoring.opening import Opening, opening
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import anchor_side, itself, side_of_folds, simple_of_folds
from mlife_assets.core.training.folds import Fold, fold_starts, in_common, in_succession, rows_by_fold, until
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.judgement import Judgement, judge
from mlife_assets.core.training.manifest_facts import last_trained_day
from mlife_assets.core.training.prequential import JudgedFold, fold_conditions, newest_week, recipe_conditions
from mlife_assets.core.training.recipes import policy_as_of
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.recruiting.cohort import CohortDay, ranked_cohort
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from monitored_market.champion import learned_from
from monitored_market.gate_inputs import applies, gate_rows, shown
from monitored_market.marts import MonitoredMarket

Fitted = dict[tuple[date, frozenset[date], float], str]


@dataclass
class Models:
    """Models of one history by content, and what is remembered of them.

    Attributes:
        policies: of everything.
        artifacts: by version, of this history and of all its branches.
        folds: version -> the folds of its training.
        shared_until: what was known by this day is the same in all branches; None before a branch.
    """

    policies: Policies
    artifacts: dict[str, ModelArtifact] = field(default_factory=dict)
    folds: dict[str, tuple[Fold, ...]] = field(default_factory=dict)
    shared_until: date | None = None
    _shared: Fitted = field(default_factory=dict)
    _own: Fitted = field(default_factory=dict)
    _conditions: dict[tuple[str, date, int], tuple[Condition, ...]] = field(default_factory=dict)
    _cohorts: dict[date, CohortDay] = field(default_factory=dict)
    _scorers: dict[str, LightGBMScorer] = field(default_factory=dict)

    def branch(self, day: date) -> Models:
        """Return models of another future from a day on; what was known by then stays in common."""
        return replace(
            self,
            folds=dict(self.folds),
            shared_until=day,
            _own={},
            _conditions=dict(self._conditions),
            _cohorts=dict(self._cohorts),
        )

    def fitted(
        self,
        market: MonitoredMarket,
        known_on: date,
        faulty: Collection[date] = (),
        since: date | None = None,
        decisions: Sequence[RetrainDecision] = (),
    ) -> ModelArtifact:
        """Return the model of what was known on a day, fitted once; the governor's decisions say how in a drift.

        Raises:
            NotEnoughEvidenceError: too little was known.
        """
        policy = policy_as_of(self.policies.training, decisions, known_on, self.policies.retrain)
        key = (known_on, frozenset(day for day in faulty if day < known_on), policy.half_life_days)
        held = self._shared if self.shared_until is None or known_on <= self.shared_until else self._own
        if since is None and key in held:
            return self.artifacts[held[key]]
        training = learned_from(market, self.policies, known_on, since=since, faulty=key[1])
        model = job_applications(self.policies)
        artifact = fit_model(training, policy, simple_columns=model.simple_columns)
        self.artifacts[artifact.model_version] = artifact
        if since is None:
            held[key] = artifact.model_version
        return artifact

    def challenger(
        self,
        market: MonitoredMarket,
        faulty: Collection[date],
        decisions: Sequence[RetrainDecision] = (),
        reigns: Sequence[Reign] = (),
    ) -> ModelArtifact:
        """Return the fit on everything mature this morning, with its folds; reigns say when what served was fitted.

        Raises:
            NotEnoughEvidenceError: too little is known, or was on the morning of the newest fold.
        """
        serving = self.fitted(market, market.day, faulty, decisions=decisions)
        promotion, maturity = self.policies.promotion, self.policies.label.apply_window_days
        found: list[Fold] = []
        fitted_on = [one.since.date() for one in reigns]
        for first in reversed(fold_starts(market.day, maturity, promotion.gate_weeks, fitted_on)):
            try:
                artifact = self.fitted(market, first, faulty, decisions=decisions)
            except NotEnoughEvidenceError:
                if not found:
                    raise
                break
            found.append(Fold(first, artifact.model_version, last_trained_day(artifact.manifest)))
        self.folds[serving.model_version] = tuple(found[::-1])
        return serving

    def folds_of(self, version: str) -> tuple[Fold, ...]:
        """Return who is asked for a model: the folds of its training, then itself."""
        own = itself(self.artifacts[version], job_applications(self.policies))
        return (*until(self.folds[version], own.first_day), own)

    def scorer(self, version: str) -> LightGBMScorer:
        """Return the scorer of a version."""
        if version not in self._scorers:
            self._scorers[version] = LightGBMScorer(self.artifacts[version], threads=self.policies.training.threads)
        return self._scorers[version]

    def cohort(self, market: MonitoredMarket, day: date) -> CohortDay:
        """Return who applied to what on a past day, once it is mature."""
        if day not in self._cohorts:
            window = self.policies.label.apply_window_days
            self._cohorts[day] = ranked_cohort(
                *market.mornings[day],
                applies(market, day, add_days(day, window)),
                shown(market, day, add_days(day, window)),
                as_of=day,
                window_days=window,
                policy=self.policies.candidates,
            )
        return self._cohorts[day]

    def conditions(
        self, market: MonitoredMarket, fold: Fold, rows: pa.Table, faulty: Collection[date]
    ) -> tuple[Condition, ...]:
        """Return the conditions of one fold alone; the same fold on the same rows is looked at once."""
        key = (fold.model_version, fold.first_day, rows.num_rows)
        if key not in self._conditions:
            training = learned_from(market, self.policies, fold.first_day, faulty=_before(faulty, fold.first_day))
            model = job_applications(self.policies)
            self._conditions[key] = fold_conditions(self.artifacts[fold.model_version], training, rows, model)
        return self._conditions[key]


@dataclass(frozen=True, eq=False)
class Asked:
    """What a gate was asked.

    Attributes:
        judgement: its verdict.
        opened: why the challenger need not have won; None where it had to.
    """

    judgement: Judgement
    opened: Opening | None

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger may serve."""
        return self.judgement.decision.is_promoted


def begins_to_serve(reign: Reign) -> date:
    """Return the day of the first run after a promotion."""
    recorded = reign.since.date()
    return recorded if reign.since <= run_time(recorded) else add_days(recorded, 1)


def judged(
    market: MonitoredMarket,
    models: Models,
    challenger: ModelArtifact,
    reigns: list[Reign],
    not_inferior: Collection[str],
    decisions: list[RetrainDecision],
    faulty: Collection[date],
) -> Asked:
    """Return the gate's verdict of a challenger of this morning.

    Args:
        market: as of this morning.
        models: with the folds of the challenger.
        challenger: the fit on everything mature.
        reigns: who served since when, oldest first, at least one.
        not_inferior: versions that were promoted as not inferior.
        decisions: of the governor, that of this morning included.
        faulty: days whose quality report failed.

    Raises:
        NotEnoughEvidenceError: nothing can be judged.
    """
    model, version = job_applications(models.policies), challenger.model_version
    reigned = [(begins_to_serve(one), models.folds_of(one.model_version)) for one in reigns]
    served = in_succession(models.folds_of(reigns[0].model_version), reigned)
    last = last_mature_exposure_day(market.day, model.maturity_days)
    folds, within = in_common(models.folds[version], served, last)
    gate, human = gate_rows(market, models.policies, folds[0].first_day, faulty, lambda day: models.cohort(market, day))
    exposed = gate.exposures[model.roles.time].to_numpy().astype("datetime64[D]")
    parts = [(fold, gate.exposures.take(pa.array(own))) for fold, own in rows_by_fold(folds, exposed)]
    required = recipe_conditions(
        challenger,
        learned_from(market, models.policies, market.day, faulty=_before(faulty, market.day)),
        [
            JudgedFold(
                fold.model_version,
                fold.trained_to,
                fold.first_day,
                np.zeros(0),
                models.conditions(market, fold, rows, faulty),
            )
            for fold, rows in parts
        ],
        models.artifacts[parts[-1][0].model_version],
        newest_week(gate.exposures, model.roles),
        gate.exposures,
        model,
    )
    champion, opened = reigns[-1].model_version, opening(decisions, market.day, models.policies.retrain)
    anchor = anchor_of(reigns, not_inferior) if opened is not None else None
    judgement = judge(
        gate,
        side_of_folds(version, folds, gate, model.roles, models.scorer),
        side_of_folds(champion, within, gate, model.roles, models.scorer),
        human,
        model,
        as_of=market.day,
        required=required,
        opened_by=None if opened is None else opened.clause,
        anchor=None if anchor is None else anchor_side(anchor, models.folds_of(anchor), gate, models.scorer),
        alone=anchor_side(champion, models.folds_of(champion), gate, models.scorer),
        simple=simple_of_folds(folds, gate, models.artifacts.__getitem__),
    )
    return Asked(judgement, opened)


def _before(faulty: Collection[date], day: date) -> frozenset[date]:
    return frozenset(one for one in faulty if one < day)
