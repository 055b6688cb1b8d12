"""Statistics of one day against the reference: distances by column and jointly, estimated (CBPE) and realised skill.

Concept: Kolmogorov-Smirnov for numbers, Jensen-Shannon for categories; a shallow classifier and PCA for rows. The
classifier is judged on items that it has not seen, because items come and go every day and recognising them is not
drift. Where nothing is ranked, the entity is what comes and goes.

Limits are learned once from the A/A days of a reference, when a model is promoted: d days cost two fits and d
calculations of each calculator; every later day only compares numbers with numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.nannyml_calculators.engine import (
    CATEGORICAL_METHOD,
    NUMERIC_METHOD,
    Engine,
    Fitted,
    Reconstruction,
    cached,
    calculating,
    frame,
)
from mlife_assets.adapters.own_calculators import Floats, OwnEngine, codes
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import latent, sampling
from mlife_assets.core.monitoring import thresholds as limits
from mlife_assets.core.monitoring.columns import LABEL, prefix_of
from mlife_assets.core.monitoring.outcomes import METRICS, SHORTFALL, learn_concept_thresholds, positives_of
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold, by_key, sizes_of
from mlife_assets.core.policies import MonitoringPolicy

if TYPE_CHECKING:
    import pandas as pd


JOINT_METHODS = (latent.DOMAIN_CLASSIFIER, latent.RECONSTRUCTION)
CLASSIFIER_FOLDS = 3
CLASSIFIER_SETTINGS: dict[str, Any] = {
    "n_estimators": 30,
    "learning_rate": 0.15,
    "num_leaves": 8,
    "min_child_samples": 50,
    "max_bin": 31,
    "deterministic": True,
    "force_row_wise": True,
    "n_jobs": 1,
    "random_state": 1,
    "verbose": -1,
}
"""Shallow and coarse: enough to see regions and broken correlations, a tenth of a second a day."""
PCA_VARIANCE_SHARE = 0.65
GAIN_SHARE = 0.8
"""Columns that moved are named, largest gain first, until they explain this share of it; the rest is hardly noise."""
SHUFFLES = 3


def drift_statistics(
    reference: MonitoringReference, pairs: pa.Table, *, engine: Engine | None = None
) -> tuple[Statistic, ...]:
    """Return the distance of each watched column. Raises InvalidInputError on an empty sample or a missing column."""
    _need_rows(pairs)
    with calculating(engine) as by:
        kind = (type(by), "univariate")
        calculator = cached(reference, kind, lambda: fit_univariate(by, reference, reference.sample))
        return tuple(univariate(calculator, reference, pairs))


def latent_statistics(
    reference: MonitoringReference, pairs: pa.Table, policy: MonitoringPolicy, *, engine: Engine | None = None
) -> tuple[Statistic, ...]:
    """Return AUC and reconstruction error of each block, features, embeddings and SHAP values, and what moved.

    Raises InvalidInputError on an empty sample or a missing column.
    """
    _need_rows(pairs)
    rows = (policy.domain_classifier_sample_rows, policy.domain_classifier_entity_reference_rows)
    with calculating(engine) as by:
        kind = (type(by), "joint", *rows, policy.seed)
        fitted = cached(reference, kind, lambda: fit_joint(by, reference, reference.sample, policy))
        return tuple(joint(fitted, reference, pairs, policy, is_explained=True))


def blocks(reference: MonitoringReference) -> Iterator[tuple[str, list[str]]]:
    """Yield the blocks of columns that are looked at jointly, with their names."""
    yield latent.FEATURES, list(reference.columns.alarming)
    for block, names in reference.columns.embedding_blocks.items():
        yield block, list(names)
    if reference.columns.contribution:
        yield latent.SHAP, list(reference.columns.contribution)


def rows_of(table: pa.Table, reference: MonitoringReference, block: str) -> pa.Table:
    """Return a block's rows: those with SHAP values, else all. Raises InvalidInputError on too few, or no columns."""
    if block != latent.SHAP:
        return table
    first = reference.columns.contribution[0]
    if first not in table.column_names:
        raise InvalidInputError(f"the sampled pairs lack column {first}; add SHAP values by with_contributions")
    rows = table.filter(pc.invert(pc.is_null(table[first], nan_is_null=True)))
    _need_rows(rows)
    return rows


def fit_univariate(engine: Engine, reference: MonitoringReference, sample: pa.Table) -> Fitted:
    return engine.columns(frame(reference, sample, list(reference.columns.watched)))


