"""The product at work on the monitored market: detectors, governor, a fit of everything mature, vetoes.

Concept: what the assets of the groups `monitoring` and `model` do, with the same functions and policies, without
Dagster. Bypassed are the audit of fairness, which can only refuse, and searches. What is fitted in the morning serves
from the next day on, as on the platform. A model holds what its day knew, so whoever asks for a day gets the one that
was fitted first; what was known until the day on which branches part is known to all of them.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.governor import ChampionFacts
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.folds import FOLD_DAYS, fold_starts
from mlife_assets.core.training.manifest_facts import last_trained_day, trained_to
from mlife_assets.core.training.recipes import policy_as_of
from mlife_assets.core.training.training_set import last_training_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.lifecycle.day import folds_fitted
from mlife_assets.lifecycle.refits import vetoes
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from monitored_market.champion import Watch, learned_from, promote
from monitored_market.marts import MonitoredMarket
from monitored_market.monitored import decided, looked

INSTALLED, REFUSED, NOT_ENOUGH_EVIDENCE = "installed", "refused", "not_enough_evidence"
Fitted = dict[tuple[date, frozenset[date], float], str]
Served = list[tuple[date, ModelArtifact]]
"""Who is asked about the exposures from each day on, oldest first; nobody about what he learned from."""


@dataclass
class Models:
    """Models of one history by content.

    Attributes:
        policies: of everything.
        artifacts: by version, of this history and of all its branches.
        shared_until: what was known by this day is the same in all branches; None before a branch.
    """

    policies: Policies
    artifacts: dict[str, ModelArtifact] = field(default_factory=dict)
    shared_until: date | None = None
    _shared: Fitted = field(default_factory=dict)
    _own: Fitted = field(default_factory=dict)
    _scorers: dict[str, LightGBMScorer] = field(default_factory=dict)

    def branch(self, day: date) -> Models:
        """Return models of another future from a day on; what was known by then stays in common."""
        return replace(self, shared_until=day, _own={})

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
        artifact = fit_model(training, policy, simple_columns=job_applications(self.policies).simple_columns)
        self.artifacts[artifact.model_version] = artifact
        if since is None:
            held[key] = artifact.model_version
        return artifact

    def first(self, market: MonitoredMarket) -> Served:
        """Return this morning's fit as the first champion; its folds, before it, score the outcomes of its reference.

        Raises:
            NotEnoughEvidenceError: too little is known, or was on the morning of the newest fold.
        """
        champion = (market.day, self.fitted(market, market.day))
        maturity, weeks = self.policies.label.apply_window_days, self.policies.promotion.gate_weeks
        starts = fold_starts(market.day, maturity, weeks)
        return [*folds_fitted(starts, lambda first: (first, self.fitted(market, first)))[0], champion]

    def scorer(self, version: str) -> LightGBMScorer:
        """Return the scorer of a version."""
        if version not in self._scorers:
            self._scorers[version] = LightGBMScorer(self.artifacts[version], threads=self.policies.training.threads)
        return self._scorers[version]


@dataclass
class Governed:
    """The product at work: detectors each morning, a fit where the governor asks for one, which serves unless vetoed.

    Attributes:
        watch: what monitoring remembers; `history` holds the decisions, `champion` is what serves.
        models: fits.
        served: the folds of the first champion, then each champion from the first day that it served.
        fits: mornings on which the governor asked for one, with what came of it and the conditions that were not met.
        alarms: letters of the reports that alarmed, by morning.
    """

    watch: Watch
    models: Models
    served: Served
    fits: dict[date, tuple[str, list[str]]] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    _newest: ModelArtifact | None = None

    @property
    def serving(self) -> str:
        """Version of the champion."""
        return self.watch.champion.scorer.model_version

    def morning(self, market: MonitoredMarket) -> None:
        """Look, decide, and fit if a fit is due."""
        day = decided(self.watch, market, looked(self.watch, market), self.facts(market))
        self.alarms.append("".join(name[0] for name in day.alarms))
        if day.decision.verdict != "retrain":
            return
        models, faulty = self.models, frozenset(self.watch.faulty)
        try:
            self._newest = models.fitted(market, market.day, faulty, decisions=self.watch.history)
            training = learned_from(market, models.policies, market.day, faulty=faulty)
            last = last_mature_exposure_day(market.day, models.policies.label.apply_window_days)
            rows = market.mature_examples(add_days(last, 1 - FOLD_DAYS), last)
            found = vetoes(self._newest, training, rows, job_applications(models.policies))
        except NotEnoughEvidenceError as error:
            self.fits[market.day] = NOT_ENOUGH_EVIDENCE, []
            print(f"    {market.day}: {error}", file=sys.stderr, flush=True)
            return
        self.fits[market.day] = REFUSED if found else INSTALLED, [one.name for one in found]

    def evening(self, market: MonitoredMarket) -> None:
        """Let what may serve do so from tomorrow on; what was served scores the outcomes of its reference."""
        if self._newest is None or self.fits.get(market.day, ("",))[0] != INSTALLED:
            return
        policies, days = self.models.policies, [day for day, _ in self.served]
        last = last_mature_exposure_day(market.day, policies.label.apply_window_days)
        first = max(days[0], add_days(last, 1 - FOLD_DAYS * policies.promotion.gate_weeks))
        asked = [(max(first, day), one) for day, one in self.served[bisect_right(days, first) - 1 :]]
        promote(self.watch, market, self._newest, last_trained_day(self._newest.manifest), asked)
        self.served.append((add_days(market.day, 1), self._newest))

    def facts(self, market: MonitoredMarket) -> ChampionFacts:
        """Return what the governor may know of the champion this morning."""
        policies, since = self.models.policies, self.watch.champion.trained_as_of
        label, newest = job_applications(policies).roles.label, self._newest or self.models.artifacts[self.serving]
        known = trained_to(newest.manifest, label)
        usable = last_training_day(market.day, policies.label.apply_window_days)
        market.label_what_matures()
        new = [rows[label] for day, rows in market.examples[LABEL].items() if known < day <= usable]
        return ChampionFacts(
            model_version=self.serving,
            trained_as_of=since,
            new_mature_positives=sum(int(np.sum(one.to_numpy(zero_copy_only=False))) for one in new),
            fit_dates=(since, *self.fits),
        )
