"""Inputs of monitoring: the day's sample, landed counts, the reference, scored outcomes.

Concept: inputs are drawn the same way for the reference and for a day. A fixed number of candidate pairs is sampled by
hash from a fixed number of hashed users, so neither alarms nor cost grow with traffic.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.core.errors import InvalidInputError, NotFoundError, UpstreamMismatchError
from mlife_assets.core.model import ScorableRows
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns, examples_of
from mlife_assets.core.monitoring.contributions import explained_matrix, with_contributions
from mlife_assets.core.monitoring.lateness import without_late_feedback
from mlife_assets.core.monitoring.reference import MonitoringReference, is_readable
from mlife_assets.core.monitoring.sampling import DaySample, in_shares, sample_pairs
from mlife_assets.core.quoting import quoted
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec, examples_matrix, unseen_values
from mlife_assets.core.scoring.scorer import score_table
from mlife_assets.core.training.folds import Fold, rows_by_fold
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.recruiting.released_names import reference_facts

LOOKED_AT_TIMES = 3
ROWS_AT_ONCE = 100_000
"""Rows of a mart read at once when copying: memory holds a sample and these."""
SAMPLE_TABLE = "monitoring_sample"
REFERENCE_TABLE, REFERENCE_REPORT = "monitoring_reference", "monitoring_reference"
ScoredBy: TypeAlias = str | Sequence[Fold] | Mapping[str, int]
"""A model version, folds, or versions with the numbers of rows that each scores."""


def sampled_pairs(platform: ModelPorts, day: date) -> DaySample:
    """Return the day's sample; the same day gives the same rows."""
    model = platform.model
    policy, found = model.monitoring, rows_to_score(platform, day)
    entities, items = found.ids
    places = sample_pairs(entities, items, as_of=day, seed=policy.seed, rows=policy.sample_rows_per_day)
    rows = model.derive(found.rows(places))
    return DaySample(rows, len(entities), found.repeated)


def sound_samples(platform: ModelPorts, day: date, count: int) -> dict[date, DaySample]:
    """Return the samples of the newest `count` days until `day` with rows and without a fault, oldest first.

    Other days move them back, but at most three times as far: older days may no longer be normal.
    """
    wanted = [add_days(day, -back) for back in range(LOOKED_AT_TIMES * count)]
    faulty = set(quarantined_days(platform, wanted))
    found = ((one, _sample_if_any(platform, one)) for one in wanted if one not in faulty)
    newest = list(islice(((one, sample) for one, sample in found if sample is not None), count))
    return dict(reversed(newest))


def _sample_if_any(platform: ModelPorts, day: date) -> DaySample | None:
    """Return the day's sample; None if the day was never delivered or has no rows."""
    try:
        sample = sampled_pairs(platform, day)
    except NotFoundError:
        return None
    return sample if sample.pairs.num_rows else None


def rows_to_score(platform: ModelPorts, day: date) -> ScorableRows:
    """Return the rows that the model scores on a day. Raises InvalidInputError if the marts break their contract."""
    source = platform.model.row_source
    tables = tuple(platform.warehouse.read(name, as_of=day) for name in source.tables)
    return source.find(tables, day, source.policy)


def scoring_matrix(platform: ModelPorts, rows: pa.Table, spec: FeatureSpec) -> Array:
    """Return the matrix of rows to score, with the model's constants."""
    return examples_matrix(rows, spec, dict(platform.model.row_source.constants))


def unseen_by(platform: ModelPorts, spec: FeatureSpec) -> list[str]:
    """Return a sentence on each constant of `scoring_matrix` that a model has not seen in training."""
    return unseen_values(spec, dict(platform.model.row_source.constants))


def explained_pairs(platform: ModelPorts, model_version: str, pairs: pa.Table, columns: MonitoringColumns) -> pa.Table:
    """Return the sampled pairs of one day, the first of them with the SHAP values of a model version beside them.

    `columns` are the reference's: its columns without alarm are hidden from the model.
    """
    scorer = platform.scorers.of(model_version)
    few = pairs.slice(0, platform.model.monitoring.explained_rows_per_day)
    spec = scorer.feature_spec
    matrix = scoring_matrix(platform, few, spec)
    matrix = explained_matrix(matrix, spec.names, columns.unalarmed)
    return with_contributions(pairs, scorer.contributions(matrix), scorer.model_names)


