"""A champion and its reference in memory: the real fit, the real reference and limits.

Concept: what the assets of the group `model` do, with the same functions and policies, without Dagster and without the
gate: every training that is asked for serves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.nannyml_calculators import with_learned_thresholds
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns
from mlife_assets.core.monitoring.contributions import explained_matrix, with_contributions
from mlife_assets.core.monitoring.lateness import late_days, without_late_feedback
from mlife_assets.core.monitoring.open_drift import days_of_normality, drift_start, first_normal_outcome
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.monitoring.sampling import DaySample, in_shares, sample_pairs
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.reasons import first_step_probabilities
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import first_unlearned_day
from mlife_assets.core.training.known_examples import joined_marts, mart_windows
from mlife_assets.core.training.training_set import TrainingSet, gate_days, split_examples
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.recruiting.features import JOB_EXAMPLES, feature_matrix
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS, job_applications
from mlife_assets.recruiting.policies import Policies
from monitored_market.marts import WINDOW_DAYS, MonitoredMarket

WARM_UP_DAYS = 28
"""Days after which all windows of features are full; a market that has just opened is not what is monitored."""
UNBIASED = pa.array(["organic", "explore"])
Days = Collection[date]


@dataclass(frozen=True)
class Asked:
    """A model that scores outcomes, and how many of the reference's it scored.

    No step of it has learned from `unlearned_from` or later days.
    """

    scorer: LightGBMScorer
    unlearned_from: date
    rows: int = 1


@dataclass(frozen=True)
class Champion:
    """A model with its reference; `trained_until` is its last day of training.

    Later outcomes are scored by who scored those of the reference, by outcome `scored_by`, in the same shares.
    """

    scorer: LightGBMScorer
    reference: MonitoringReference
    trained_as_of: date
    trained_until: date
    scored_by: dict[str, tuple[Asked, ...]]
    importance: dict[str, float]


@dataclass(frozen=True)
class Scored:
    """Which exposures of a day count, bool (n,), and the probabilities of those, by outcome."""

    counts: np.ndarray
    probability: dict[str, np.ndarray]


@dataclass
class Watch:
    """What monitoring remembers between days. With `users`, only the first so many exist for it: less traffic.

    Attributes:
        policies: of everything.
        users: how many exist.
        serving: the champion.
        history: the governor's decisions.
        samples: the pairs of late.
        scored: (outcome, exposure day) -> scored exposures with their labels.
        scores: (exposure day, who was asked) -> what they said of them.
        people: the users of late, as far as the overnight rules look at them.
        nights: what every sound night changed.
        faulty: days whose quality report failed.
    """

    policies: Policies
    users: int | None = None
    serving: Champion | None = None
    history: list[RetrainDecision] = field(default_factory=list)
    samples: dict[date, DaySample] = field(default_factory=dict)
    scored: dict[tuple[str, date], pa.Table] = field(default_factory=dict)
    scores: dict[tuple[date, tuple[tuple[str, int], ...]], Scored] = field(default_factory=dict)
    people: dict[date, pa.Table] = field(default_factory=dict)
    nights: dict[date, dict[str, float]] = field(default_factory=dict)
    faulty: set[date] = field(default_factory=set)

    @property
    def champion(self) -> Champion:
        """What serves. Raises ValueError before the first promotion."""
        if self.serving is None:
            raise ValueError("nobody serves yet; promote a model first")
        return self.serving

    def branch(self) -> Watch:
        """Return a watch with the same past."""
        copies = {name: dict(getattr(self, name)) for name in ("samples", "scored", "scores", "people", "nights")}
        return replace(self, history=list(self.history), faulty=set(self.faulty), **copies)

    def forget_before(self, day: date) -> None:
        """Drop what no later day looks at."""
        for held in (self.samples, self.people, self.nights):
            for old in [one for one in held if one < day]:
                del held[old]
        for key in [one for one in self.scored if one[1] < day]:
            del self.scored[key]
        for scored in [one for one in self.scores if one[0] < day]:
            del self.scores[scored]


def sample(watch: Watch, market: MonitoredMarket) -> DaySample:
    """Draw and remember this morning's sample."""
    policy = watch.policies.monitoring
    if market.day not in watch.samples:
        watch.samples[market.day] = market.sample(
            rows=policy.sample_rows_per_day, seed=policy.seed, policy=watch.policies.candidates, users=watch.users
        )
        for old in [day for day in watch.samples if day <= add_days(market.day, -policy.reference_days)]:
            del watch.samples[old]
    return watch.samples[market.day]


