"""With how many rows limits were learned, and whether a day is looked at with as many.

Belongs here: which sizes of the policy decide how far statistics scatter. Does not belong here: what is too few of a
day (`reference`), the limits (`thresholds`).

Concept: a limit holds for the number of rows that it was learned with. Fewer rows scatter more and alarm more often,
more rows hide what the limit was meant to find, and neither shows. So the sizes are kept beside the limits, and a
policy that was changed since is reported instead of used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlife_assets.core.policies import MonitoringPolicy

COLUMN_SIZES = ("sample_rows_per_day",)
"""Sizes on which the distance of a single column depends."""
JOINT_SIZES = (
    *COLUMN_SIZES,
    "explained_rows_per_day",
    "domain_classifier_sample_rows",
    "domain_classifier_entity_reference_rows",
)
"""Sizes on which the joint detectors depend: all that are kept."""


def sizes_of(policy: MonitoringPolicy) -> dict[str, int]:
    """Return the sizes of a policy, by their names in it."""
    return {name: getattr(policy, name) for name in JOINT_SIZES}


def changed_sizes(learned: Mapping[str, int], policy: MonitoringPolicy, names: Sequence[str]) -> str | None:
    """Return in words which of the sizes `names` are others than limits were learned with; None when none is."""
    if not learned:
        return "it was not kept with how many rows limits were learned"
    today = sizes_of(policy)
    changed = [
        f"{name} ({learned.get(name, 0):,} then, {today[name]:,} now)"
        for name in names
        if learned.get(name) != today[name]
    ]
    return f"since limits were learned the policy has changed in {', '.join(changed)}" if changed else None
