"""The machine code that scores: trees of a `Forest` and curves of a base.

Concept: numba compiles it once a machine and keeps it, so no row waits for a compiler. Rows are scored in blocks that
fit the processor's nearest cache. A split costs a block a few vector instructions; these are written in LLVM's own
language, of which every processor has some form, as compilers do not find them in a loop. Sums have LightGBM's and
numpy's order, so their bits are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from mlife_assets.core.ranking.kernels import compiled

WIDTH = 64
"""Bytes of a vector."""
BLOCK = 256
"""Rows of a block."""
FEW = 8
"""Up to so many rows are faster walked from the root, one by one."""
NEAR_ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: what is no farther from 0 counts as 0."""
_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_VECTOR = ir.VectorType(_BYTE, WIDTH)


def _chooser(comparison: str) -> Any:
    """Return an intrinsic over blocks of bytes: `chosen` is `left` where `codes` compares so with `code`, else `right`.

    It takes the address of each block, which is a multiple of `WIDTH`.
    """

    @intrinsic
    def choose(_, codes, left, right, chosen, code):  # type: ignore[no-untyped-def]  # noqa: ARG001 (numba reads the names)
        def built(context: Any, builder: Any, __: Any, arguments: Any) -> Any:
            *addresses, target, value = arguments
            first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
            wanted = builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), lanes)

            def at(address: Any, offset: int) -> Any:
                return builder.inttoptr(builder.add(address, ir.Constant(_WORD, offset)), _VECTOR.as_pointer())

            for offset in range(0, BLOCK, WIDTH):
                seen, one, other = (builder.load(at(address, offset), align=WIDTH) for address in addresses)
                is_left = builder.icmp_unsigned(comparison, seen, wanted)
                builder.store(builder.select(is_left, one, other), at(target, offset), align=WIDTH)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64, types.int64, types.uint8), built

    return choose


_at_most = _chooser("<=")
_equal = _chooser("==")


@compiled
def _code(matrix, start, count, forest, coded):  # type: ignore[no-untyped-def]
    """Write the codes of rows into `coded`, uint8 (columns, rows)."""
    seen = np.empty(BLOCK)
    places = np.empty(BLOCK, dtype=np.uint32)
    for column in range(len(forest.features)):
        feature, kind, size = forest.features[column], forest.kinds[column], forest.sizes[column]
        if kind == 3:
            for row in range(count):
                value = matrix[start + row, feature]
                coded[column, row] = forest.codes[forest.starts[column] + int(value)] if -1.0 < value < size else 255
            continue
        ladder = forest.thresholds[forest.starts[column] : forest.starts[column] + size]
        for row in range(count):
            value = matrix[start + row, feature]
            seen[row] = 0.0 if -NEAR_ZERO <= value <= NEAR_ZERO or (kind != 2 and value != value) else value
            places[row] = 0
        half = np.uint32(size >> 1)
        while half > 0:  # every row takes a step before any takes the next: they do not wait for each other
            for row in range(count):
                places[row] += half * np.uint32(ladder[places[row] + half - np.uint32(1)] < seen[row])
            half >>= np.uint32(1)
        for row in range(count):
            is_missing = seen[row] != seen[row] or (kind == 1 and seen[row] == 0.0)
            coded[column, row] = forest.missing[column] if is_missing else places[row]


@compiled
def raw(matrix, out, forest):  # type: ignore[no-untyped-def]
    """Add the raw score of each row of `matrix`, float64 (n, columns), to `out`, float64 (n,)."""
    rows, columns = len(matrix), len(forest.features)
    if rows <= FEW:
        coded = np.empty((columns, 1), dtype=np.uint8)
        for row in range(rows):
            _code(matrix, row, 1, forest, coded)
            begin = 0
            for tree in range(len(forest.ends)):
                at = forest.ends[tree] - 1 if forest.ends[tree] > begin else -1
                while at >= 0:
                    code = coded[forest.nodes[at, 0], 0]
                    is_left = code <= forest.nodes[at, 1]
                    if forest.nodes[at, 1] < 0:
                        place = forest.nodes[at, 7]
                        while forest.members[place] >= 0 and forest.members[place] != code:
                            place += 1
                        is_left = forest.members[place] >= 0
                    at = forest.nodes[at, 5] if is_left else forest.nodes[at, 6]
                out[row] += forest.values[forest.leaves[tree] + ~at]
                begin = forest.ends[tree]
        return
    space = np.empty((columns + 512) * BLOCK + WIDTH, dtype=np.uint8)
    shift = -space.ctypes.data % WIDTH
    coded = space[shift : shift + columns * BLOCK].reshape(columns, BLOCK)
    chosen = space[shift + columns * BLOCK :][: 512 * BLOCK].reshape(512, BLOCK)
    for leaf in range(256):
        chosen[leaf] = leaf
    coded_at, chosen_at = coded.ctypes.data, chosen.ctypes.data
    for start in range(0, rows, BLOCK):
        count = min(BLOCK, rows - start)
        _code(matrix, start, count, forest, coded)
        begin = 0
        for tree in range(len(forest.ends)):
            end = forest.ends[tree]
            slot = 0
            for node in range(begin, end):
                slot = 256 + forest.nodes[node, 4]
                seen = coded_at + forest.nodes[node, 0] * BLOCK
                left, right = chosen_at + forest.nodes[node, 2] * BLOCK, chosen_at + forest.nodes[node, 3] * BLOCK
                target = chosen_at + slot * BLOCK
                code = forest.nodes[node, 1]
                if code >= 0:
                    _at_most(seen, left, right, target, np.uint8(code))
                else:
                    place = forest.nodes[node, 7]
                    while forest.members[place] >= 0:
                        _equal(seen, left, right, target, np.uint8(forest.members[place]))
                        right = target
                        place += 1
            first = forest.leaves[tree]
            for row in range(count):
                out[start + row] += forest.values[first + chosen[slot, row]]
            begin = end


@compiled
def add_curves(matrix, out, curves):  # type: ignore[no-untyped-def]
    """Add curves of columns of `matrix` to `out`, float64 (n,), one after the other, as `numpy.interp` has them."""
    seen = np.empty(BLOCK)
    places = np.empty(BLOCK, dtype=np.uint32)
    for start in range(0, len(matrix), BLOCK):
        count = min(BLOCK, len(matrix) - start)
        for curve in range(len(curves.columns)):
            first, end = curves.starts[curve], curves.starts[curve + 1]
            ladder, level, slope = curves.knots[first:end], curves.values[first:end], curves.slopes[first:end]
            lowest, highest = ladder[0], ladder[curves.sizes[curve] - 1]
            for row in range(count):
                value = matrix[start + row, curves.columns[curve]]
                value = lowest if value < lowest else value
                seen[row] = highest if value > highest else value
                places[row] = 0
            half = np.uint32((end - first) >> 1)
            while half > 0:
                for row in range(count):
                    places[row] += half * np.uint32(ladder[places[row] + half - np.uint32(1)] <= seen[row])
                half >>= np.uint32(1)
            for row in range(count):
                value = seen[row]
                at = places[row] - np.uint32(places[row] > 0)
                added = slope[at] * (value - ladder[at]) + level[at]
                out[start + row] += curves.absent[curve] if value != value else added
