"""What reading a file of examples may cost, and what a spec's SQL may take.

Belongs here: `ExampleFilePolicy`. Does not belong here: what the columns are (`examples`, `study`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.policy_bounds import require_bounded

GIB = 2**30


@dataclass(frozen=True)
class ExampleFilePolicy:
    """Limits on a file of examples, which somebody else may have made, and on the SQL of its spec.

    `maximum_bytes` bounds what an archive unpacks to and what the examples take in memory. Text packs 5 to 20 times
    smaller; beyond `maximum_ratio`, which counts from `ratio_from_bytes` on, an archive is made to fill a disk.
    """

    maximum_bytes: int = 4 * GIB
    maximum_ratio: int = 200
    ratio_from_bytes: int = GIB // 16
    memory_bytes: int = 4 * GIB
    seconds: int = 600

    def __post_init__(self) -> None:
        require_bounded(self, maximum_bytes=(1, 2**44), maximum_ratio=(2, 1032), ratio_from_bytes=(0, 2**40))
        require_bounded(self, memory_bytes=(GIB // 16, 2**44), seconds=(1, 86_400))