def landed_counts(platform: ModelPorts, day: date) -> Mapping[str, int]:
    """Return accepted rows by event type of the ingest of a partition. Raises NotFoundError when it never ran."""
    report = platform.days.report(day)
    return {entry["event_type"]: entry["accepted"] for entry in report["types"]}


def landed_history(platform: ModelPorts, day: date, days: int) -> dict[str, list[int]]:
    """Return accepted rows by event type of up to `days` earlier days, newest first; a type that did not land is 0."""
    found: list[Mapping[str, int]] = []
    for back in range(1, days + 1):
        try:
            found.append(landed_counts(platform, add_days(day, -back)))
        except NotFoundError:
            break
    names = sorted({name for counts in found for name in counts})
    return {name: [counts.get(name, 0) for counts in found] for name in names}


def reference_source(platform: ModelPorts, model_version: str) -> tuple[TableStore, date, dict[str, Any]] | None:
    """Return store, partition and facts of the newest reference of a version; None without one.

    Local references come before imported ones, and readable before unreadable ones.
    """
    found = []
    for tables in (platform.model_tables, *platform.imported_tables(model_version)):
        for day in reversed(tables.report_days(REFERENCE_REPORT)):
            facts = tables.read_report(REFERENCE_REPORT, day)
            if facts["model_version"] == model_version:
                if is_readable(facts):
                    return tables, day, facts
                found.append((tables, day, facts))
                break
    return found[0] if found else None


def known_reference(platform: ModelPorts, day: date) -> MonitoringReference | None:
    """Return the reference of a day as `read_reference`; None if no model serves yet."""
    if platform.registry.champion_at(run_time(day)) is None:
        return None
    return read_reference(platform, day)


def read_reference(platform: ModelPorts, day: date) -> MonitoringReference:
    """Return the reference of the model that is champion when partition `day` runs.

    Raises:
        NotFoundError: it has none.
        UpstreamMismatchError: it has another form, or is incomplete.
    """
    version = platform.scorers.champion_version(day)
    stored = reference_source(platform, version)
    if stored is None:
        raise NotFoundError(
            f"model {version} has no reference; materialize monitoring_reference for the day it was trained"
        )
    source, partition, facts = stored
    remedy = f"materialize the asset monitoring_reference for partition {partition}, then this day again"
    if source is not platform.model_tables:
        remedy = "it came with the model: export that again where it served, import it, then run this day again"
    if not is_readable(facts):
        raise UpstreamMismatchError(
            f"the reference of model {version} was written by another version of mlife; {remedy}"
        )
    tables = {name: source.read(f"{REFERENCE_TABLE}_{name}", partition) for name in facts.get("tables", ())}
    try:
        known = {"entity_blocks": platform.model.watched.entity_blocks}  # not stored by 0.1.0
        facts = reference_facts({**facts, "columns": {**known, **facts["columns"]}})
        reference = MonitoringReference.from_tables(tables, facts)
    except InvalidInputError as error:
        raise UpstreamMismatchError(f"the reference of model {version} is not whole ({error}); {remedy}") from error
    if unknown := [outcome for outcome in reference.outcomes if outcome not in platform.model.outcomes]:
        raise UpstreamMismatchError(
            f"the reference of model {version} has step {quoted(unknown[0])}, which {platform.model_name} has not any "
            f"more; {remedy}"
        )
    return reference


def write_reference(platform: ModelPorts, day: date, reference: MonitoringReference) -> None:
    """Store the reference of the model promoted on `day`."""
    tables, facts = reference.to_tables()
    for name, rows in tables.items():
        platform.model_tables.write(f"{REFERENCE_TABLE}_{name}", day, rows)
    platform.model_tables.write_report(REFERENCE_REPORT, day, facts)


