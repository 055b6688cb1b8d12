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
from functools import partial

import pyarrow as pa

from mlife_assets.core.model import Model
from mlife_assets.core.model_events import Reign
from mlife_assets.core.monitoring.opening import Opening, opening
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import ScoredPart
from mlife_assets.core.training.folds import Fold, fold_starts
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.judgement import Judgement
from mlife_assets.core.training.manifest_facts import last_trained_day
from mlife_assets.core.training.prequential import fold_conditions
from mlife_assets.core.training.recipes import policy_as_of
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.core.windows import add_days
from mlife_assets.lifecycle.day import folds_fitted, judged_by_folds, window_of_folds
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
        conditions: of folds alone, by version, first day and number of rows.
        shared_until: what was known by this day is the same in all branches; None before a branch.
    """

    policies: Policies
    artifacts: dict[str, ModelArtifact] = field(default_factory=dict)
    folds: dict[str, tuple[Fold, ...]] = field(default_factory=dict)
    shared_until: date | None = None
    _shared: Fitted = field(default_factory=dict)
    _own: Fitted = field(default_factory=dict)
    conditions: dict[tuple[str, date, int], tuple[Condition, ...]] = field(default_factory=dict)
    _cohorts: dict[date, CohortDay] = field(default_factory=dict)
    _scorers: dict[str, LightGBMScorer] = field(default_factory=dict)

    def branch(self, day: date) -> Models:
        """Return models of another future from a day on; what was known by then stays in common."""
        return replace(
            self,
            folds=dict(self.folds),
            shared_until=day,
            _own={},
            conditions=dict(self.conditions),
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
        artifact = fit_model(training, policy, simple_columns=self.model.simple_columns)
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
        starts = fold_starts(market.day, maturity, promotion.gate_weeks, [one.since.date() for one in reigns])
        fits, _ = folds_fitted(starts, lambda first: (first, self.fitted(market, first, faulty, decisions=decisions)))
        self.folds[serving.model_version] = tuple(
            Fold(first, one.model_version, last_trained_day(one.manifest)) for first, one in fits
        )
        return serving

    @property
    def model(self) -> Model:
        """The declaration."""
        return job_applications(self.policies)

    def load(self, version: str) -> ModelArtifact:
        """Return a model."""
        return self.artifacts[version]

    def trained_folds(self, version: str) -> tuple[Fold, ...]:
        """Return the folds of its training."""
        return self.folds[version]

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


@dataclass(frozen=True, eq=False)
class Morning:
    """What is known on a morning of the market, as the lifecycle asks for it.

    Attributes:
        market: as of this morning.
        models: with the folds of the challenger.
        reigns: who served since when, oldest first, at least one.
        lost: versions that were promoted as not inferior.
        past: decisions of the governor, that of this morning included.
        faulty: days whose quality report failed.
    """

    market: MonitoredMarket
    models: Models
    reigns: Sequence[Reign]
    lost: Collection[str]
    past: Sequence[RetrainDecision]
    faulty: Collection[date]

    @property
    def day(self) -> date:
        """This morning."""
        return self.market.day

    def champions(self) -> Sequence[Reign]:
        """Return who served since when."""
        return self.reigns

    def not_inferior(self) -> Collection[str]:
        """Return the versions that were promoted as not inferior."""
        return self.lost

    def decisions(self) -> Sequence[RetrainDecision]:
        """Return the governor's decisions."""
        return self.past

    def challenger_folds(self, version: str) -> tuple[Fold, ...]:
        """Return the folds of the challenger."""
        return self.models.folds[version]

    def training_set(self, known_on: date | None = None) -> TrainingSet:
        """Return what the fit of the morning, or of an earlier one, learns from."""
        day = known_on or self.day
        return learned_from(self.market, self.models.policies, day, faulty=_before(self.faulty, day))

    def conditions(self, part: ScoredPart, fitted_on: date, rows: pa.Table) -> tuple[Condition, ...]:
        """Return the conditions of one fold alone; the same fold on the same rows is looked at once."""
        version, held = part.fold.model_version, self.models.conditions
        key = (version, part.fold.first_day, rows.num_rows)
        if key not in held:
            artifact, scored = self.models.artifacts[version], (part.matrix, part.scores)
            held[key] = fold_conditions(artifact, self.training_set(fitted_on), rows, self.models.model, scored)
        return held[key]


def judged(morning: Morning, version: str) -> Asked:
    """Return the gate's verdict of a challenger of a morning.

    Raises:
        NotEnoughEvidenceError: nothing can be judged.
    """
    market, models = morning.market, morning.models
    window = window_of_folds(morning, version)
    cohort = partial(models.cohort, market)
    gate, human = gate_rows(market, models.policies, window.first_day, morning.faulty, cohort)
    opened = opening(morning.past, market.day, models.policies.retrain)
    return Asked(judged_by_folds(morning, version, window, gate, human), opened)


def _before(faulty: Collection[date], day: date) -> frozenset[date]:
    return frozenset(one for one in faulty if one < day)