def trained(market: MonitoredMarket, policies: Policies) -> tuple[ModelArtifact, date]:
    """Return the model that a training of this morning gives, and the last day that any of its steps learned from."""
    gate_start = gate_days(market.day, policies.label.apply_window_days, policies.promotion)[0]
    training = learned_from(market, policies, gate_start)
    return fit_model(training, policies.training), training.last_day


def learned_from(
    market: MonitoredMarket, policies: Policies, known_on: date, *, since: date | None = None, faulty: Days = ()
) -> TrainingSet:
    """Return all that was known on a day, each step as of its own window, of exposures `since` a day if given.

    Faulty days are left out.

    Raises:
        NotEnoughEvidenceError: too little was known.
    """
    model, first = job_applications(policies), since or add_days(market.config.start_date, WARM_UP_DAYS)
    marts = []
    for window in mart_windows(model, known_on):
        begins = first if window.after is None else max(first, add_days(window.after, 1))
        outcome = LABEL if window.step is model.label_step else window.step.name
        if any(begins <= day <= window.last for day in market.examples[outcome]):
            marts.append((window.step, market.mature_examples(begins, window.last, outcome)))
    if not marts or marts[0][0] is not model.label_step:
        raise NotEnoughEvidenceError(f"no label since {first} was mature on {known_on}; wait")
    rows = joined_marts(marts, model)
    is_faulty = pc.is_in(rows[model.roles.time], value_set=pa.array(sorted(faulty), pa.date32()))
    return split_examples(
        rows.filter(pc.invert(is_faulty)) if faulty else rows,
        model.roles,
        known_on=known_on,
        policy=policies.training,
        data_hash=f"{market.config.fingerprint}/{market.day}",
    )


def promote(
    watch: Watch,
    market: MonitoredMarket,
    artifact: ModelArtifact,
    trained_until: date,
    judged_by: Sequence[tuple[date, ModelArtifact]] = (),
) -> Champion:
    """Make a model the champion of this morning, with its reference from the last days' samples.

    Args:
        watch: what monitoring remembers.
        market: as of this morning.
        artifact: the model.
        trained_until: last exposure day that it learned from.
        judged_by: who had not seen the days from each day on, oldest first: folds, or what was served. Without any,
            the model itself is asked about what is younger than its training.
    """
    policy = watch.policies.monitoring
    scorer = LightGBMScorer(artifact, threads=1)
    watch.scored, watch.scores = {}, {}
    sample(watch, market)
    began = drift_start(watch.history, market.day, watch.policies.retrain)
    count = days_of_normality(began, market.day, policy.reference_days)
    days = [day for day in sorted(watch.samples)[-count:] if day not in watch.faulty]
    folds = judged_by or ((add_days(trained_until, 1), artifact),)
    examples, scored_by = {}, {}
    for outcome in WINDOW_DAYS if len(artifact.stages) > 1 else (LABEL,):
        speaking = folds if outcome == LABEL else _funnels(folds)
        asked = [Asked(LightGBMScorer(one, threads=1), first_unlearned_day(one)) for _, one in speaking]
        starts = [day for day, _ in speaking]
        last = last_mature_exposure_day(market.day, WINDOW_DAYS[outcome])
        first = first_normal_outcome(began, starts[0], last)

        def of_day(day: date, starts: list[date] = starts, asked: list[Asked] = asked) -> list[Asked]:
            return [asked[_place(starts, day)]]

        rows = scored_examples(watch, of_day, market, first, last, outcome)
        places = [_place(starts, day) for day in rows["exposure_date"].to_pylist()]
        counts = np.bincount(places, minlength=len(asked)).tolist()
        scored_by[outcome] = tuple(replace(one, rows=count) for one, count in zip(asked, counts, strict=True) if count)
        examples[outcome] = rows
    watch.scored, watch.scores = {}, {}
    columns = PAIR_COLUMNS
    reference = build_reference(
        model_version=scorer.model_version,
        as_of=market.day,
        sample=pa.concat_tables([explained(scorer, watch.samples[day].pairs, policy, columns) for day in days]),
        pair_rows={day: watch.samples[day].population_rows for day in days},
        examples=examples.pop(LABEL),
        columns=columns,
        ids=JOB_EXAMPLES.ids,
        steps=examples,
    )
    watch.serving = Champion(
        scorer=scorer,
        reference=with_learned_thresholds(reference, policy),
        trained_as_of=market.day,
        trained_until=trained_until,
        scored_by=scored_by,
        importance=dict(artifact.manifest["importance"]),
    )
    return watch.serving


