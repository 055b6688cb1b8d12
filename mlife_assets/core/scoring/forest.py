"""Trees of a booster as arrays, which `forest_kernel` walks: the same bits as LightGBM, in a fraction of its time.

Concept: a split needs no value, only how many thresholds of its column lie below, or which category it is. That is one
byte for each column, found once a row. A tree is then evaluated for a block of rows at a time, from its deepest splits
up: each split chooses, byte by byte, between the leaves that its two sides have chosen. What cannot be had exactly this
way is refused (`UnsupportedTreesError`), and LightGBM itself scores it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import MlifeError

MISSING_IS_ZERO, MISSING_IS_NEAR_ZERO, MISSING_IS_NAN = 0, 1, 2
"""LightGBM's types of a missing value: NaN is 0; NaN and what rounds to 0 are missing; NaN is missing."""
CATEGORICAL, LEFT, BELOW, ABOVE = 1, 2, 0, 255
"""Bits of a decision: it splits categories; a missing value goes left. Codes of one that goes left, and right."""
LEAVES_MAXIMUM = 255
CODES_MAXIMUM = 254
"""Thresholds or categories of a column."""


class UnsupportedTreesError(MlifeError):
    """Trees that the kernel does not score to the bit, for the reason that the message gives."""


class Forest(NamedTuple):
    """Trees as arrays.

    Attributes:
        features: column of the matrix that each coded column reads, int32 (columns,).
        kinds: its type of missing value, or 3 for categories, int32 (columns,).
        missing: code of a missing value, int32 (columns,).
        starts: its first place in `thresholds`, or in `codes`, int32 (columns,).
        sizes: its places there: a power of two above the number of thresholds, or the categories, int32 (columns,).
        thresholds: ascending, then infinity up to the size of the column, float64.
        codes: code of each category, uint8.
        nodes: of all trees, children first, int32 (nodes, 8): coded column; greatest code that goes left, or -1 where
            `members` has them; what its left and its right side have chosen (a leaf, or 256 and a slot); its own slot;
            its left and its right side (a node, or -1 - leaf); first place in `members`. A slot is free again when the
            node above has chosen.
        members: codes that go left, by node, each list ended by -1, int32.
        ends: end of each tree in `nodes`, int32 (trees,).
        leaves: first place of each tree in `values`, int32 (trees,).
        values: of the leaves, float64.
    """

    features: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int32]
    missing: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.float64]
    codes: npt.NDArray[np.uint8]
    nodes: npt.NDArray[np.int32]
    members: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    leaves: npt.NDArray[np.int32]
    values: npt.NDArray[np.float64]


def read_forest(model_text: str) -> Forest:
    """Return the trees of LightGBM's text format.

    Raises:
        UnsupportedTreesError: it is for several classes, averages its trees, has linear leaves, or has more leaves or
            thresholds than a byte can tell apart.
    """
    header, *blocks = model_text.partition("end of trees")[0].split("\nTree=")
    facts = _facts(header)
    if facts.get("num_tree_per_iteration") != "1" or "average_output" in header.split("\n"):
        raise UnsupportedTreesError("the model sums no trees of one class")
    trees = [_Tree.of(_facts(block)) for block in blocks]
    columns = _Columns(trees)
    nodes: list[tuple[int, ...]] = []
    members: list[int] = []
    ends, leaves = [], np.cumsum([0, *(len(tree.values) for tree in trees)])[:-1]
    for tree in trees:
        order = _children_first(tree)
        places = {node: len(nodes) + position for position, node in enumerate(order)}
        slots: dict[int, int] = {}
        free: list[int] = []
        for node in order:
            children = tree.left[node], tree.right[node]
            seen = [256 + slots[child] if child >= 0 else ~child for child in children]
            column, code = columns.split(tree, node)
            freed = [slots.pop(child) for child in children if child >= 0]
            # A list of members is compared one by one, and needs the other side until the last.
            free, later = (free + freed, []) if isinstance(code, int) else (free, freed)
            slots[node] = free.pop() if free else len(slots) + len(later)
            free += later
            below = [places[child] if child >= 0 else child for child in children]
            nodes.append((column, code if isinstance(code, int) else -1, *seen, slots[node], *below, len(members)))
            if not isinstance(code, int):
                members += [*code, -1]
        ends.append(len(nodes))
    return Forest(
        **columns.arrays(),
        nodes=np.array(nodes, dtype=np.int32).reshape(-1, 8),
        members=np.array(members, dtype=np.int32),
        ends=np.array(ends, dtype=np.int32),
        leaves=leaves.astype(np.int32),
        values=np.concatenate([np.zeros(0), *(tree.values for tree in trees)]),
    )


