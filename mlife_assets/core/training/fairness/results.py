"""What an audit found: a row per category, a table per measure and attribute, and all of them.

Belongs here: categories and how two of them are joined, results and their form as rows and as a report. Does not belong
here: computing them (`audit`), who is in which category.

Concept: the categories are those that New York City's Local Law 144 asks for (6 RCNY 5-301), which are the ones that
companies report to the EEOC (Component 1 of EEO-1). What a person did not say is `unknown`, never a guess.

A result holds aggregates only. A category of so few people that its numbers might point at a person is named without
numbers from the start, so nothing has to be hidden later. Totals are shown, so where one category alone is suppressed
and nobody is unknown, its count is what the others leave: the audit is for a restricted circle of readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError

REFERENCE, HIGH_ENOUGH, NOT_SETTLED, PROVEN_LOW = "reference", "at_least_minimum", "not_settled", "proven_low"
TOO_SMALL, SUPPRESSED, NO_RATIO = "too_small", "suppressed", "no_ratio"
COMPARED = (HIGH_ENOUGH, NOT_SETTLED, PROVEN_LOW)

UNKNOWN = "unknown"
SEXES = ("Female", "Male")
ETHNICITIES = (
    "Hispanic or Latino",
    "White",
    "Black or African American",
    "Native Hawaiian or Pacific Islander",
    "Asian",
    "Native American or Alaska Native",
    "Two or More Races",
)
ATTRIBUTES = ("sex", "race_ethnicity", "sex_and_race_ethnicity")
"""What an audit is made by, in order; the last is the intersection."""
ATTRIBUTE_WORDS = {
    "sex": "sex",
    "race_ethnicity": "race or ethnicity",
    "sex_and_race_ethnicity": "sex and race or ethnicity",
}

Labels = npt.NDArray[Any]


@dataclass(frozen=True)
class ImpactRow:
    """One category of a table.

    Attributes:
        category: its name.
        users: people in it; None when suppressed. For exposure those whose candidates differ in worth.
        selected: of them selected or above the median; None for exposure and when suppressed.
        rate: share selected or above the median, or mean share of exposure; None when suppressed.
        ratio: rate over the reference's rate; None when not judged.
        lower: lower bound of the ratio.
        upper: upper bound of the ratio.
        standing: `reference`, `at_least_minimum`, `not_settled`, `proven_low`, `too_small`, `suppressed`, or `no_ratio`
            when there is no second group to compare with, or the best rate is zero or so near to it that resamples of
            the group hold nobody.
    """

    category: str
    users: int | None
    selected: int | None
    rate: float | None
    ratio: float | None
    lower: float | None
    upper: float | None
    standing: str

    @property
    def is_judged(self) -> bool:
        """Whether the category's ratio counts."""
        return self.standing == REFERENCE or self.standing in COMPARED

    @property
    def is_compared(self) -> bool:
        """Whether the category is judged against another one."""
        return self.standing in COMPARED


@dataclass(frozen=True)
class ImpactTable:
    """One measure by one attribute.

    Attributes:
        measure: `selection`, `scoring` or `exposure`.
        attribute: one of `ATTRIBUTES`.
        rows: categories by name.
        unknown_users: users whose category is not known; in no row.
        left_out_users: users without a value of the measure (all candidates worth the same); in no row.
        alpha: error of each bound.
    """

    measure: str
    attribute: str
    rows: tuple[ImpactRow, ...]
    unknown_users: int
    left_out_users: int
    alpha: float


@dataclass(frozen=True)
class FairnessAudit:
    """All tables of one model on one sample.

    Attributes:
        model_version: who was audited.
        users: people in the sample.
        minimum: ratio below which a group is treated too unlike the best treated.
        family_alpha: chance at most that any group is called low wrongly, over the whole audit.
        tables: one per measure and attribute, measures first.
    """

    model_version: str
    users: int
    minimum: float
    family_alpha: float
    tables: tuple[ImpactTable, ...]

    @property
    def compared(self) -> list[tuple[ImpactTable, ImpactRow]]:
        """All judged ratios but those of the references."""
        return [(table, row) for table in self.tables for row in table.rows if row.is_compared]

    def with_standing(self, standing: str) -> list[tuple[ImpactTable, ImpactRow]]:
        """Return the ratios of a standing, lowest first, equal ones in the order of the tables."""
        found = [(table, row) for table, row in self.compared if row.standing == standing]
        return sorted(found, key=lambda pair: pair[1].ratio or 0.0)

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers has to know: sample, unknown answers, groups not judged, multiplicity."""
        first = self.tables[0] if self.tables else None
        lines = [f"{self.users:,} users were audited; a group's rate is compared with that of the best treated group."]
        if first is not None:
            unknown = {table.attribute: table.unknown_users for table in self.tables if table.measure == first.measure}
            counts = ", ".join(f"{count:,} by {ATTRIBUTE_WORDS.get(name, name)}" for name, count in unknown.items())
            lines.append(f"Users whose group is unknown are in no group: {counts}.")
        small = {row.category for table in self.tables for row in table.rows if row.standing in {TOO_SMALL, SUPPRESSED}}
        if small:
            lines.append(f"Too few people to judge in at least one measure: {'; '.join(sorted(small))}.")
        lines.append(
            f"The bounds of all {len(self.compared)} ratios hold together: the chance that any ratio is wrongly called "
            f"below {self.minimum:g} is at most {self.family_alpha:g}, divided among all pairs of groups (Bonferroni)."
        )
        return lines

    def records(self) -> list[dict[str, Any]]:
        """Return one dict per category in the layout of Local Law 144; `unknown` has a count only."""
        records = []
        for table in self.tables:
            unknown = ImpactRow(UNKNOWN, table.unknown_users, None, None, None, None, None, "unknown")
            for row in (*table.rows, unknown):
                records.append(
                    {
                        "measure": table.measure,
                        "attribute": table.attribute,
                        "category": row.category,
                        "users": row.users,
                        "selected": row.selected,
                        "rate": row.rate,
                        "impact_ratio": row.ratio,
                        "lower": row.lower,
                        "upper": row.upper,
                        "is_judged": row.is_judged,
                        "standing": row.standing,
                    }
                )
        return records

    def to_report(self) -> dict[str, Any]:
        """Return the audit as plain values; no user is in it."""
        return asdict(self)

    @classmethod
    def from_report(cls, report: Mapping[str, Any]) -> FairnessAudit:
        """Return the audit that `to_report` wrote.

        Raises:
            InvalidInputError: the report lacks a field.
        """
        try:
            tables = tuple(
                ImpactTable(**{**table, "rows": tuple(ImpactRow(**row) for row in table["rows"])})
                for table in report["tables"]
            )
            return cls(**{**report, "tables": tables})
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"the report is no fairness audit ({error}); materialize fairness_audit") from error


def intersection(first: Labels, second: Labels) -> Labels:
    """Return the category of both, shape (n,), for example `Female, Asian`; `unknown` where either is."""
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    both = np.array([f"{one}, {other}" for one, other in pairs], dtype=object)
    both[(first == UNKNOWN) | (second == UNKNOWN)] = UNKNOWN
    return both
