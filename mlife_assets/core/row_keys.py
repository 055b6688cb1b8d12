"""Keys of rows: dense codes of ids and the seeded hash that orders ties.

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


@dataclass(frozen=True)
class IdValues:
    """A column of n ids as it was given, read but not yet encoded.

    Attributes:
        values: int64 of shape (n,): the integer ids themselves, or positions in `names`.
        names: distinct string ids in no particular order; None where ids are integers.
    """

    values: np.ndarray
    names: pa.Array | None

    def encode(self, rows: np.ndarray | None = None) -> EncodedIds:
        """Return the codes of all rows, or of the positions `rows`; ids that do not occur there get no code."""
        values = self.values if rows is None else self.values[rows]
        if self.names is None:
            return _encode_integers(values)
        names = self.names
        if not _is_ascending(names):
            order = np.asarray(pc.sort_indices(names))
            rank = np.empty(len(order), dtype=np.int64)
            rank[order] = np.arange(len(order))
            values, names = rank[values], names.take(pa.array(order))
        used = _encode_integers(values)
        if len(used.ids) < len(names):
            names = names.take(pa.array(used.ids))
        return EncodedIds(used.codes, names.to_numpy(zero_copy_only=False))

    def name_hashes(self) -> np.ndarray:
        """Return the uint64 hash of each name (`stable_hashes`), or no hash where ids are integers."""
        return np.empty(0, dtype=np.uint64) if self.names is None else _string_hashes(self.names)


def encode_ids(column: IdColumn, field: str = "id") -> EncodedIds:
    """Return the codes of `column`, named `field` in errors.

    Raises:
        InvalidInputError: an id is missing, or ids are neither strings nor integers; names the field and the row.
    """
    return read_ids(column, field).encode()


def read_ids(column: IdColumn, field: str = "id") -> IdValues:
    """Return the ids of `column`, named `field` in errors, without sorting them.

    Raises:
        InvalidInputError: an id is missing, or ids are neither strings nor integers; names the field and the row.
    """
    if isinstance(column, np.ndarray) and column.ndim != 1:
        raise InvalidInputError(f"{field} has shape {column.shape}; pass one id per row")
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        return IdValues(np.ascontiguousarray(column.astype(np.int64, copy=False)), None)
    array = _as_arrow(column, field)
    if array.null_count:
        row = int(np.flatnonzero(np.asarray(array.is_null()))[0])
        raise InvalidInputError(f"{field} is missing in row {row}; every row needs one")
    if pa.types.is_integer(array.type):
        return read_ids(array.to_numpy(zero_copy_only=False), field)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return IdValues(array.indices.to_numpy(zero_copy_only=False).astype(np.int64), array.dictionary)


def _is_ascending(names: pa.Array) -> bool:
    return len(names) < 2 or bool(pc.all(pc.less(names[:-1], names[1:])).as_py())


def _encode_integers(values: np.ndarray) -> EncodedIds:
    lowest, highest = (int(values.min()), int(values.max())) if len(values) else (0, -1)
    span = highest - lowest + 1
    if span <= _DENSE_RANGE * len(values):
        offsets = values - lowest
        is_used = np.zeros(span, dtype=np.bool_)
        is_used[offsets] = True
        if is_used.all():
            return EncodedIds(offsets, np.arange(span) + lowest)
        return EncodedIds((np.cumsum(is_used) - 1)[offsets], np.flatnonzero(is_used) + lowest)
    ids, codes = np.unique(values, return_inverse=True)
    return EncodedIds(codes.astype(np.int64), ids)


def _as_arrow(column: IdColumn, field: str) -> pa.Array:
    try:
        array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if pa.types.is_dictionary(array.type) and not _is_plain_dictionary(array):
            array = array.dictionary_decode()
        if pa.types.is_dictionary(array.type):
            return array
        if len(array) == 0 or pa.types.is_string(array.type) or pa.types.is_integer(array.type):
            return array if len(array) else pa.array([], pa.string())
        return array.cast(pa.string()) if pa.types.is_large_string(array.type) else _refuse(field, str(array.type))
    except pa.ArrowException as error:
        raise InvalidInputError(f"{field} is not a column of ids: {error}; pass strings or integers") from error


def _is_plain_dictionary(array: pa.DictionaryArray) -> bool:
    """Whether its indices can be taken as they are: string names, each once, none missing."""
    names = array.dictionary
    is_plain = len(array) > 0 and pa.types.is_string(names.type) and not array.null_count and not names.null_count
    return bool(is_plain and (_is_ascending(names) or pc.count_distinct(names).as_py() == len(names)))


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
    return _string_hashes(pa.array(ids, pa.string()))


def _string_hashes(names: pa.Array) -> np.ndarray:
    """Hash the length of each name in bytes, then its bytes as words of eight, zero-padded."""
    _, offset_buffer, data = names.buffers()
    if not len(names):
        return np.empty(0, dtype=np.uint64)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[names.offset : names.offset + len(names) + 1]
    offsets = offsets.astype(np.int64)
    first, end = int(offsets[0]), int(offsets[-1])
    text = np.zeros(end - first + _WORD_BYTES, dtype=np.uint8)
    if end > first:
        text[: end - first] = np.frombuffer(data, dtype=np.uint8)[first:end]
    # The eight bytes from each byte on, as one little-endian word.
    words = np.ndarray((len(text) - _WORD_BYTES + 1,), dtype="<u8", buffer=text, strides=(1,))
    begins, lengths = offsets[:-1] - first, np.diff(offsets)
    hashes = splitmix64(lengths.astype(np.uint64))
    for begin in range(0, int(lengths.max()), _WORD_BYTES):
        longer = np.flatnonzero(lengths > begin)
        unused = np.maximum(0, begin + _WORD_BYTES - lengths[longer]).astype(np.uint64) * np.uint64(8)
        word = words[begins[longer] + begin].astype(np.uint64) << unused >> unused
        hashes[longer] = splitmix64(hashes[longer] ^ word)
    return hashes


def user_hashes(user_ids: np.ndarray, seed: int) -> np.ndarray:
    """Return the uint64 hash of each distinct user id; mixed with an item's hash it gives a tie key."""
    salt = splitmix64(np.array([seed], dtype=np.int64).view(np.uint64))
    return splitmix64(stable_hashes(user_ids) ^ salt)


def encoded_tie_keys(users: EncodedIds, items: EncodedIds, seed: int) -> np.ndarray:
    """Return uint64 tie keys of shape (n,) for columns that are encoded already."""
    return splitmix64(user_hashes(users.ids, seed)[users.codes] + stable_hashes(items.ids)[items.codes])


def tie_keys(user_ids: IdColumn, item_ids: IdColumn, seed: int) -> np.ndarray:
    """Return uint64 keys of shape (n,) that order equal scores: a hash of user, item and `seed` only.

    Raises:
        InvalidInputError: columns differ in length, or hold a missing id.
    """
    users, items = encode_ids(user_ids, "user_ids"), encode_ids(item_ids, "item_ids")
    if len(users.codes) != len(items.codes):
        raise InvalidInputError(
            f"{len(users.codes)} user ids but {len(items.codes)} item ids; pass one of each per row"
        )
    return encoded_tie_keys(users, items, seed)
