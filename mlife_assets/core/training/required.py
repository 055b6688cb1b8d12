"""Conditions on a challenger besides ranking better, the same for every gate.

Concept: each condition concerns the training data, or one model and rows that it has not seen. A holdout judges one
model by both; a recipe judged by folds needs the second part in every fold.

Leakage makes an evaluation look better than the model is. A feature that nearly determines the outcome by itself was
recorded after it. A label time that does so was derived from the outcome: the newest days then hold only rows whose
outcome came early. And if gate rows repeat training rows more often than training rows repeat each other, they were
copied. All are conditions of the gate: they refuse, and name the column or the number of rows. Training rows of a step
without a label yet are tested by the outcome of that step.

Parity: a row gets the same bits alone, in a batch, in another order, and after a reload. One measurement covers
training, batch and endpoint only if all score alike. Equality is of bits, not within a tolerance: a difference in the
last bit reveals a second code path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.sampling import hash_ids
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec, examples_matrix, feature_values
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.training_set import COLUMNS_BETWEEN_RESTS, Rest, TrainingSet

NAME = "scoring_parity"
ROWS_COMPARED = 5_000
"""Rows that are also scored in every other way than in one batch: few rows reveal a second code path."""

SEPARATION_MAXIMUM = 0.98
"""Area under the ROC curve of one feature alone. Honest features of conversions stay far below (.5 to .8)."""
ROWS_EXAMINED = 100_000
REPEATS_TOLERANCE = 0.1
"""Tolerated relative excess of repeated gate rows, since natural repeats drift. 0 if no row repeats."""
Fingerprints: TypeAlias = npt.NDArray[np.uint64]
_POSITIVE = np.uint64(0x9E3779B97F4A7C15)
"""Bits that a positive outcome flips."""
_NOBODY = np.uint64(0xD1B54A32D192ED03)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, eq=False)
class RowInputs:
    """The matrix of n rows with features, made of those that are asked for."""

    rows: pa.Table
    spec: FeatureSpec

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def __getitem__(self, places: Any) -> Array:
        return examples_matrix(self.rows.take(pa.array(np.arange(len(self))[places])), self.spec)


def training_conditions(training: TrainingSet, spec: FeatureSpec) -> tuple[Condition, ...]:
    """Return the conditions on the training data: no feature and no label time gives the outcome away.

    Raises:
        NotEnoughEvidenceError: only one class.
    """
    roles = training.roles
    known = np.flatnonzero(training.known(roles.label))
    outcome = training.outcome(roles.label, training.known(roles.label))
    examined = examined_rows(outcome)
    features = training.examples.select([one for one in spec.names if one in training.examples.column_names]).take(
        pa.array(known[examined])
    )
    times = []
    for step in examined_steps(roles):
        mask = training.known(step)
        if len(np.unique(training.outcome(step, mask))) == 2:
            rows = training.examples.select([roles.time, roles.step_times[step], step]).filter(pa.array(mask))
            times.append(label_time_condition(rows, roles, step))
    training.rest()
    return feature_condition(examples_matrix(features, spec), outcome[examined], spec), _worst(times)


def scoring_conditions(
    artifact: ModelArtifact,
    training: TrainingSet,
    exposures: pa.Table,
    matrix: Array | RowInputs,
    model: Model,
    *,
    threads: int,
    scores: Scores | None = None,
) -> tuple[Condition, ...]:
    """Return the conditions on one model and the rows that it scores.

    No exposure is a copy of a training row, and it scores `matrix` to the same bits in every way of asking; `scores`
    are its earlier scores of it, if any.

    Raises:
        InvalidInputError: the outcome of an exposure is unknown.
    """
    spec, roles = artifact.feature_spec, training.roles
    known, asked = fingerprints(training.examples, roles, spec, training.rest), fingerprints(exposures, roles, spec)
    copies = []
    for step in examined_steps(roles):
        mask = training.known(step)
        learned = with_outcome(known[mask], training.outcome(step, mask))
        judged = with_outcome(asked, _outcome(exposures, step))
        copies.append(copied_rows_condition(learned, judged, training.validating(step)[mask]))
    return (
        _worst(copies),
        parity_of(artifact, matrix, model, threads=threads, scores=scores),
    )


def examined_steps(roles: ExampleSpec) -> tuple[str, ...]:
    """Return the label, then the steps with a completion time, and thus training rows, of their own."""
    return (roles.label, *(step for step, time in roles.step_times.items() if time != roles.label_time))


def _outcome(exposures: pa.Table, step: str) -> npt.NDArray[np.bool_]:
    if exposures[step].null_count:
        raise InvalidInputError(
            f"{step} is not known of {exposures[step].null_count} of {exposures.num_rows} rows that the gate judges; "
            "judge mature rows"
        )
    return np.asarray(exposures[step].to_numpy(zero_copy_only=False), dtype=bool)


def _worst(conditions: Sequence[Condition]) -> Condition:
    return next((one for one in conditions if not one.is_met), conditions[0])


def parity_of(
    artifact: ModelArtifact, matrix: Array | RowInputs, model: Model, *, threads: int, scores: Scores | None = None
) -> Condition:
    """Return the condition that a model, also read back, scores rows to the same bits in every way of asking."""
    reloaded = ModelArtifact.from_files(artifact.model_version, artifact.files())
    return parity_condition(
        scorer_of(artifact, threads=threads),
        matrix,
        model.promotion.parity_rows,
        model.promotion.seed,
        reloaded=scorer_of(reloaded, threads=threads),
        in_batch=scores,
    )


class RowScorer(Protocol):
    """Port of parity: any object that scores a matrix."""

    def score(self, features: np.ndarray, /) -> Scores:
        """Score n rows: raw score and calibrated probability, both of shape (n,)."""


def parity_condition(
    scorer: RowScorer,
    matrix: np.ndarray | RowInputs,
    rows: int,
    seed: int,
    *,
    reloaded: RowScorer,
    in_batch: Scores | None = None,
) -> Condition:
    """Return the condition that `scorer` gives a row the same bits in every way of asking.

    All rows are scored at once. A seeded sample of them is scored in a shuffled order and by `reloaded`, a part of it
    one by one. The sentence of an unmet condition names the first row that differs, the difference, and the way.

    Args:
        scorer: the challenger's, trained or loaded.
        matrix: features, shape (n, features).
        rows: number of rows scored singly; all if fewer are compared.
        seed: of the samples and of the shuffled order.
        reloaded: a second scorer of the same artifact, read back from its files.
        in_batch: the model's earlier scores of all rows; None to compute them here.
    """
    count = len(matrix)
    if count == 0 or rows < 1:
        return Condition(NAME, False, f"Parity was not checked: {count} rows, {rows} to score alone; pass one or more.")
    generator = np.random.default_rng(seed)
    compared = np.sort(generator.choice(count, size=min(ROWS_COMPARED, count), replace=False))
    sample = np.sort(generator.choice(len(compared), size=min(rows, len(compared)), replace=False))
    order, everything = generator.permutation(len(compared)), np.arange(len(compared))
    batch = _values(scorer.score(matrix[:]) if in_batch is None else in_batch)
    if batch.shape != (count, 2):
        return Condition(NAME, False, f"{count} rows got {len(batch)} scores; a scorer gives each row one.")
    batch, few = batch[compared], matrix[compared]
    alone = np.concatenate([_values(scorer.score(few[row : row + 1])) for row in sample])
    ways = (
        ("alone", sample, alone),
        ("in another order", order, _values(scorer.score(few[order]))),
        ("after a reload", everything, _values(reloaded.score(few))),
    )
    for way, asked, found in ways:
        fault = _difference(way, asked, found, batch, compared)
        if fault is not None:
            return Condition(NAME, False, fault)
    which = f"{count:,} rows" if len(compared) == count else f"{len(compared):,} of {count:,} rows"
    text = (
        f"{which} score the same bits in a batch, in another order and after a reload, "
        f"{len(sample):,} of them also alone."
    )
    return Condition(NAME, True, text)


def _values(scores: Scores) -> np.ndarray:
    """Raw score and probability side by side, float64 of shape (n, 2)."""
    return np.stack(
        [np.asarray(scores.raw, dtype=np.float64), np.asarray(scores.probability, dtype=np.float64)], axis=1
    )


def _difference(way: str, asked: np.ndarray, found: np.ndarray, batch: np.ndarray, compared: np.ndarray) -> str | None:
    """Compare the scores `found` of the rows `asked` with those of the batch; None when all bits agree.

    `compared` has the caller's row numbers of the batch.
    """
    if found.shape != (len(asked), 2):
        return f"{len(asked):,} rows scored {way} got {len(found):,} scores; a scorer gives each row one."
    expected = np.ascontiguousarray(batch[asked])
    differs = np.any(np.ascontiguousarray(found).view(np.uint64) != expected.view(np.uint64), axis=1)
    if not np.any(differs):
        return None
    position = int(np.flatnonzero(differs)[np.argmin(asked[differs])])
    with np.errstate(invalid="ignore"):
        largest = float(np.max(np.abs(found[differs] - expected[differs])))
    return (
        f"Row {int(compared[asked[position]])} scores {_shown(found[position])} {way} and "
        f"{_shown(expected[position])} in a batch; {int(differs.sum()):,} of {len(asked):,} rows differ, "
        f"by up to {largest:.3g}; find the second code path."
    )


def _shown(pair: np.ndarray) -> str:
    return f"{float(pair[0])!r} (probability {float(pair[1])!r})"


@dataclass(frozen=True)
class Separation:
    """How well one feature alone predicts the outcome.

    Attributes:
        feature: its name.
        area: area under the ROC curve, .5 to 1, whichever direction is better; a missing value is a value of its own.
    """

    feature: str
    area: float


def separations(matrix: Array, outcome: npt.NDArray[np.bool_], spec: FeatureSpec) -> list[Separation]:
    """Return how well each feature alone predicts the outcome, the best first.

    A category is scored by the share of positives among its other rows; a missing number is tried below and above all
    others. The order of rows does not matter.

    Args:
        matrix: float64 of shape (n, features).
        outcome: bool (n,), both classes.
        spec: names and categories.

    Raises:
        NotEnoughEvidenceError: only one class.
    """
    if not 0 < outcome.sum() < len(outcome):
        raise NotEnoughEvidenceError(f"{int(outcome.sum())} positives in {len(outcome)} rows; both classes are needed")
    found = []
    for place, name in enumerate(spec.names):
        values = matrix[:, place]
        if name in spec.categorical:
            found.append(Separation(name, _area_of_category(values, outcome)))
            continue
        low, high = (np.nan_to_num(values, nan=end, posinf=np.inf, neginf=-np.inf) for end in (-np.inf, np.inf))
        area = max(max(a, 1 - a) for a in (_area(low, outcome), _area(high, outcome)))
        found.append(Separation(name, area))
    return sorted(found, key=lambda one: (-one.area, one.feature))


def giveaway_words(found: Separation) -> str:
    """Return the fault of a feature that separates too well."""
    return (
        f"The feature {found.feature} predicts the outcome by itself (area under the ROC curve {found.area:.3f}, at "
        f"most {SEPARATION_MAXIMUM:g}); it was recorded after the outcome: leave it out."
    )


def examined_rows(outcome: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return the indices of the examined rows of n, ascending: evenly spaced within each class if there are many."""
    if len(outcome) <= ROWS_EXAMINED:
        return np.arange(len(outcome))
    classes = [_evenly(np.flatnonzero(outcome == value), ROWS_EXAMINED // 2) for value in (False, True)]
    return np.sort(np.concatenate(classes))


def feature_condition(matrix: Array, outcome: npt.NDArray[np.bool_], spec: FeatureSpec) -> Condition:
    """Return the condition that no feature predicts the outcome by itself; arguments as of `separations`.

    Of many rows only `examined_rows` are used, since the area does not depend on the mix of classes.

    Raises:
        NotEnoughEvidenceError: only one class.
    """
    if len(matrix) > ROWS_EXAMINED:
        kept = examined_rows(outcome)
        matrix, outcome = matrix[kept], outcome[kept]
    best = separations(matrix, outcome, spec)[0]
    name = "no_feature_tells_the_outcome"
    if best.area > SEPARATION_MAXIMUM:
        return Condition(name, False, giveaway_words(best))
    return Condition(
        name, True, f"No feature predicts the outcome by itself; the closest is {best.feature} ({best.area:.3f})."
    )


def label_time_condition(examples: pa.Table, roles: ExampleSpec, step: str | None = None) -> Condition:
    """Return the condition that the delay of an outcome does not give it away.

    A conversion is known when it happens, but a label is complete when its window has closed, in either case. If label
    times are days of conversion, the days before a cut hold conversions only.

    Args:
        examples: n rows whose outcome is known, both classes.
        roles: roles of the columns.
        step: step of the outcome; None for the label.
    """
    label = step or roles.label
    label_time = roles.step_times[label]
    shown, known = (examples[name].to_numpy().astype("datetime64[D]") for name in (roles.time, label_time))
    outcome = np.asarray(examples[label].to_numpy(zero_copy_only=False), dtype=bool)
    area = _area((known - shown).astype(np.float64), outcome)
    area, name = max(area, 1 - area), "label_time_does_not_tell_the_outcome"
    if area > SEPARATION_MAXIMUM:
        text = (
            f"How long {label_time} comes after {roles.time} predicts {label} alone (area under the ROC "
            f"curve {area:.3f}, at most {SEPARATION_MAXIMUM:g}); set it to the end of the window, whatever happened."
        )
        return Condition(name, False, text)
    return Condition(
        name, True, f"How long {label_time} comes after {roles.time} does not predict {label} ({area:.3f})."
    )


def copied_rows_condition(known: Fingerprints, asked: Fingerprints, is_later: npt.NDArray[np.bool_]) -> Condition:
    """Return the condition that gate rows do not repeat training rows more often than is natural.

    A row is repeated when entity, item, outcome and every feature are equal. The natural share is measured inside the
    training set: its later rows that repeat an earlier one, or the other way round. The share of repeats
    depends on the number of rows to repeat, so gate rows are compared with each part alone.

    Args:
        known: of n training rows whose outcome is known, `with_outcome`.
        asked: of the gate's rows, `with_outcome`.
        is_later: mask of the later training rows, bool (n,).
    """
    condition = "gate_rows_are_not_training_rows"
    if len(asked) == 0:
        return Condition(condition, False, "Copies were not looked for: the gate has no rows; wait for mature ones.")
    parts = {"earlier": known[~is_later], "later": known[is_later]}
    against, repeated = max(((name, _repeats(asked, part)) for name, part in parts.items()), key=lambda one: one[1])
    found = wilson_interval(repeated, len(asked))
    share = f"{repeated:,} of {len(asked):,} gate rows ({found.estimate:.2%})"
    expected, usual = 0.0, "the training set has one part only"
    for name, other in (("later", "earlier"), ("earlier", "later")):
        if len(parts[name]) and len(parts[other]):
            natural = _repeats(parts[name], parts[other])
            upper = wilson_interval(natural, len(parts[name])).upper
            if upper > expected:
                usual = f"{natural:,} of {len(parts[name]):,} {name} training rows repeat one of the {other}"
                expected = upper
    if found.lower > expected * (1.0 + REPEATS_TOLERANCE):
        text = f"{share} repeat one of the {against} training rows in every column, while {usual}; remove the copies."
        return Condition(condition, False, text)
    text = f"{share} repeat one of the {against} training rows in every column, as is natural here: {usual}."
    return Condition(condition, True, text)


def fingerprints(rows: pa.Table, roles: ExampleSpec, spec: FeatureSpec, rest: Rest = lambda: None) -> Fingerprints:
    """Return a hash of 64 bits of entity, item and every feature of n rows, (n,); call `rest` between columns.

    Collisions are rare even among millions of rows.
    """
    prints = np.zeros(rows.num_rows, dtype=np.uint64)
    for place, name in enumerate(spec.names):
        if place % COLUMNS_BETWEEN_RESTS == 0:
            rest()
        values = feature_values(rows, name, spec) + 0.0  # -0.0 is 0.0
        values[np.isnan(values)] = np.nan
        _mix(prints, values.view(np.uint64))
    for role in (roles.entity, roles.item):
        if role is not None:
            _mix(prints, _hashed_text(rows[role]))
    rest()
    return prints


def with_outcome(prints: Fingerprints, outcome: npt.NDArray[np.bool_]) -> Fingerprints:
    """Return fingerprints of n rows that include their outcomes, bool (n,)."""
    return np.where(outcome, prints ^ _POSITIVE, prints)


def _hashed_text(column: pa.ChunkedArray) -> Fingerprints:
    """Return a hash of each value as text; each distinct value is hashed once."""
    coded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    hashes = hash_ids(coded.dictionary, "id")
    places = coded.indices.fill_null(len(hashes)).to_numpy()  # missing values
    return np.asarray(np.append(hashes, _NOBODY)[places], dtype=np.uint64)


def _mix(prints: Fingerprints, values: Fingerprints) -> None:
    """Mix the bits of n values into as many fingerprints, in place."""
    prints ^= values
    for multiplier in _MULTIPLIERS:
        prints *= multiplier
        prints ^= prints >> np.uint64(31)


def _area_of_category(codes: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return the area when each category is scored by its share of positives among its other rows.

    No row uses its own outcome, so a category of one row is uninformative. Leaving out only itself would rank the
    negative of two rows of one category first, so such pairs count half. Areas below .5 are uninformative.
    """
    _, category = np.unique(np.where(np.isnan(codes), -1.0, codes), return_inverse=True)
    rows = np.bincount(category)
    positives = np.bincount(category, weights=outcome)
    prior = float(outcome.sum()) / len(outcome)
    shares = (positives[category] - outcome + prior) / rows[category]
    pairs = float(outcome.sum()) * float(len(outcome) - outcome.sum())
    return max(_area(shares, outcome) + float(np.sum(positives * (rows - positives))) / 2 / pairs, 0.5)


def _evenly(places: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).astype(np.int64)]


def _repeats(rows: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> int:
    """Return the number of rows that occur among others."""
    if len(others) == 0:
        return 0
    rows, others = np.sort(rows), np.sort(others)
    places = np.minimum(np.searchsorted(others, rows), len(others) - 1)
    return int(np.count_nonzero(others[places] == rows))


def _area(values: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve with ties counted half (Mann-Whitney)."""
    _, rank = np.unique(values, return_inverse=True)
    rows = np.bincount(rank)
    positives = np.bincount(rank, weights=outcome, minlength=len(rows))
    negatives = rows - positives
    below = np.cumsum(negatives) - negatives
    wins = float(np.sum(positives * (below + negatives / 2)))
    return wins / (float(np.sum(positives)) * float(np.sum(negatives)))
