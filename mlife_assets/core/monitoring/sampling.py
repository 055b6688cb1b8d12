"""The fixed-size sample of candidate pairs for monitoring.

Concept: an alarm must not become more likely because traffic grew, so each day gives the same number of rows, chosen by
a hash of (seed, day, entity, item). The choice depends on nothing else: not on row order, process or library version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError

GOLDEN_RATIO = (5**0.5 - 1) / 2
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_ONE = np.uint64(0xBF58476D1CE4E5B9)
_MIX_TWO = np.uint64(0x94D049BB133111EB)

Ids = Sequence[str] | npt.NDArray[Any] | Any
"""Ids as an Arrow array or column, a numpy array or a list of strings."""


@dataclass(frozen=True, eq=False)
class DaySample:
    """The sampled candidate pairs of one day.

    Attributes:
        pairs: sampled rows with derived features.
        population_rows: candidate pairs that they were drawn from.
        duplicate_pairs: rows among those that repeat the ids of another.
    """

    pairs: pa.Table
    population_rows: int
    duplicate_pairs: int = 0


def sample_pairs(entities: Ids, items: Ids, *, as_of: date, seed: int, rows: int) -> npt.NDArray[np.int64]:
    """Return the row indices, shape (min(rows, n),), of the day's sample, in order of their hash.

    `entities` and `items` are n ids each. Raises InvalidInputError on unequal lengths, nulls or `rows` below 1.
    """
    if rows < 1:
        raise InvalidInputError(f"rows is {rows}; sample at least one row")
    own, other = hash_ids(entities, "entity"), hash_ids(items, "item")
    if len(own) != len(other):
        raise InvalidInputError(f"{len(own)} ids of entities for {len(other)} of items; pass one of each per pair")
    key = hash_ids([f"{seed}|{as_of.isoformat()}"], "seed")[0]
    with np.errstate(over="ignore"):
        hashes = _mix(_mix(own ^ key) + other)
    if rows < len(hashes):
        chosen = np.flatnonzero(hashes <= np.partition(hashes, rows - 1)[rows - 1])
    else:
        chosen = np.arange(len(hashes))
    order = np.lexsort((other[chosen], own[chosen], hashes[chosen]))
    return chosen[order][:rows].astype(np.int64)


def in_shares(places: npt.NDArray[np.int64], counts: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return one of k classes for each of n places, int64 (n,), in proportion to the `counts` of the classes.

    Any run of places has these shares, nearly to the row. If all counts are 0, all places get the last class.
    """
    ends = np.cumsum(counts) / max(1, sum(counts))
    # Multiples of the golden ratio fill [0, 1) evenly in any run of them (Weyl 1916).
    found = np.searchsorted(ends, places * GOLDEN_RATIO % 1.0, side="right")
    return np.minimum(found, len(counts) - 1).astype(np.int64)


def hash_ids(ids: Ids, field: str) -> npt.NDArray[np.uint64]:
    """Return one 64-bit hash per id, shape (n,). Raises InvalidInputError naming `field` and row on a null."""
    array = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, type=pa.string())
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise InvalidInputError(f"{field} of row {row} is null; give every pair an id")
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.cast(pa.string()).dictionary_encode()
    if len(array.dictionary) == 0:
        return np.zeros(0, dtype=np.uint64)
    ids_bytes = array.dictionary.cast(pa.large_binary())
    lengths = np.asarray(pc.binary_length(ids_bytes)).astype(np.int64)
    offsets = np.frombuffer(ids_bytes.buffers()[1], dtype=np.int64)[ids_bytes.offset :][: len(lengths)]
    data = np.frombuffer(ids_bytes.buffers()[2] or b"", dtype=np.uint8)
    hashes = lengths.astype(np.uint64)
    for length in np.unique(lengths[lengths > 0]):
        alike = np.flatnonzero(lengths == length)
        padded = np.zeros((len(alike), -(-length // 8) * 8), dtype=np.uint8)
        padded[:, :length] = data[offsets[alike, None] + np.arange(length)]
        with np.errstate(over="ignore"):
            for word in padded.view("<u8").astype(np.uint64).T:
                hashes[alike] = np.where(word == 0, hashes[alike], _mix(hashes[alike] ^ word))
    spread: npt.NDArray[np.uint64] = hashes[np.asarray(array.indices)]
    return spread


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finalise with splitmix64 (Steele, Lea & Flood 2014)."""
    values = values + _GOLDEN
    values = (values ^ (values >> np.uint64(30))) * _MIX_ONE
    values = (values ^ (values >> np.uint64(27))) * _MIX_TWO
    return values ^ (values >> np.uint64(31))
