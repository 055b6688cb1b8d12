"""Results of a monitoring day: findings and their report.

Concept: a report is a statement with evidence. Every finding carries the number, its limit and a sentence that needs no
knowledge of the method.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.errors import InvalidInputError

Status = Literal["ok", "alarm", "not_enough_evidence"]
STATUSES: tuple[Status, ...] = ("ok", "alarm", "not_enough_evidence")


@dataclass(frozen=True)
class Finding:
    """One statistic and its limit. `column` is empty for a statistic of the whole row.

    Attributes:
        kind: quality, data, latent or concept.
        column: a column, or the name of a block of columns.
        method: method of the statistic.
        statistic: its value.
        threshold: its limit.
        is_alarm: whether the limit is exceeded.
        sentence: the same in words.
        importance_share: share in [0, 1] of the champion's importance that the moved columns carry; None if unknown.
        moved_columns: the columns by which a block of columns moved, the strongest first.
    """

    kind: str
    column: str
    method: str
    statistic: float
    threshold: float
    is_alarm: bool
    sentence: str
    importance_share: float | None = None
    moved_columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("statistic", "threshold"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise InvalidInputError(
                    f"Finding.{name} of {self.method} on {self.column or 'the row'} is {value}; report a finite number"
                )
            object.__setattr__(self, name, value)
        object.__setattr__(self, "is_alarm", bool(self.is_alarm))
        object.__setattr__(self, "moved_columns", tuple(self.moved_columns))
        if self.importance_share is not None and not 0 <= self.importance_share <= 1:
            raise InvalidInputError(
                f"Finding.importance_share of {self.method} on {self.column or 'the row'} is {self.importance_share}; "
                "pass a share of the whole importance, or None when it is not known"
            )

    @property
    def ratio(self) -> float | None:
        """Ratio of statistic to limit. 0 if better than expected; None without a limit.

        None also beyond the limit without an alarm: moves with the calendar are no drift.
        """
        if self.threshold <= 0:
            return None
        ratio = max(0.0, self.statistic) / self.threshold
        return None if ratio > 1 and not self.is_alarm else ratio


@dataclass(frozen=True)
class MonitoringReport:
    """The result of one kind of monitoring on one day. `status` is `alarm` exactly when a finding alarms."""

    name: str
    as_of_date: date
    model_version: str | None
    sample_rows: int
    status: Status
    findings: tuple[Finding, ...]
    sentence: str

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise InvalidInputError(f"MonitoringReport.status is {self.status!r}; use one of {', '.join(STATUSES)}")
        if (self.status == "alarm") != any(finding.is_alarm for finding in self.findings):
            raise InvalidInputError(
                f"MonitoringReport {self.name} of {self.as_of_date} has status {self.status} but "
                f"{len(self.alarms)} alarming findings; set status to alarm exactly when a finding alarms"
            )

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that alarm, in the order of the report."""
        return tuple(finding for finding in self.findings if finding.is_alarm)

    @property
    def moved_columns(self) -> tuple[str, ...]:
        """Names of the moved columns, in the order of the alarms; the method for a statistic of the whole row."""
        named = (f.moved_columns or (f.column or f.method,) for f in self.alarms)
        return tuple(dict.fromkeys(name for names in named for name in names))

    @property
    def by_ratio(self) -> tuple[tuple[Finding, float], ...]:
        """The findings that have a limit with their `ratio`, the largest first."""
        known = [(finding, finding.ratio) for finding in self.findings]
        found = [(finding, ratio) for finding, ratio in known if ratio is not None]
        return tuple(sorted(found, key=lambda pair: -pair[1]))

    def to_json(self) -> str:
        """Return the report as JSON with sorted keys; `from_json` gives back an equal report, floats to the bit."""
        record = asdict(self) | {"as_of_date": self.as_of_date.isoformat()}
        return json.dumps(record, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> MonitoringReport:
        """Return the report that `to_json` wrote. Raises InvalidInputError on any other text."""
        try:
            record = json.loads(text)
            findings = tuple(Finding(**finding) for finding in record.pop("findings"))
            as_of_date = date.fromisoformat(record.pop("as_of_date"))
            return cls(findings=findings, as_of_date=as_of_date, **record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInputError(f"this is not a monitoring report ({error}); write it with to_json") from error


def conclude(
    name: str,
    *,
    as_of: date,
    model_version: str | None,
    sample_rows: int,
    findings: Iterable[Finding],
    ok: str,
    alarm: str,
) -> MonitoringReport:
    """Return the report whose status follows from its findings, with the sentence that fits.

    Alarming findings come first, by how far they exceed their limit; the others keep their order.
    """
    ordered = sorted(findings, key=lambda f: (not f.is_alarm, -_excess(f) if f.is_alarm else 0.0))
    is_alarm = any(finding.is_alarm for finding in ordered)
    status: Status = "alarm" if is_alarm else "ok"
    return MonitoringReport(
        name, as_of, model_version, int(sample_rows), status, tuple(ordered), alarm if is_alarm else ok
    )


def undecided(
    name: str, *, as_of: date, model_version: str | None, sample_rows: int, sentence: str
) -> MonitoringReport:
    """Return the report of a day that could not be judged; `sentence` says why."""
    return MonitoringReport(name, as_of, model_version, int(sample_rows), "not_enough_evidence", (), sentence)


def without_model(name: str, day: date, status: Status) -> MonitoringReport:
    """Return the report of a day on which no model serves, so that nothing alarms."""
    return MonitoringReport(name, day, None, 0, status, (), "No model serves yet: there is no reference for the day.")


def _excess(finding: Finding) -> float:
    return abs(finding.statistic - finding.threshold) / max(abs(finding.threshold), 1e-12)