def univariate(calculator: Fitted, reference: MonitoringReference, pairs: pa.Table) -> Iterator[Statistic]:
    """Yield the distance of each watched column; a column without a single value is as far away as can be, 1."""
    names = list(reference.columns.watched)
    result = calculator(frame(reference, pairs, names))
    for name in names:
        method = NUMERIC_METHOD if name in reference.columns.numeric else CATEGORICAL_METHOD
        value = result[name]
        yield Statistic(method, name, value if np.isfinite(value) else 1.0)


def fit_joint(engine: Engine, reference: MonitoringReference, sample: pa.Table, policy: MonitoringPolicy) -> Fitted:
    """Return block -> (classifier, reconstruction) fitted on `sample`."""
    fitted = {}
    for block, names in blocks(reference):
        rows = rows_of(sample, reference, block)
        whole = frame(reference, rows, names)
        usual = _part(whole, by_item(reference, rows, policy, reference_rows(reference, block, policy)))
        fitted[block] = (
            engine.classifier(usual, folds=CLASSIFIER_FOLDS, settings=CLASSIFIER_SETTINGS),
            engine.reconstruction(whole, variance_share=PCA_VARIANCE_SHARE),
        )
    return fitted


def joint(
    fitted: Fitted,
    reference: MonitoringReference,
    pairs: pa.Table,
    policy: MonitoringPolicy,
    *,
    is_explained: bool = False,
) -> Iterator[Statistic]:
    """Yield classifier AUC and reconstruction error of each block; explained, with what moved where beyond a limit."""
    limits = by_key(reference.thresholds) if is_explained else {}
    for block, names in blocks(reference):
        classifier, reconstruction = fitted[block]
        rows = rows_of(pairs, reference, block)
        whole = frame(reference, rows, names)
        today = _part(whole, by_item(reference, rows, policy))
        values = {
            latent.DOMAIN_CLASSIFIER: classifier(today),
            latent.RECONSTRUCTION: reconstruction.error(whole),
        }
        is_over = any(
            (method, block) in limits and value > limits[method, block].upper for method, value in values.items()
        )
        moved = _moved(reference, block, today, policy) if is_over else ()
        for method, value in values.items():
            yield Statistic(method, block, value, moved)


def _moved(
    reference: MonitoringReference, block: str, today: pd.DataFrame, policy: MonitoringPolicy
) -> tuple[str, ...]:
    rows = rows_of(reference.sample, reference, block)
    usual = _part(frame(reference, rows, list(today.columns)), by_item(reference, rows, policy))
    return most_moved(usual, today, CLASSIFIER_SETTINGS, policy.seed)


def most_moved(usual: pd.DataFrame, today: pd.DataFrame, settings: dict[str, Any], seed: int) -> tuple[str, ...]:
    """Return the columns that separate today's rows from usual ones, the strongest first; none when by chance.

    No engine keeps its classifiers, so one of the same `settings` is fitted on all rows. Trees find gain in noise too,
    more in columns of many values, so the gain of the same rows with shuffled labels is subtracted.
    """
    names = list(usual.columns)
    is_today = np.repeat([0.0, 1.0], [len(usual), len(today)])
    gain = _gains(np.column_stack([codes(usual[name], today[name]) for name in names]), settings)
    rng = np.random.default_rng(seed)
    by_chance = np.mean([gain(rng.permutation(is_today)) for _ in range(SHUFFLES)], axis=0)
    excess = np.maximum(gain(is_today) - by_chance, 0.0)
    if not excess.sum() > 0:
        return ()
    order = np.argsort(-excess, kind="stable")
    reached = np.cumsum(excess[order]) / excess.sum()
    count = int(np.searchsorted(reached, GAIN_SHARE)) + 1
    return tuple(names[place] for place in order[:count] if excess[place] > 0)


def _gains(matrix: Floats, settings: dict[str, Any]) -> Callable[[Floats], Floats]:
    """Return a function to each column's gain in separating labels; bins do not depend on labels, so all share them."""
    import lightgbm

    parameters = {name: value for name, value in settings.items() if name != "n_estimators"} | {"objective": "binary"}
    rows = lightgbm.Dataset(matrix, np.zeros(len(matrix)), params=parameters).construct()

    def gain(labels: Floats) -> Floats:
        booster = lightgbm.train(parameters, rows.set_label(labels), num_boost_round=settings["n_estimators"])
        return np.asarray(booster.feature_importance("gain"), dtype=np.float64)

    return gain