@dataclass(frozen=True)
class _Tree:
    """A tree as LightGBM writes it: arrays by node, and the categories that a categorical node sends left."""

    features: list[int]
    thresholds: list[float]
    decisions: list[int]
    left: list[int]
    right: list[int]
    categories: dict[int, list[int]]
    values: npt.NDArray[np.float64]

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> _Tree:
        if facts.get("is_linear", "0") != "0":
            raise UnsupportedTreesError("a tree has linear leaves")

        def numbers(name: str) -> list[int]:
            return [int(one) for one in facts.get(name, "").split()]

        values = np.array(facts["leaf_value"].split(), dtype=np.float64)
        if len(values) > LEAVES_MAXIMUM:
            raise UnsupportedTreesError(f"a tree has {len(values)} leaves, and a byte tells {LEAVES_MAXIMUM} apart")
        thresholds = [float(one) for one in facts.get("threshold", "").split()]
        decisions, bounds, words = numbers("decision_type"), numbers("cat_boundaries"), numbers("cat_threshold")
        categories = {}
        for node, decision in enumerate(decisions):
            if decision & CATEGORICAL:
                first, end = bounds[int(thresholds[node]) :][:2]
                bits = enumerate(words[first:end])
                categories[node] = [32 * word + bit for word, mask in bits for bit in range(32) if mask >> bit & 1]
        children = numbers("left_child"), numbers("right_child")
        return cls(numbers("split_feature"), thresholds, decisions, *children, categories, values)

    def column(self, node: int) -> tuple[int, int, bool]:
        """Return what a coded column is by: feature, type of missing values, and whether these go left."""
        decision = self.decisions[node]
        kind = 3 if decision & CATEGORICAL else decision >> 2 & 3
        return self.features[node], kind, kind in (MISSING_IS_NEAR_ZERO, MISSING_IS_NAN) and bool(decision & LEFT)


class _Columns:
    """Coded columns of trees: the thresholds or categories that any split of a column has."""

    def __init__(self, trees: list[_Tree]) -> None:
        found: dict[tuple[int, int, bool], set[float]] = defaultdict(set)
        for tree in trees:
            for node in range(len(tree.features)):
                found[tree.column(node)].update(tree.categories.get(node, [tree.thresholds[node]]))
        self._columns = {key: sorted(values) for key, values in sorted(found.items())}
        self._places = {key: place for place, key in enumerate(self._columns)}
        self._codes = {key: {one: code for code, one in enumerate(values)} for key, values in self._columns.items()}
        for (feature, _, __), values in self._columns.items():
            if len(values) > CODES_MAXIMUM:
                raise UnsupportedTreesError(
                    f"column {feature} is split at {len(values)} places, and a byte tells {CODES_MAXIMUM} apart"
                )

    def split(self, tree: _Tree, node: int) -> tuple[int, int | list[int]]:
        """Return the coded column of a split, and the code that goes left at most, or all that do."""
        key = tree.column(node)
        codes = self._codes[key]
        if node in tree.categories:
            return self._places[key], [codes[one] for one in tree.categories[node]] or [CODES_MAXIMUM]
        return self._places[key], codes[tree.thresholds[node]]

    def arrays(self) -> dict[str, Any]:
        """Return the arrays of a forest that are by column, by name."""
        starts, sizes = [], []
        thresholds, codes = [np.zeros(0)], [np.zeros(0, dtype=np.uint8)]
        for (_, kind, __), values in self._columns.items():
            kept: list[Any] = codes if kind == 3 else thresholds
            starts.append(sum(len(one) for one in kept))
            sizes.append(int(values[-1]) + 1 if kind == 3 else 1 << len(values).bit_length())
            part = np.full(sizes[-1], ABOVE, dtype=np.uint8) if kind == 3 else np.full(sizes[-1], np.inf)
            part[np.array(values, dtype=int) if kind == 3 else slice(len(values))] = (
                np.arange(len(values)) if kind == 3 else values
            )
            kept.append(part)
        by_column = {
            "features": [feature for feature, _, __ in self._columns],
            "kinds": [kind for _, kind, __ in self._columns],
            "missing": [BELOW if is_left else ABOVE for _, __, is_left in self._columns],
            "starts": starts,
            "sizes": sizes,
        }
        found: dict[str, Any] = {name: np.array(values, dtype=np.int32) for name, values in by_column.items()}
        return found | {"thresholds": np.concatenate(thresholds), "codes": np.concatenate(codes)}


def _children_first(tree: _Tree) -> list[int]:
    """Return the nodes of a tree, each after its children and near to them."""
    order, waiting = [], [0] if tree.features else []
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting += [child for child in (tree.left[node], tree.right[node]) if child >= 0]
    return order[::-1]


def _facts(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
