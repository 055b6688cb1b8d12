"""The feature spec: from a row of an examples table to model inputs, with all fitted preprocessing.

Concept: a matrix row holds plain values: numbers, counts, codes. Preprocessing fitted on training rows (codes of
categories, priors of rates) is in the spec inside the artifact, so a single row scores as in a batch, and an endpoint
takes plain counts. `expanded` appends the rates; a user or an item without a history gets the prior.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec, RateRole
from mlife_assets.core.quoting import quoted

Array = npt.NDArray[np.float64]
VOCABULARY_MAXIMUM = 200
"""Values of an open category that get a code, the most frequent first; rarer ones count as missing."""
STRENGTH_MINIMUM, STRENGTH_MAXIMUM = 1.0, 10_000.0


@dataclass(frozen=True)
class SmoothedRate:
    """A rate shrunk to a prior: (successes + prior_rate x prior_strength) / (trials + prior_strength).

    Attributes:
        name: of the rate.
        successes: feature that counts successes.
        trials: feature that counts trials.
        prior_rate: rate of a row without trials.
        prior_strength: weight of the prior, in trials.
    """

    name: str
    successes: str
    trials: str
    prior_rate: float
    prior_strength: float


@dataclass(frozen=True)
class FeatureSpec:
    """Order of the columns of a matrix, the code of every category (its index), and the priors of rates.

    Attributes:
        names: all columns of a matrix in order.
        vocabularies: categorical feature -> values, in code order; a value that is not listed becomes NaN.
        rates: rates that `expanded` appends, in order.
    """

    names: tuple[str, ...]
    vocabularies: tuple[tuple[str, tuple[str, ...]], ...]
    rates: tuple[SmoothedRate, ...] = ()

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the categorical features."""
        return tuple(name for name, _ in self.vocabularies)

    @cached_property
    def codes(self) -> dict[str, dict[str, float]]:
        """Code of each value of each categorical feature."""
        return {name: {value: float(code) for code, value in enumerate(values)} for name, values in self.vocabularies}

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of a model's inputs: `names`, then the rates."""
        return (*self.names, *(rate.name for rate in self.rates))

    @property
    def version(self) -> str:
        """Content hash of the spec."""
        return "spec_" + hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def expanded(self, matrix: Array) -> Array:
        """Return the model inputs of a matrix (n, names): float64 of shape (n, model_names).

        A rate with a missing count is its prior.
        """
        if not self.rates:
            return matrix
        seen = np.empty((len(matrix), len(self.model_names)))
        seen[:, : len(self.names)] = matrix
        self.write_rates(seen)
        return seen

    def write_rates(self, seen: Array) -> None:
        """Write the rates into model inputs, (n, model_names), beside the columns of the matrix."""
        if not self.rates:
            return
        places, priors, strengths = self._rate_arrays
        counts = [seen[:, one] for one in places]
        is_known = np.isfinite(counts[0]) & np.isfinite(counts[1])
        successes, trials = (np.maximum(np.where(is_known, count, 0.0), 0.0) for count in counts)
        seen[:, len(self.names) :] = (successes + priors) / (trials + strengths)

    @cached_property
    def _rate_arrays(self) -> tuple[npt.NDArray[np.int64], Array, Array]:
        """Places of the counts, (2, rates), and successes and trials of the priors, each (rates,)."""
        places = {name: place for place, name in enumerate(self.names)}
        columns = [[places[one.successes] for one in self.rates], [places[one.trials] for one in self.rates]]
        strengths = np.array([one.prior_strength for one in self.rates])
        return np.array(columns), np.array([one.prior_rate for one in self.rates]) * strengths, strengths

    def only(self, names: Collection[str]) -> FeatureSpec:
        """Return the spec with only the named columns and rates, and the counts of these rates."""
        rates = tuple(rate for rate in self.rates if rate.name in names)
        wanted = {*names, *(count for rate in rates for count in (rate.successes, rate.trials))}
        vocabularies = tuple(one for one in self.vocabularies if one[0] in wanted)
        return FeatureSpec(tuple(name for name in self.names if name in wanted), vocabularies, rates)

    def to_json(self) -> str:
        """Return the spec as canonical JSON; floats survive to the bit."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """Return the spec that `to_json` wrote."""
        record: dict[str, Any] = json.loads(text)
        return cls(
            tuple(record["names"]),
            tuple((name, tuple(values)) for name, values in record["vocabularies"]),
            tuple(SmoothedRate(**rate) for rate in record["rates"]),
        )


def fit_feature_spec(examples: pa.Table, roles: ExampleSpec) -> FeatureSpec:
    """Return the spec of training rows: known vocabularies, else the occurring values; rates with fitted priors.

    Raises:
        InvalidInputError: a column is missing.
    """
    known = dict(roles.vocabularies)
    vocabularies = tuple(
        (name, known[name] if name in known else _vocabulary(_column(examples, name))) for name in roles.categoricals
    )
    rates = tuple(
        fit_rate(rate, _numbers(examples, rate.successes), _numbers(examples, rate.trials)) for rate in roles.rates
    )
    return FeatureSpec((*roles.features, *roles.categoricals), vocabularies, rates)


def fit_rate(role: RateRole, successes: Array, trials: Array) -> SmoothedRate:
    """Return a rate whose prior has the mean of all rows and the spread between them.

    The spread is the moment estimate of a beta-binomial (Kleinman, JASA 1973): the variance of the rates beyond the
    chance of their few trials. Rows without trials, or with a missing count, are ignored.

    Args:
        role: names.
        successes: counts of shape (n,).
        trials: counts of shape (n,).
    """
    said = np.isfinite(successes) & np.isfinite(trials) & (trials > 0)
    hits, weight = np.maximum(successes[said], 0.0), trials[said]
    total = float(np.sum(weight))
    if total == 0.0:
        return SmoothedRate(role.name, role.successes, role.trials, 0.5, STRENGTH_MINIMUM)
    mean = float(np.sum(hits)) / total
    chance = mean * (1.0 - mean)
    spread = float(np.sum(weight * (hits / weight - mean) ** 2)) - (len(weight) - 1) * chance
    room = total - float(np.sum(weight**2)) / total - (len(weight) - 1)
    share = spread / (room * chance) if room > 0 and chance > 0 else 0.0
    strength = (1.0 - share) / share if share > 0 else STRENGTH_MAXIMUM
    bounded = min(max(strength, STRENGTH_MINIMUM), STRENGTH_MAXIMUM)
    return SmoothedRate(role.name, role.successes, role.trials, mean, bounded)


def examples_matrix(examples: pa.Table, spec: FeatureSpec, constants: Mapping[str, str] | None = None) -> Array:
    """Return the matrix of `spec`, float64 of shape (n, names).

    Args:
        examples: n rows with the columns of `spec`.
        spec: order and vocabularies.
        constants: categorical feature -> value for all rows instead of the table's.

    Raises:
        InvalidInputError: a column is missing.
    """
    matrix = np.empty((examples.num_rows, len(spec.names)), dtype=np.float64)
    vocabularies = dict(spec.vocabularies)
    for place, name in enumerate(spec.names):
        if constants is not None and name in constants:
            values = vocabularies[name]
            matrix[:, place] = values.index(constants[name]) if constants[name] in values else np.nan
        else:
            matrix[:, place] = feature_values(examples, name, spec)
    return matrix


def seen_matrix(examples: pa.Table, spec: FeatureSpec, rows: npt.NDArray[np.bool_] | None = None) -> Array:
    """Return the model inputs of the m rows of a mask, by default all: float64 of shape (m, model_names).

    It is `spec.expanded` of `examples_matrix`, without memory for other rows.

    Raises:
        InvalidInputError: a column is missing.
    """
    count = examples.num_rows if rows is None else int(np.count_nonzero(rows))
    seen = np.empty((count, len(spec.model_names)))
    for place, name in enumerate(spec.names):
        values = feature_values(examples, name, spec)
        seen[:, place] = values if rows is None else values[rows]
    spec.write_rates(seen)
    return seen


def feature_values(examples: pa.Table, name: str, spec: FeatureSpec) -> Array:
    """Return a column of n rows as codes of a category or numbers: float64 (n,).

    Raises:
        InvalidInputError: it is missing.
    """
    vocabularies = dict(spec.vocabularies)
    if name not in vocabularies:
        return _numbers(examples, name)
    codes = pc.index_in(_column(examples, name).cast(pa.string()), value_set=pa.array(vocabularies[name], pa.string()))
    values: Array = codes.cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return values


def unseen_values(spec: FeatureSpec, constants: Mapping[str, str]) -> list[str]:
    """Return a sentence per constant that no training row had: it counts as missing in every score."""
    return [
        f"{name} is {quoted(constants[name])} in all rows, which the model has not learned from (it knows "
        f"{', '.join(values) or 'none'}): it is scored as missing."
        for name, values in spec.vocabularies
        if name in constants and constants[name] not in values
    ]


def feature_hashes(matrix: Array) -> list[str]:
    """Return one hash per row of a matrix, equal exactly when the rows are (NaN equals NaN, 0.0 equals -0.0)."""
    canonical = np.ascontiguousarray(matrix, dtype="<f8") + 0.0
    canonical[np.isnan(canonical)] = np.nan
    width = canonical.shape[1] * 8
    data = canonical.tobytes()
    return [
        hashlib.blake2b(data[start : start + width], digest_size=12).hexdigest() for start in range(0, len(data), width)
    ]


def _vocabulary(column: pa.ChunkedArray) -> tuple[str, ...]:
    counts = pc.value_counts(column.drop_null().cast(pa.string())).to_pylist()
    ranked = sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))[:VOCABULARY_MAXIMUM]
    return tuple(sorted(entry["values"] for entry in ranked))


def _column(examples: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in examples.column_names:
        raise InvalidInputError(f"examples lack column {name}; add it or take it out of the features")
    return examples[name]


def _numbers(examples: pa.Table, name: str) -> Array:
    values: Array = pc.fill_null(_column(examples, name).cast(pa.float64()), float("nan")).to_numpy()
    return values