def fit_reconstruction(
    engine: Engine, reference: MonitoringReference, sample: pa.Table, names: list[str]
) -> Reconstruction:
    return engine.reconstruction(frame(reference, sample, names), variance_share=PCA_VARIANCE_SHARE)


def reference_rows(reference: MonitoringReference, block: str, policy: MonitoringPolicy) -> int:
    is_of_entities = block in reference.columns.entity_blocks
    return policy.domain_classifier_entity_reference_rows if is_of_entities else policy.domain_classifier_sample_rows


def item_hashes(reference: MonitoringReference, sample: pa.Table) -> npt.NDArray[np.uint64]:
    name = reference.ids[-1]
    return sampling.hash_ids(sample[name], name)


def by_item(
    reference: MonitoringReference, sample: pa.Table, policy: MonitoringPolicy, most: int | None = None
) -> npt.NDArray[np.int64]:
    """Return the places of at most `most` rows: one equal block per fold, each of other items.

    NannyML's folds are unshuffled blocks of each class, so the classifier never sees an item that it is judged on. A
    tenth is left out so that every block can be filled.
    """
    rows = min(most or policy.domain_classifier_sample_rows, sample.num_rows)
    size = max(1, int(0.9 * rows) // CLASSIFIER_FOLDS)
    order = np.random.default_rng(policy.seed).permutation(sample.num_rows)
    block = item_hashes(reference, sample)[order] % np.uint64(CLASSIFIER_FOLDS)
    return np.concatenate([order[block == fold][:size] for fold in range(CLASSIFIER_FOLDS)])


def _part(rows: pd.DataFrame, places: npt.NDArray[np.int64]) -> pd.DataFrame:
    return rows.take(places).reset_index(drop=True)


def _need_rows(pairs: pa.Table) -> None:
    if pairs.num_rows < 2 * CLASSIFIER_FOLDS:
        raise InvalidInputError(f"the day's sample has {pairs.num_rows} rows; a quality report must block such a day")


def performance_statistics(
    reference: MonitoringReference, examples: pa.Table, *, outcome: str = LABEL, engine: Engine | None = None
) -> tuple[Statistic, ...]:
    """Return methods `estimated` and `realised` on columns `roc_auc` and `average_precision` of scored `examples`.

    CBPE is fitted on the reference's mature examples of the same outcome. Raises InvalidInputError when a table has
    only one class.
    """
    for name, table in (("reference", reference.scored(outcome)), ("analysed", examples)):
        positives = int(table["is_positive"].to_numpy().sum()) if table.num_rows else 0
        if not 0 < positives < table.num_rows:
            raise InvalidInputError(
                f"the {name} examples have {positives} positives in {table.num_rows} rows; pass both classes"
            )
    with calculating(engine) as by:
        kind = (type(by), "performance", outcome)
        fitted = cached(reference, kind, lambda: by.performance(_frame(reference.scored(outcome))))
        return tuple(Statistic(method, metric, value) for (method, metric), value in fitted(_frame(examples)).items())


def usual_shortfalls(reference: MonitoringReference, outcome: str) -> dict[str, float]:
    """Return metric -> estimated minus realised performance without change: CBPE of each half for the other.

    An estimate for its own days says nothing of others. Without two classes in each half nothing is returned.
    """
    examples = reference.scored(outcome)
    days = sorted(set(examples["exposure_date"].to_pylist()))
    is_early = pc.is_in(examples["exposure_date"], value_set=pa.array(days[: len(days) // 2], pa.date32()))
    halves = [examples.filter(is_early), examples.filter(pc.invert(is_early))]
    if any(not 0 < positives_of(half) < half.num_rows for half in halves):
        return {}
    gaps: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for known, asked in (halves, halves[::-1]):
        found = OwnEngine().performance(_frame(known))(_frame(asked))
        for metric in METRICS:
            gaps[metric].append(found["estimated", metric] - found["realised", metric])
    known = {metric: [gap for gap in values if np.isfinite(gap)] for metric, values in gaps.items()}
    return {metric: float(np.mean(values)) for metric, values in known.items() if values}


def _frame(examples: pa.Table) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "probability": examples["probability"].to_numpy().astype(np.float64),
            "is_positive": examples["is_positive"].to_numpy().astype(np.int64),
        }
    )


def with_learned_thresholds(reference: MonitoringReference, policy: MonitoringPolicy) -> MonitoringReference:
    """Return the reference holding the limits of drift, latent and (with enough positives) concept statistics."""
    usual = {
        (prefix_of(outcome) + SHORTFALL, metric): value
        for outcome in reference.outcomes
        for metric, value in usual_shortfalls(reference, outcome).items()
    }
    return reference.with_thresholds(
        (*learn_thresholds(reference, policy), *learn_concept_thresholds(reference, policy, usual)), sizes_of(policy)
    )


def learn_thresholds(
    reference: MonitoringReference, policy: MonitoringPolicy, *, is_joint: bool = True
) -> tuple[Threshold, ...]:
    """Return the limits of all drift statistics and, unless it is not `is_joint`, of latent ones.

    The day's false alarm rate is spent once per report, divided by the number of alarming columns (data drift) or of
    detectors (latent drift).
    """
    days = reference.days
    values: dict[tuple[str, str], list[float]] = {}
    engine = OwnEngine()
    for analysed, compared in limits.halves(len(days)):
        part = pa.concat_tables([reference.day(days[index]) for index in compared])
        columns = fit_univariate(engine, reference, part)
        rows = fit_joint(engine, reference, part, policy) if is_joint else {}
        for index in analysed:
            day = reference.day(days[index])
            statistics = [
                *univariate(columns, reference, day),
                *(joint(rows, reference, day, policy) if is_joint else ()),
            ]
            for statistic in statistics:
                values.setdefault((statistic.method, statistic.column), []).append(statistic.value)
    detectors = sum(method in JOINT_METHODS for method, _ in values)
    newest = reference.day(days[-1])
    learned = []
    for (method, column), series in values.items():
        family = detectors if method in JOINT_METHODS else max(1, len(reference.columns.alarming))
        rate = policy.false_alarm_rate_per_day / family
        bound = _sampling_bound(engine, reference, (method, column), newest, rate, policy)
        learned.append(limits.learn_threshold(method, column, series, error_rate=rate, sampling_bound=bound))
    return tuple(learned)


def _sampling_bound(
    engine: Engine,
    reference: MonitoringReference,
    key: tuple[str, str],
    day: pa.Table,
    rate: float,
    policy: MonitoringPolicy,
) -> float:
    method, column = key
    names = dict(blocks(reference)).get(column, [column]) if method in JOINT_METHODS else [column]
    block = column if method in JOINT_METHODS else ""
    sample = rows_of(reference.sample, reference, block)
    rows = min(_effective_rows(rows_of(day, reference, block), name, reference.ids) for name in names)
    total = min(_effective_rows(sample, name, reference.ids) for name in names)
    if method == NUMERIC_METHOD:
        return limits.kolmogorov_bound(rows, total, rate)
    if method == CATEGORICAL_METHOD:
        return limits.jensen_shannon_bound(rows, total, len(reference.profile(column).values) + 1, rate)
    if method == latent.DOMAIN_CLASSIFIER:
        most = policy.domain_classifier_sample_rows
        return limits.auc_bound(min(rows, most), min(total, reference_rows(reference, block, policy)), rate)
    reconstruction = fit_reconstruction(engine, reference, sample, names)
    deviation = reconstruction.sampling_error * float(np.sqrt(sample.num_rows))
    return limits.mean_bound(_unseen_error(engine, reference, sample, names), deviation, rows, total, rate)


def _unseen_error(engine: Engine, reference: MonitoringReference, sample: pa.Table, names: list[str]) -> float:
    """Return the mean reconstruction error of items that PCA was not fitted on, from two disjoint halves of them."""
    half = item_hashes(reference, sample) % np.uint64(2)
    errors = []
    for part in (0, 1):
        fitted = fit_reconstruction(engine, reference, sample.filter(pa.array(half == part)), names)
        errors.append(fitted.error(frame(reference, sample.filter(pa.array(half != part)), names)))
    return float(np.mean(errors))


def _effective_rows(sample: pa.Table, column: str, ids: Sequence[str]) -> float:
    clusters = [np.asarray(sample[name].combine_chunks().dictionary_encode().indices) for name in ids]
    values = sample[column]
    if pa.types.is_string(values.type):
        codes = pc.fill_null(values, "missing").combine_chunks().dictionary_encode().indices
        return limits.effective_rows(np.asarray(codes), clusters, is_category=True)
    return limits.effective_rows(values.to_numpy(), clusters, is_category=False)
