"""Loops over rows and groups, compiled to machine code on first use.

Concept: each kernel is a plain function, so this module loads without numba. `compiled` hands it to numba the first
time it is called; numba keeps the machine code beside this file, or in its cache folder, for the next process. One
thread and no reordering of floating-point sums: the same input gives the same bits.

A row has up to three numbers (`rows.RowGroups`): its place in the input, its staged place, and its arranged place,
where each group is contiguous. `arrangement[q]` is the staged place of the arranged row q; it is empty where both are
the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import ParamSpec, TypeVar, cast

import numpy as np

_P = ParamSpec("_P")
_T = TypeVar("_T")

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
_SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)
_FIRST_SHIFT = np.uint64(30)
_SECOND_SHIFT = np.uint64(27)
_THIRD_SHIFT = np.uint64(31)


@cache
def compiled(kernel: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return `kernel` as machine code: one thread, exact floating point, cached on disk if a folder is writable."""
    import numba

    compile_kernel = partial(numba.njit, parallel=False, fastmath=False, nogil=True, error_model="numpy")
    try:
        return cast("Callable[_P, _T]", compile_kernel(kernel, cache=True))
    except RuntimeError:  # numba has no folder for its cache
        return cast("Callable[_P, _T]", compile_kernel(kernel))


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view of `array` that cannot be written: a kernel is compiled once, not for each kind of input."""
    view = array.view()
    view.flags.writeable = False
    return view


def counting_positions(codes: np.ndarray, heads: np.ndarray, positions: np.ndarray) -> None:
    """Fill `positions` with the place of each row in the stable ascending order of int64 `codes`.

    `heads` is where each code begins in that order, int64; it is used up.
    """
    for row in range(len(codes)):
        code = codes[row]
        positions[row] = heads[code]
        heads[code] += 1


def counting_order(codes: np.ndarray, heads: np.ndarray, order: np.ndarray) -> None:
    """Fill `order` with the rows in the stable ascending order of int64 `codes`; `heads` as above."""
    for row in range(len(codes)):
        code = codes[row]
        order[heads[code]] = row
        heads[code] += 1


def expand_runs(starts: np.ndarray, lengths: np.ndarray, arrangement: np.ndarray) -> None:
    """Fill `arrangement` with the input rows of runs of `lengths` that start at input rows `starts`."""
    position = 0
    for run in range(len(starts)):
        for offset in range(lengths[run]):
            arrangement[position] = starts[run] + offset
            position += 1


def arranged_tie_keys(
    arrangement: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    group_hashes: np.ndarray,
    items: np.ndarray,
    item_hashes: np.ndarray,
    keys: np.ndarray,
) -> None:
    """Fill `keys` with the uint64 tie keys of `row_keys.encoded_tie_keys`, in arranged order.

    Args:
        arrangement: staged row of each arranged row, or empty.
        starts: first arranged row of each of g groups.
        sizes: rows of each group.
        group_hashes: salted hash of the user of each group, uint64.
        items: uint64 per staged row: positions in `item_hashes`, or integer ids when that is empty.
        item_hashes: hashes of the distinct items, uint64, or empty.
        keys: filled, uint64 per arranged row.
    """
    is_arranged = len(arrangement) > 0
    is_hashed = len(item_hashes) > 0
    for group in range(len(starts)):
        base = group_hashes[group]
        for position in range(starts[group], starts[group] + sizes[group]):
            item = items[arrangement[position]] if is_arranged else items[position]
            if is_hashed:
                mixed = item_hashes[item]
            else:
                mixed = item + _GOLDEN
                mixed = (mixed ^ (mixed >> _FIRST_SHIFT)) * _FIRST_MULTIPLIER
                mixed = (mixed ^ (mixed >> _SECOND_SHIFT)) * _SECOND_MULTIPLIER
                mixed = mixed ^ (mixed >> _THIRD_SHIFT)
            mixed = base + mixed + _GOLDEN
            mixed = (mixed ^ (mixed >> _FIRST_SHIFT)) * _FIRST_MULTIPLIER
            mixed = (mixed ^ (mixed >> _SECOND_SHIFT)) * _SECOND_MULTIPLIER
            keys[position] = mixed ^ (mixed >> _THIRD_SHIFT)


def positives_and_repeats(
    arrangement: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    keys: np.ndarray,
    relevant: np.ndarray,
    positives: np.ndarray,
    positive_rows: np.ndarray,
    repeats: np.ndarray,
) -> None:
    """Find the relevant rows of each group, and keys that occur twice in one.

    Args:
        arrangement: staged row of each arranged row, or empty.
        starts: first arranged row of each group.
        sizes: rows of each group.
        keys: tie key of each arranged row, uint64.
        relevant: bool per staged row.
        positives: filled with the relevant rows of each group.
        positive_rows: filled with the arranged rows that are relevant, group by group.
        repeats: zeros, filled with (how many rows repeat a key, a row, the first row that repeats its key).
    """
    is_arranged = len(arrangement) > 0
    found, largest, places = 0, 0, 16
    for size in sizes:
        largest = max(largest, size)
    while places < 2 * largest:
        places *= 2
    slots = np.full(places, -1)  # a hash table
    for group in range(len(starts)):
        first, end = starts[group], starts[group] + sizes[group]
        before = found
        slots_here = 16
        while slots_here < 2 * sizes[group]:
            slots_here *= 2
        mask = np.uint64(slots_here - 1)
        for position in range(first, end):
            if relevant[arrangement[position]] if is_arranged else relevant[position]:
                positive_rows[found] = position
                found += 1
            slot = keys[position] & mask
            # A slot that another group filled holds a position outside this group: it counts as free.
            while first <= slots[slot] < end and keys[slots[slot]] != keys[position]:
                slot = (slot + np.uint64(1)) & mask
            if first <= slots[slot] < end:
                if repeats[0] == 0:
                    repeats[1], repeats[2] = slots[slot], position
                repeats[0] += 1
            else:
                slots[slot] = position
        positives[group] = found - before


def group_metrics(
    groups: tuple[np.ndarray, np.ndarray, np.ndarray],
    positives: np.ndarray,
    positive_rows: np.ndarray,
    keys: np.ndarray,
    scores: np.ndarray,
    depth: int,
    discounts: np.ndarray,
    ideals: np.ndarray,
) -> np.ndarray:
    """Return AP, NDCG and recall at `depth` of each group with a positive, float64 of shape (3, these groups).

    The positives of a group are sorted by score and tie key. Each row then finds by bisection how many positives come
    before it; the counts give the rank of each positive. Sums run over positives by ascending rank.

    Args:
        groups: staged row of each arranged row, or empty; first arranged row of each group; rows of each group.
        positives: relevant rows of each group.
        positive_rows: arranged rows that are relevant, by group.
        keys: tie key of each arranged row, uint64.
        scores: float64 per staged row without NaN; higher comes first.
        depth: k.
        discounts: gain of rank r at r - 1, for the ranks up to min(k, largest group).
        ideals: DCG of a perfect ranking with h hits at h, for h = 0..min(k, largest group).
    """
    arrangement, starts, sizes = groups
    most = 0
    for count in positives:
        most = max(most, count)
    metrics = np.empty((3, np.count_nonzero(positives)))
    best, best_keys, counts = np.empty(most), np.empty(most, dtype=np.uint64), np.empty(most + 1, dtype=np.int64)
    is_arranged = len(arrangement) > 0
    index, head = 0, 0
    for group in range(len(starts)):
        m = positives[group]
        if m == 0:
            continue
        for j in range(m):
            position = positive_rows[head + j]
            best[j] = scores[arrangement[position]] if is_arranged else scores[position]
            best_keys[j] = keys[position]
            counts[j] = 0
        counts[m] = 0
        head += m
        gap = 1
        while gap < m // 3:
            gap = 3 * gap + 1
        while gap > 0:
            for j in range(gap, m):
                score, key, k = best[j], best_keys[j], j
                while k >= gap and (best[k - gap] < score or (best[k - gap] == score and best_keys[k - gap] > key)):
                    best[k], best_keys[k] = best[k - gap], best_keys[k - gap]
                    k -= gap
                best[k], best_keys[k] = score, key
            gap //= 3
        for position in range(starts[group], starts[group] + sizes[group]):
            score = scores[arrangement[position]] if is_arranged else scores[position]
            low, high = 0, m
            while low < high:
                middle = (low + high) // 2
                if best[middle] > score or (best[middle] == score and best_keys[middle] < keys[position]):
                    low = middle + 1
                else:
                    high = middle
            counts[low] += 1
        rank, hits, precision, gain = 0, 0, 0.0, 0.0
        for j in range(m):
            rank += counts[j]
            if rank > depth:
                break
            hits += 1
            precision += hits / rank
            gain += discounts[rank - 1]
        metrics[0, index] = precision / min(m, depth)
        metrics[1, index] = gain / ideals[min(m, depth)]
        metrics[2, index] = hits / m
        index += 1
    return metrics
