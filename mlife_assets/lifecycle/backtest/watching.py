"""Monitoring within a replay: references and the four reports of a window, by the real detectors and limits.

Concept: the reference is the newest windows before a model serves, and the outcomes of the gate's rows, scored by the
models judged on them: the serving model has learned from those rows, so its own scores would not be out of sample.
Later outcomes are scored by the same models: each fit on few rows has errors of its own, and a comparison with another
fit's errors would look like drift.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns
from mlife_assets.core.monitoring.contributions import with_contributions
from mlife_assets.core.monitoring.outcomes import has_enough_positives
from mlife_assets.core.monitoring.reference import DAY, MonitoringReference, build_reference
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.monitoring.sampling import DaySample, sample_pairs
from mlife_assets.core.monitoring.thresholds import Threshold, sizes_of
from mlife_assets.core.ports import Detectors
from mlife_assets.core.scoring.feature_spec import Array, examples_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints
from mlife_assets.lifecycle.backtest.history import WINDOWS_MINIMUM, History, Window
from mlife_assets.lifecycle.backtest.judging import Judged
from mlife_assets.lifecycle.backtest.learning import Fit, Learner

RESIDUAL_COLUMNS = 8
"""Numeric features along which outcomes are compared with expectations: the most important. Few, for power."""
VALUES_MINIMUM = 30
"""Minimum values of a column in each half of the reference for monitoring it."""
EXPECTED_POSITIVES = 2.0
"""A window of outcomes is long enough once it expects so many times the required positives."""
SAMPLES_KEPT = 200
"""About a megabyte each; a reference reads those of at most 120 days."""


@dataclass(frozen=True)
class Reports:
    """Monitoring reports of one window."""

    quality: MonitoringReport
    data: MonitoringReport
    latent: MonitoringReport
    concept: MonitoringReport

    @property
    def closed_on(self) -> date:
        """The day on which the window closed."""
        return self.quality.as_of_date

    @property
    def has_drift(self) -> bool:
        """Whether any kind of drift alarmed."""
        return any(report.status == "alarm" for report in (self.data, self.latent, self.concept))

    def standing(self, day: date) -> Reports:
        """Return the reports as of a later day without a new window."""
        return Reports(**{field.name: replace(getattr(self, field.name), as_of_date=day) for field in fields(self)})

    def to_record(self) -> dict[str, object]:
        """Return the JSON-able form."""
        return {field.name: json.loads(getattr(self, field.name).to_json()) for field in fields(self)}

    @classmethod
    def from_record(cls, record: dict[str, object]) -> Reports:
        """Return the reports from `to_record`."""
        return cls(**{name: MonitoringReport.from_json(json.dumps(report)) for name, report in record.items()})


def watchable(columns: MonitoringColumns, samples: Sequence[pa.Table]) -> MonitoringColumns:
    """Return the columns with enough values in both halves of the windows.

    A column that was empty for half of the reference cannot be judged yet; a later reference may monitor it.
    """
    middle = len(samples) // 2
    kept = [
        name
        for name in columns.watched
        if all(
            sum(_values(sample, name) for sample in half) >= VALUES_MINIMUM
            for half in (samples[:middle], samples[middle:])
        )
    ]
    residual = tuple(name for name in columns.residual if name in kept)
    return replace(columns.restricted_to(kept), residual=residual)


def _values(sample: pa.Table, name: str) -> int:
    column = sample[name]
    if pa.types.is_floating(column.type):
        return int(np.count_nonzero(~np.isnan(column.to_numpy())))
    return int(len(column) - column.null_count)


class Watcher:
    """Builds references and reports of a history, each at most once per replay."""

    def __init__(self, history: History, learner: Learner, detectors: Detectors, checkpoints: Checkpoints) -> None:
        self._history, self._learner = history, learner
        self._detectors = detectors
        self._checkpoints = checkpoints
        self._references: dict[tuple[str, str, date], MonitoringReference] = {}
        self._scored_by: dict[tuple[str, str], Judged] = {}
        self._samples: dict[tuple[str, date], pa.Table] = {}

    def reference(self, serving: Fit, judged: Judged, as_of: date) -> MonitoringReference:
        """Return the reference of `serving` as of a day.

        Args:
            serving: the model to monitor.
            judged: mature rows and their out-of-sample scorers: the judged folds or twin (or the model itself, if it
                has not seen the rows).
            as_of: the day.

        Raises:
            NotEnoughEvidenceError: too few windows have closed.
        """
        key = (serving.artifact.model_version, judged.key, as_of)
        if key not in self._references:
            bare = self._bare_reference(serving, judged, as_of)
            step = f"limits|{bare.model_version}|{as_of}|{bare.content_hash}"
            policy = self._history.model.monitoring
            record = self._checkpoints.remember(
                step, lambda: [asdict(limit) for limit in self._detectors.limits(bare, policy)]
            )
            self._references[key] = bare.with_thresholds([Threshold(**limit) for limit in record], sizes_of(policy))
            self._scored_by[bare.model_version, bare.content_hash] = judged
        return self._references[key]

    def reports(self, serving: Fit, reference: MonitoringReference, window: Window) -> Reports:
        """Return the reports of a window against the serving model's reference, from `reference`."""
        asked = self._scored_by[reference.model_version, reference.content_hash].key
        version, seen = reference.model_version, reference.content_hash
        step = f"reports|{version}|{asked}|{reference.as_of_date}|{seen}|{window.closed_on}"
        record = self._checkpoints.remember(step, lambda: self._reported(serving, reference, window).to_record())
        return Reports.from_record(record)

    def _bare_reference(self, serving: Fit, judged: Judged, as_of: date) -> MonitoringReference:
        history, policy = self._history, self._history.model.monitoring
        closed = history.closed_windows(as_of)[-policy.reference_days :]
        if len(closed) < WINDOWS_MINIMUM:
            raise NotEnoughEvidenceError(
                f"{len(closed)} windows of {policy.sample_rows_per_day:,} rows closed by {as_of}, "
                f"{WINDOWS_MINIMUM} needed for a reference; wait or lower monitoring.sample_rows_per_day"
            )
        samples = [self._sample(serving, window) for window in closed]
        columns = watchable(self._columns(serving), samples)
        places = history.known(as_of, since=judged.first_day)
        ids = self._ids(places)
        kept = sample_pairs(*ids, as_of=as_of, seed=policy.seed, rows=policy.reference_examples)
        chosen = places[np.sort(kept)]
        return build_reference(
            model_version=serving.artifact.model_version,
            as_of=as_of,
            sample=pa.concat_tables(samples),
            pair_rows={window.closed_on: policy.sample_rows_per_day for window in closed},
            examples=self._scored(judged.probability(history, chosen), chosen, serving),
            columns=columns,
            ids=history.model.roles.ids,
        )

    def _columns(self, serving: Fit) -> MonitoringColumns:
        spec, roles = serving.artifact.feature_spec, self._history.model.roles
        numeric = tuple(name for name in spec.model_names if name not in spec.categorical)
        importance = self._learner.importance(serving)
        ranked = sorted(numeric, key=lambda name: (-importance[name], name))
        return MonitoringColumns(
            numeric=numeric,
            categorical=spec.categorical,
            embedding=(),
            unalarmed=(),
            embedded=(),
            closed=dict(roles.vocabularies),
            ranged=(),
            residual=tuple(ranked[:RESIDUAL_COLUMNS]),
            never_zero=(),
        )

    def _sample(self, serving: Fit, window: Window) -> pa.Table:
        """Return the sampled rows of a window: day, ids, model inputs, and SHAP values."""
        key = (serving.artifact.model_version, window.closed_on)
        if key not in self._samples:
            if len(self._samples) == SAMPLES_KEPT:
                del self._samples[next(iter(self._samples))]
            self._samples[key] = self._sampled(serving, window)
        return self._samples[key]

    def _sampled(self, serving: Fit, window: Window) -> pa.Table:
        policy = self._history.model.monitoring
        places = np.arange(window.start, window.stop)
        ids = self._ids(places)
        kept = sample_pairs(*ids, as_of=window.closed_on, seed=policy.seed, rows=policy.sample_rows_per_day)
        chosen = places[kept]
        table, matrix = self._seen(serving, chosen)
        scorer = scorer_of(serving.artifact, threads=self._history.model.training.threads)
        day = pa.array([window.closed_on] * len(chosen), pa.date32())
        return with_contributions(table.append_column(DAY, day), scorer.contributions(matrix), scorer.model_names)

    def _seen(self, serving: Fit, places: npt.NDArray[np.int64]) -> tuple[pa.Table, npt.NDArray[np.float64]]:
        """Return rows with rates for monitoring, and the scorer's matrix."""
        history, spec, roles = self._history, serving.artifact.feature_spec, self._history.model.roles
        rows = history.take(places)
        matrix = examples_matrix(rows, spec)
        expanded = spec.expanded(matrix)
        arrays: dict[str, pa.Array | pa.ChunkedArray] = {name: rows[name].cast(pa.string()) for name in roles.ids}
        for place, name in enumerate(spec.model_names):
            is_text = name in spec.categorical
            arrays[name] = rows[name].cast(pa.string()) if is_text else pa.array(expanded[:, place].copy())
        return pa.table(arrays), matrix

    def _ids(self, places: npt.NDArray[np.int64]) -> tuple[pa.ChunkedArray, list[str]]:
        """Return the sampling ids of a row: its entity, and a key among the entity's rows."""
        roles, rows = self._history.model.roles, self._history.take(places)
        items = [""] * len(places) if roles.item is None else rows[roles.item].cast(pa.string()).to_pylist()
        days = self._history.days[places].astype(str).tolist()
        return rows[roles.entity].cast(pa.string()), [f"{item}|{day}" for item, day in zip(items, days, strict=True)]

    def _scored(self, probability: Array, places: npt.NDArray[np.int64], serving: Fit) -> pa.Table:
        """Return mature rows, scored out of sample, as examples of concept drift, with the serving model's inputs.

        `places` are ascending positions.
        """
        history = self._history
        seen, _ = self._seen(serving, places)
        residual = self._columns(serving).residual
        return pa.table(
            {
                "exposure_date": pa.array(history.days[places]),
                "label_mature_date": pa.array(history.mature[places]),
                "probability": pa.array(probability),
                "is_positive": pa.array(history.outcome[places]),
                **{name: seen[name] for name in residual},
            }
        )

    def _reported(self, serving: Fit, reference: MonitoringReference, window: Window) -> Reports:
        policy, as_of = self._history.model.monitoring, window.closed_on
        rows = self._sample(serving, window)
        importance = self._learner.importance(serving)
        outcomes = self._outcomes(serving, reference, as_of)
        is_enough = has_enough_positives(outcomes, policy) and has_enough_positives(reference.examples, policy)
        return Reports(
            quality=quality.data_quality_report(
                as_of=as_of,
                reference=reference,
                sample=DaySample(rows, rows.num_rows),
                policy=policy,
                landed=quality.Landed(),
            ),
            data=drift.data_drift_report(
                as_of=as_of,
                reference=reference,
                pairs=rows,
                statistics=self._detectors.drift(reference, rows),
                importance=importance,
            ),
            latent=latent.latent_drift_report(
                as_of=as_of,
                reference=reference,
                sample_rows=rows.num_rows,
                statistics=self._detectors.latent(reference, rows, policy),
                importance=importance,
            ),
            concept=concept.concept_drift_report(
                as_of=as_of,
                reference=reference,
                examples={LABEL: outcomes},
                statistics={LABEL: self._detectors.performance(reference, outcomes)} if is_enough else {},
                policy=policy,
            ),
        )

    def _outcomes(self, serving: Fit, reference: MonitoringReference, as_of: date) -> pa.Table:
        """Return the newest mature rows of the model's service: whole weeks, until enough positives are expected.

        Their length depends on expected positives, never on observed ones, which would bias the test.
        """
        history, policy = self._history, self._history.model.monitoring
        places = history.known(as_of, since=reference.as_of_date)
        judged = self._scored_by[reference.model_version, reference.content_hash]
        were_judged = history.known(reference.as_of_date, since=judged.first_day)
        probability = judged.later_probability(history, places, were_judged)
        examples = self._scored(probability, places, serving)
        days = history.days[places]
        wanted = EXPECTED_POSITIVES * policy.minimum_mature_positives
        by_day = np.bincount(np.unique(days, return_inverse=True)[1], probability)
        expected = np.cumsum(by_day[::-1])
        count = max(concept.WINDOW_DAYS, int(np.searchsorted(expected, wanted)) + 1)
        return concept.concept_window(examples, reference=reference, as_of=as_of, days=count)
