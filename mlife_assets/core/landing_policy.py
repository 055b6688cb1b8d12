"""What landing takes: sizes of files and of what they expand to, and what reading one may cost.

Belongs here: `LandingPolicy`. Does not belong here: what a valid row is (`events`, `validation`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.policy_bounds import require_bounded

MIB = 2**20


@dataclass(frozen=True)
class LandingPolicy:
    """Limits on landing files; a file beyond them is refused and the rest of landing goes on.

    A day of 10,000 users is a file of 2 MB with 30,000 rows. Of `maximum_files` of a type and day the rest is refused:
    each is compared with all others. `maximum_rows`, `maximum_values` (cells and elements of
    lists) and `maximum_decoded_bytes` bound what a small file may expand to, so that reading and judging it stays below
    2 GB. `worker_memory_bytes` is what the decoding process may take beyond its libraries. A file may cost
    `decoding_cpu_seconds`, and `decoding_seconds` of waiting, which is more because a machine may be busy.
    """

    maximum_files: int = 1_000
    maximum_file_bytes: int = 128 * MIB
    maximum_rows: int = 1_000_000
    maximum_values: int = 32_000_000
    maximum_decoded_bytes: int = 256 * MIB
    worker_memory_bytes: int = 1024 * MIB
    decoding_cpu_seconds: int = 30
    decoding_seconds: int = 120

    def __post_init__(self) -> None:
        require_bounded(self, maximum_files=(1, 100_000))
        require_bounded(self, maximum_file_bytes=(1024, 2**31 - 1), maximum_rows=(1, 1e8), maximum_values=(1, 2e9))
        require_bounded(self, maximum_decoded_bytes=(1024, 2**31 - 1), worker_memory_bytes=(128 * MIB, 2**36))
        require_bounded(self, decoding_cpu_seconds=(1, 3600), decoding_seconds=(1, 7200))