def _funnels(folds: Sequence[tuple[date, ModelArtifact]]) -> Sequence[tuple[date, ModelArtifact]]:
    """Return the newest folds of which each says how likely an earlier step is."""
    known = [len(one.stages) > 1 for _, one in folds]
    return folds[len(known) - known[::-1].index(False) if False in known else 0 :]


def explained(
    scorer: LightGBMScorer, pairs: pa.Table, policy: MonitoringPolicy, columns: MonitoringColumns
) -> pa.Table:
    """Return the pairs of one day, the first of them with the SHAP values of a model beside their features."""
    few = pairs.slice(0, policy.explained_rows_per_day)
    spec = scorer.feature_spec
    matrix = feature_matrix(few, spec, exposure_kind="message")
    matrix = explained_matrix(matrix, spec.names, columns.unalarmed)
    return with_contributions(pairs, scorer.contributions(matrix), scorer.model_names)


def scored_examples(
    watch: Watch,
    asked: Callable[[date], Sequence[Asked]],
    market: MonitoredMarket,
    first: date,
    last: date,
    outcome: str,
) -> pa.Table:
    """Return a sample of mature exposures of sound days that no policy exploited: `probability` and `is_positive`.

    `asked` says who scores the exposures of a day; several of them share it.
    """
    market.label_what_matures()
    parts = []
    for day, rows in sorted(market.examples[outcome].items()):
        if first <= day <= last and day not in watch.faulty:
            if (outcome, day) not in watch.scored:
                watch.scored[outcome, day] = _labelled(rows, _scored(watch, asked(day), rows, day), outcome)
            parts.append(watch.scored[outcome, day])
    policy = watch.policies.monitoring
    most = policy.reference_examples if outcome == LABEL else policy.reference_step_examples
    rows = without_late_feedback(pa.concat_tables(parts), late_days(market.arrivals, market.arrivals))
    places = sample_pairs(rows["user_id"], rows["exposure_id"], as_of=last, seed=policy.seed, rows=most)
    return rows.take(pa.array(np.sort(places).astype(np.int64)))


def _place(starts: Sequence[date], day: date) -> int:
    """Return the place of the last start that is not after a day."""
    return bisect_right(starts, day) - 1


def _scored(watch: Watch, asked: Sequence[Asked], rows: pa.Table, day: date) -> Scored:
    """Return which exposures of a day count and how likely a click and an application were; computed once."""
    key = (day, tuple((one.scorer.model_version, one.rows) for one in asked))
    if key not in watch.scores:
        counts = np.asarray(pc.is_in(rows["slice"], value_set=UNBIASED))
        if watch.users is not None:
            counts &= np.asarray(pc.less(rows["user_id"], pa.scalar(f"usr_{watch.users:07d}")))
        kept = rows.filter(pa.array(counts))
        said = {LABEL: np.empty(kept.num_rows), "click": np.empty(kept.num_rows)}
        numbers = in_shares(np.arange(kept.num_rows), [one.rows for one in asked])
        for number, one in enumerate(asked):
            own = np.flatnonzero(numbers == number)
            scores = one.scorer.score(feature_matrix(kept.take(pa.array(own)), one.scorer.feature_spec))
            said[LABEL][own], said["click"][own] = scores.probability, first_step_probabilities(scores)
        watch.scores[key] = Scored(counts, said)
    return watch.scores[key]


def _labelled(rows: pa.Table, scored: Scored, outcome: str) -> pa.Table:
    kept = rows.filter(pa.array(scored.counts)).append_column("probability", pa.array(scored.probability[outcome]))
    return kept.append_column("is_positive", kept["is_applied" if outcome == LABEL else "is_clicked"])