def scored_examples(
    platform: ModelPorts,
    scored_by: ScoredBy,
    first: date,
    last: date,
    *,
    outcome: str = LABEL,
    rows: int | None = None,
) -> pa.Table:
    """Return `mature_exposures`, scored by one version, by the model of each row's fold, or by versions in shares.

    Columns: those of the exposures, `probability` and `is_positive`, of the label or of an earlier step.

    Raises:
        InvalidInputError: an earlier step of a model without a funnel (`is_funnel`), a row older than all folds, or a
            training row of its fold's model.
    """
    versions = _versions(scored_by)
    for version in versions if outcome != LABEL else ():
        if not is_funnel(platform, version):
            raise InvalidInputError(f"model {version} says nothing of {outcome}; judge its label alone")
    examples = mature_exposures(platform, first, last, outcome=outcome, rows=rows)
    probability = np.empty(examples.num_rows)
    for version, places in _rows_by_version(scored_by, examples):
        own = examples.take(pa.array(places))
        probability[places] = _probability(platform, version, own, outcome)
    scored = examples.append_column("probability", pa.array(probability))
    return scored.append_column("is_positive", examples[platform.model.outcomes[outcome].label])


def _versions(scored_by: ScoredBy) -> list[str]:
    if isinstance(scored_by, str):
        return [scored_by]
    return list(scored_by) if isinstance(scored_by, Mapping) else [fold.model_version for fold in scored_by]


def _rows_by_version(scored_by: ScoredBy, examples: pa.Table) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield each model version with the positions of its examples, ascending."""
    shares = {scored_by: 1} if isinstance(scored_by, str) else scored_by
    if isinstance(shares, Mapping):
        numbers = in_shares(np.arange(examples.num_rows), list(shares.values()))
        parts = [(version, np.flatnonzero(numbers == number)) for number, version in enumerate(shares)]
    else:
        days = examples["exposure_date"].to_numpy().astype("datetime64[D]")
        parts = [(fold.model_version, places) for fold, places in rows_by_fold(shares, days)]
    yield from ((version, places) for version, places in parts if len(places))


def _probability(platform: ModelPorts, model_version: str, examples: pa.Table, outcome: str) -> Array:
    scores = score_table(platform.scorers.of(model_version), examples)
    if outcome == LABEL:
        return scores.probability
    before = list(scores.steps.values())[: platform.model.steps.index(platform.model.outcomes[outcome]) + 1]
    return np.asarray(np.multiply.reduce(before))


def mature_exposures(
    platform: ModelPorts, first: date, last: date, *, outcome: str = LABEL, rows: int | None = None
) -> pa.Table:
    """Return mature exposures of [first, last] that our policies did not choose, with derived features.

    They are the model's `unbiased` examples, for gate, reference and window alike. Days with faulty features are left
    out, and exposures with late features or labels. With `rows` it is a sample of at most that size, drawn by hash.

    Columns: the mart's, and monitoring's names.
    """
    model = platform.model
    mart = platform.warehouse.read(model.outcomes[outcome].examples, start=first, end=last)
    mart = examples_of(mart, model.roles)
    faulty = quarantined_days(platform, pc.unique(mart["exposure_date"]).to_pylist())

    def sampled(found: pa.Table) -> pa.Table:
        if rows is None:
            return found
        ids, seed = (found[model.roles.entity], found[model.row_id]), model.monitoring.seed
        return found.take(pa.array(np.sort(sample_pairs(*ids, as_of=last, seed=seed, rows=rows))))

    late = frozenset[date]()
    if mart.num_rows:
        over = pc.max(mart["label_mature_date"]).as_py()
        late = platform.days.late_feedback(add_days(first, -1), add_days(over, -1))
    found = model.unbiased(mart.slice(0, 0))
    for start in range(0, mart.num_rows, ROWS_AT_ONCE):
        unbiased = model.unbiased(mart.slice(start, ROWS_AT_ONCE))
        if faulty:
            unbiased = unbiased.filter(~pc.field("exposure_date").isin(pa.array(faulty, pa.date32())))
        found = sampled(pa.concat_tables([found, without_late_feedback(unbiased, late)]))
        platform.rest()
    return model.derive(found)


def sampled_examples(
    platform: ModelPorts, scored_by: ScoredBy, first: date, last: date, *, outcome: str = LABEL
) -> pa.Table:
    """Return a sample of `scored_examples` of the policy's size, in the order of the mart."""
    policy = platform.model.monitoring
    rows = policy.reference_examples if outcome == LABEL else policy.reference_step_examples
    return scored_examples(platform, scored_by, first, last, outcome=outcome, rows=rows)


def is_funnel(platform: ModelPorts, model_version: str) -> bool:
    return len(platform.registry.load(model_version).stages) > 1
