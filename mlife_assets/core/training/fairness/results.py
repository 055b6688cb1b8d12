"""Results of an audit: a row per category, a table per measure and attribute, and the whole audit.

Concept: the categories are those of New York City's Local Law 144 (6 RCNY 5-301), which companies also report to the
EEOC (Component 1 of EEO-1). A missing answer is `unknown`, never a guess.

A result holds aggregates only. A category so small that its numbers might identify a person has no numbers from the
start. Totals are shown, so if only one category is suppressed and nobody is unknown, its count can be computed: the
audit is for a restricted circle of readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pictures import palette_png

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
"""The attributes of an audit, in order; the last is the intersection."""
ATTRIBUTE_WORDS = {
    "sex": "sex",
    "race_ethnicity": "race or ethnicity",
    "sex_and_race_ethnicity": "sex and race or ethnicity",
}
Labels = npt.NDArray[Any]
COLOURS = {HIGH_ENOUGH: "#3566a8", NOT_SETTLED: "#9aa4af", PROVEN_LOW: "#c0392b", REFERENCE: "#dfe4ea"}
WORDS = {
    HIGH_ENOUGH: "proven at least the minimum",
    NOT_SETTLED: "undecided",
    PROVEN_LOW: "proven below",
    REFERENCE: "best treated group",
}
WIDEST = 2.0


@dataclass(frozen=True)
class ImpactRow:
    """One category of a table.

    Attributes:
        category: its name.
        users: people in it; None if suppressed. For exposure only those whose candidates differ in worth.
        selected: people selected or above the median; None for exposure and if suppressed.
        rate: share selected or above the median, or mean share of exposure; None when suppressed.
        ratio: rate over the reference's rate; None when not judged.
        lower: lower bound of the ratio.
        upper: upper bound of the ratio.
        standing: `reference`, `at_least_minimum`, `not_settled`, `proven_low`, `too_small`, `suppressed`, or `no_ratio`
            without a second group, or if the best rate is zero or so near to it that resamples hold no selected user.
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
        model_version: the audited model.
        users: people in the sample.
        minimum: minimum ratio to the best treated group.
        family_alpha: maximum chance that any group is wrongly called low, over the whole audit.
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
        """Notes for readers of the numbers: sample, unknown answers, groups not judged, multiplicity."""
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
        """Return the audit from `to_report`.

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


def plot_impact_ratios(audit: FairnessAudit) -> bytes:
    """Return a PNG with a panel per measure and a bar per judged category; bars and bounds are cut at 2."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    measures = list(dict.fromkeys(table.measure for table in audit.tables))
    judged = [(table, row) for table in audit.tables for row in table.rows if row.is_judged]
    names = sorted({(ATTRIBUTES.index(table.attribute), row.category) for table, row in judged}, reverse=True)
    places = {category: place for place, (_, category) in enumerate(names)}
    figure = Figure(figsize=(9.6, 1.4 + 0.22 * max(len(names), 1)), dpi=90, layout="constrained")
    panels = figure.subplots(1, max(len(measures), 1), sharey=True, squeeze=False)[0]
    for panel, measure in zip(panels, measures, strict=False):
        for table, row in judged:
            if table.measure != measure or row.ratio is None:
                continue
            place = places[row.category]
            panel.barh(place, min(row.ratio, WIDEST), height=0.62, color=COLOURS[row.standing])
            if row.lower is not None and row.upper is not None:
                bounds = [min(row.lower, WIDEST), min(row.upper, WIDEST)]
                panel.plot(bounds, [place, place], color="#1c2733", linewidth=1)
        panel.axvline(audit.minimum, color="#c0392b", linewidth=1, linestyle="--")
        panel.set_title(f"impact ratio of {measure}", fontsize=8, loc="left")
        panel.tick_params(axis="x", labelsize=7)
        panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), [category for _, category in names], fontsize=7)
    legend = [Patch(color=colour, label=WORDS[standing]) for standing, colour in COLOURS.items()]
    figure.legend(handles=legend, fontsize=7, ncols=len(legend), loc="outside lower center", frameon=False)
    return palette_png(figure)
