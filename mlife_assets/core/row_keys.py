"""Keys of rows: dense codes of ids and the seeded hash that orders ties.

Belongs here: turning columns of ids into integers, fast and the same in every process. Does not belong here: ids that
are stored or shown (`core.ids`), and what the keys are used for (`core.ranking`).

Concept: a code is the position of an id among the sorted distinct ids, so it does not depend on the order of rows. A
tie key is a hash of user, item and seed, so it depends on neither the order of rows nor on relevance, and two items of
one user get different keys (the last mixing step is a bijection).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError

IdColumn: TypeAlias = "np.ndarray | pa.Array | pa.ChunkedArray | Sequence[Any]"
"""A column of string or integer ids: numpy, Arrow or a list."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
_WORD_BYTES = 8
_DENSE_RANGE = 4


@dataclass(frozen=True)
class EncodedIds:
    """A column of n ids as integers.

    Attributes:
        codes: int64 of shape (n,), positions in `ids`.
        ids: the distinct ids in ascending order, shape (d,), object (strings) or int64.
    """

    codes: np.ndarray
    ids: np.ndarray


def encode_ids(column: IdColumn, field: str = "id") -> EncodedIds:
    """Return the codes of `column`, named `field` in errors.

    Raises:
        InvalidInputError: an id is missing, or ids are neither strings nor integers; names the field and the row.
    """
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise InvalidInputError(f"{field} has shape {column.shape}; pass one id per row")
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        return _encode_integers(column.astype(np.int64))
    array = _as_arrow(column, field)
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise InvalidInputError(f"{field} is missing in row {row}; every row needs one")
    if pa.types.is_integer(array.type):
        return encode_ids(array.to_numpy(zero_copy_only=False), field)
    dictionary = array.dictionary_encode()
    order = np.asarray(pc.sort_indices(dictionary.dictionary))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    ids = dictionary.dictionary.to_numpy(zero_copy_only=False)[order]
    return EncodedIds(rank[dictionary.indices.to_numpy(zero_copy_only=False)], ids)


def _encode_integers(values: np.ndarray) -> EncodedIds:
    if len(values) and int(values.max()) - int(values.min()) < _DENSE_RANGE * len(values):
        lowest = values.min()
        is_used = np.zeros(int(values.max() - lowest) + 1, dtype=np.bool_)
        is_used[values - lowest] = True
        return EncodedIds((np.cumsum(is_used) - 1)[values - lowest], np.flatnonzero(is_used) + lowest)
    ids, codes = np.unique(values, return_inverse=True)
    return EncodedIds(codes.astype(np.int64), ids)


def _as_arrow(column: IdColumn, field: str) -> pa.Array:
    try:
        array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if len(array) == 0 or pa.types.is_string(array.type) or pa.types.is_integer(array.type):
            return array if len(array) else pa.array([], pa.string())
        return array.cast(pa.string()) if pa.types.is_large_string(array.type) else _refuse(field, str(array.type))
    except pa.ArrowException as error:
        raise InvalidInputError(f"{field} is not a column of ids: {error}; pass strings or integers") from error


def _refuse(field: str, found: str) -> pa.Array:
    raise InvalidInputError(f"{field} holds {found}; pass strings or integers")


def encode_days(days: np.ndarray, field: str) -> np.ndarray:
    """Return `days` (datetime64 or dates) as int64 days since 1970-01-01.

    Raises:
        InvalidInputError: a day is missing; names the field and the row.
    """
    values = np.asarray(days, dtype="datetime64[D]")
    missing = np.flatnonzero(np.isnat(values))
    if len(missing):
        raise InvalidInputError(f"{field} is missing in row {int(missing[0])}; every row needs a day")
    return values.astype(np.int64)


def splitmix64(values: np.ndarray) -> np.ndarray:
    """Return the SplitMix64 step of uint64 `values` (Steele et al., OOPSLA 2014): a bijection that looks random."""
    mixed = values + _GOLDEN
    mixed = (mixed ^ (mixed >> _SHIFTS[0])) * _MULTIPLIERS[0]
    mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _MULTIPLIERS[1]
    return mixed ^ (mixed >> _SHIFTS[2])


def stable_hashes(ids: np.ndarray) -> np.ndarray:
    """Return uint64 hashes of shape (d,) of string or integer `ids`, the same in every process and release."""
    if ids.dtype.kind in "iu":
        return splitmix64(ids.astype(np.int64).view(np.uint64))
    encoded = [str(value).encode() for value in ids]
    lengths = np.fromiter((len(value) for value in encoded), dtype=np.uint64, count=len(encoded))
    hashes = splitmix64(lengths)
    if not len(encoded):
        return hashes
    words = max(1, -(-int(lengths.max()) // _WORD_BYTES))
    table = np.array(encoded, dtype=f"S{words * _WORD_BYTES}").view("<u8").reshape(len(encoded), words)
    for word in range(words):
        longer = lengths > np.uint64(word * _WORD_BYTES)
        hashes = np.where(longer, splitmix64(hashes ^ table[:, word].astype(np.uint64)), hashes)
    return hashes


def encoded_tie_keys(users: EncodedIds, items: EncodedIds, seed: int) -> np.ndarray:
    """Return uint64 tie keys of shape (n,) for columns that are encoded already."""
    salt = splitmix64(np.array([seed], dtype=np.int64).view(np.uint64))
    user_hashes = splitmix64(stable_hashes(users.ids) ^ salt)
    return splitmix64(user_hashes[users.codes] + stable_hashes(items.ids)[items.codes])


def tie_keys(user_ids: IdColumn, item_ids: IdColumn, seed: int) -> np.ndarray:
    """Return uint64 keys of shape (n,) that order equal scores: a hash of user, item and `seed` only.

    Raises:
        InvalidInputError: columns differ in length, or hold a missing id.
    """
    users, items = encode_ids(user_ids, "user_id"), encode_ids(item_ids, "item_id")
    if len(users.codes) != len(items.codes):
        raise InvalidInputError(
            f"{len(users.codes)} user ids but {len(items.codes)} item ids; pass one of each per row"
        )
    return encoded_tie_keys(users, items, seed)
