"""Which columns of a candidate pair are watched, and how.

Belongs here: the choice of columns by kind. Does not belong here: their values (`reference`) and their limits.

Concept: a column is watched in the way that fits what it is. A physical unit has a range, a closed vocabulary has no
new values, and a column that moves with the calendar or with our own sending is shown but never counted as drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlife_assets.core.events import EMBEDDING_SIZE, OCCUPATION_GROUPS, SHIFTS

_USER_BLOCKS = ("taste_embeddings",)


@dataclass(frozen=True)
class MonitoringColumns:
    """Which columns of a pair are watched, and how. Every name must be a column of the sampled pairs."""

    numeric: tuple[str, ...] = (
        "same_occupation_group",
        "same_shift",
        "seniority_gap",
        "distance_km",
        "log_pay_ratio",
        "taste_match",
        "user_seniority",
        "job_seniority",
        "pay_usd_per_hour",
        "reservation_pay_usd_per_hour",
        "user_impressions_7d",
        "user_clicks_7d",
        "user_applies_28d",
        "user_messages_28d",
        "days_since_last_click",
        "tenure_days",
        "job_age_days",
        "job_impressions_7d",
        "job_clicks_7d",
        "job_applies_7d",
        "job_messages_7d",
        "openings",
    )
    categorical: tuple[str, ...] = ("user_occupation_group", "job_occupation_group", "metro_code")
    embedding: tuple[str, ...] = tuple(
        f"{name}_{index}" for name in ("taste", "text") for index in range(1, EMBEDDING_SIZE + 1)
    )
    embedded: tuple[str, ...] = ("taste_match",)
    """Features through which embeddings reach a model that does not take them as they are: what they matter by."""
    contribution: tuple[str, ...] = ()
    """Columns that hold the champion's SHAP values (`contributions`); which there are follows from the model."""
    unalarmed: tuple[str, ...] = (
        "tenure_days",
        "user_messages_28d",
        "job_messages_7d",
        "user_impressions_7d",
        "user_clicks_7d",
        "user_applies_28d",
        "days_since_last_click",
        "job_impressions_7d",
        "job_clicks_7d",
        "job_applies_7d",
        "user_click_rate",
        "job_click_rate",
        "job_apply_rate",
        "openings",
    )
    """Columns that move with the calendar or with our own sending: shown, but no evidence of drift.

    Counts of clicks and applies, the rates made of them, and openings, which are those posted minus hires, are among
    them: a better model texts better jobs, which people then click more; and feedback that comes late moves them all.
    Whether people answer differently to the *same* input is for concept drift to say.
    """
    closed: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "user_occupation_group": OCCUPATION_GROUPS,
            "job_occupation_group": OCCUPATION_GROUPS,
            "user_shift": SHIFTS,
            "job_shift": SHIFTS,
        }
    )
    """Closed vocabularies: any other value is a fault. A metro is not among them: a new city is drift."""
    ranged: tuple[str, ...] = (
        "distance_km",
        "log_pay_ratio",
        "taste_match",
        "seniority_gap",
        "user_seniority",
        "job_seniority",
        "pay_usd_per_hour",
        "reservation_pay_usd_per_hour",
        "openings",
    )
    """Columns with a physical unit, and openings, by which texts are counted out.

    Counts of behaviour are not among them: they may grow for good reasons. Hires that come late raise openings too, but
    never above what was posted, which the youngest jobs of a reference show.
    """
    residual: tuple[str, ...] = (
        "log_pay_ratio",
        "distance_km",
        "taste_match",
        "same_occupation_group",
        "same_shift",
        "seniority_gap",
        "job_age_days",
        "user_clicks_7d",
    )
    """Columns of scored examples along which outcomes are held against the model's expectation. Few, for power."""
    never_zero: tuple[str, ...] = ("distance_km", "pay_usd_per_hour", "reservation_pay_usd_per_hour")

    @property
    def watched(self) -> tuple[str, ...]:
        """Columns whose drift is measured one by one: numeric, then categorical."""
        return self.numeric + self.categorical

    @property
    def alarming(self) -> tuple[str, ...]:
        """Watched columns whose movement is evidence of drift."""
        return tuple(name for name in self.watched if name not in self.unalarmed)

    @property
    def embedding_blocks(self) -> Mapping[str, tuple[str, ...]]:
        """Columns of each embedding (`taste_embeddings`, `text_embeddings`), looked at one embedding at a time.

        Pairs of one job share its text, pairs of one user hardly meet in a sample: looked at together, the few jobs
        would set the limit for the many users.
        """
        blocks: dict[str, tuple[str, ...]] = {}
        for name in self.embedding:
            block = name.rpartition("_")[0] + "_embeddings"
            blocks[block] = (*blocks.get(block, ()), name)
        return blocks

    @property
    def user_blocks(self) -> tuple[str, ...]:
        """Blocks of a sample whose rows are nearly independent, because they speak of users alone.

        Of them more rows say more. Any other block is worth as many rows as there are jobs, however many it has.
        """
        return tuple(block for block in self.embedding_blocks if block in _USER_BLOCKS)

    def restricted_to(self, names: Sequence[str]) -> MonitoringColumns:
        """Return these columns without those that a table with columns `names` lacks.

        What never alarms stays: a model may take what no sample shows, and what explains it has to leave that out.
        """
        known = set(names)

        def keep(columns: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in columns if name in known)

        return replace(
            self,
            numeric=keep(self.numeric),
            categorical=keep(self.categorical),
            embedding=keep(self.embedding),
            embedded=keep(self.embedded),
            contribution=keep(self.contribution),
            closed={name: values for name, values in self.closed.items() if name in known},
            ranged=keep(self.ranged),
            never_zero=keep(self.never_zero),
        )
