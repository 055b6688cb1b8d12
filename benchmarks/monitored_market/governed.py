"""The product at work on the monitored market: detectors, governor, folds, gate, promotion.

Concept: what is promoted on a morning serves from the next day on, as on the platform.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.governor import ChampionFacts
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.gate import NON_INFERIORITY
from mlife_assets.core.training.manifest_facts import last_trained_day, trained_to
from mlife_assets.core.training.training_set import last_training_day
from mlife_assets.core.windows import run_time
from mlife_assets.lifecycle.day import asked_for
from mlife_assets.recruiting.job_applications import job_applications
from monitored_market.champion import Watch, promote
from monitored_market.gated import Asked, Models, Morning, judged
from monitored_market.marts import MonitoredMarket
from monitored_market.monitored import decided, looked


@dataclass
class Governed:
    """The product at work: detectors each morning, a fit where the governor asks for one, a promotion by the gate.

    Attributes:
        watch: what monitoring remembers; `history` holds the decisions.
        models: fits and folds.
        reigns: who served since when.
        not_inferior: versions that were promoted as not inferior.
        asked: mornings on which the gate was asked, with what it said; None where nothing could be judged.
        alarms: letters of the reports that alarmed, by morning.
    """

    watch: Watch
    models: Models
    reigns: list[Reign]
    not_inferior: set[str] = field(default_factory=set)
    asked: dict[date, Asked | None] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    _newest: ModelArtifact | None = None
    _promoted: ModelArtifact | None = None

    @property
    def serving(self) -> str:
        """Version of the champion."""
        return self.reigns[-1].model_version

    def morning(self, market: MonitoredMarket) -> None:
        """Look, decide, and if a fit is due, fit and ask the gate."""
        day = decided(self.watch, market, looked(self.watch, market), self.facts(market))
        self.alarms.append("".join(name[0] for name in day.alarms))
        if day.decision.verdict != "retrain":
            return
        faulty = frozenset(self.watch.faulty)
        self.asked[market.day] = None
        try:
            challenger = self.models.challenger(market, faulty, self.watch.history, self.reigns)
            self._newest = challenger
            known = Morning(market, self.models, self.reigns, self.not_inferior, self.watch.history, faulty)
            asked = judged(known, challenger.model_version)
        except NotEnoughEvidenceError as error:
            print(f"    {market.day}: {error}", file=sys.stderr, flush=True)
            return
        self.asked[market.day] = asked
        self._promoted = challenger if asked.is_promoted else None

    def evening(self, market: MonitoredMarket) -> None:
        """Let what was promoted in the morning serve from tomorrow on."""
        if self._promoted is None:
            return
        artifact, self._promoted = self._promoted, None
        version = artifact.model_version
        asked = self.asked[market.day]
        if asked is not None and asked.judgement.decision.kind == NON_INFERIORITY:
            self.not_inferior.add(version)
        self.reigns.append(reign(version, self.serving, market.day, after_run=True))
        promote_with_folds(self.watch, market, self.models, artifact)

    def facts(self, market: MonitoredMarket) -> ChampionFacts:
        """Return what the governor may know of the champion this morning."""
        artifact, maturity = self.models.artifacts[self.serving], self.models.policies.label.apply_window_days
        label, newest = job_applications(self.models.policies).roles.label, self._newest or artifact
        known, usable = trained_to(newest.manifest, label), last_training_day(market.day, maturity)
        market.label_what_matures()
        new = [rows[label] for day, rows in market.examples[LABEL].items() if known < day <= usable]
        return ChampionFacts(
            model_version=self.serving,
            trained_as_of=self.reigns[-1].since.date(),
            new_mature_positives=sum(int(np.sum(one.to_numpy(zero_copy_only=False))) for one in new),
            promotion_dates=tuple(one.since.date() for one in self.reigns if one.previous_version),
            fit_dates=(self.reigns[0].since.date(), *self.asked),
        )


def reign(version: str, before: str | None, day: date, *, after_run: bool) -> Reign:
    """Return a promotion of a day: recorded after its run, or at it, and then it serves at once."""
    since = run_time(day) + timedelta(hours=1 if after_run else 0)
    return Reign(version, before, since, "promoted", "gate", "benchmark")


def promote_with_folds(watch: Watch, market: MonitoredMarket, models: Models, artifact: ModelArtifact) -> None:
    """Make a fit on everything mature the champion; its folds say what its out-of-sample scores look like."""
    folds = [(one.first_day, models.load(one.model_version)) for one in asked_for(models, artifact.model_version)]
    promote(watch, market, artifact, last_trained_day(artifact.manifest), folds)
