"""The whole history at a glance: verdicts, gate and drift on one axis of days, and the verdicts in words.

Concept: a day is one place on every lane, so that cause and answer stand below each other. Days in a row with the same
verdict for the same first reason are one line, in the words of the newest; what differs is folded into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from mlife_assets.core.monitoring.retrain_decisions import ALARM_SUFFIX, UNIMPORTANT_SUFFIX
from mlife_assets.core.pages import Markup
from mlife_assets.core.pages.charts.days import Lane, Run, Sign, render_lanes
from mlife_assets.core.pages.charts.values import GLYPHS, MARKER_NAMES, Marker, format_day, format_span
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.dashboard.data import DashboardData, Decision, DriftKind, Verdict

SENTENCES_SHOWN = 2
KINDS: dict[DriftKind, str] = {"data": "Data drift", "latent": "Latent drift", "concept": "Concept drift"}
OUTCOMES = {
    "promoted": "promoted",
    "refused": "refused",
    "not_enough_evidence": "not enough evidence",
    "pending": "pending",
}


@dataclass(frozen=True)
class VerdictRun:
    """Days in a row with one verdict for one reason: the newest in short, then each of them in full."""

    span: str
    verdict: Verdict
    days: int
    sentences: tuple[str, ...]
    each: tuple[tuple[str, tuple[str, ...]], ...]
    codes: tuple[str, ...]


def lanes(data: DashboardData, markers: Sequence[Marker]) -> Markup:
    """Return the lanes of daily verdicts, of gate decisions and of each kind of drift."""
    decisions = [d for d in sorted(data.decisions, key=lambda d: d.day) if data.first_date <= d.day <= data.as_of_date]
    counts = ", ".join(
        f"{count} {verdict}"
        for verdict in ("wait", "retrain", "block")
        if (count := sum(d.verdict == verdict for d in decisions))
    )
    waits = _runs([d for d in decisions if d.verdict == "wait"], "wait", "wait")
    acts = [m for m in markers if m.kind in ("retrain", "block")]
    gate = [m for m in markers if m.kind not in ("retrain", "block")]
    rows = [
        Lane("Verdict of the day", counts or "none yet", waits, _signs(acts, data)),
        Lane("Gate", _gate_note(gate, data), (), _signs(gate, data)),
        *(_drift_lane(kind, name, decisions) for kind, name in KINDS.items()),
    ]
    return render_lanes(rows, data.span)


def verdict_runs(decisions: Iterable[Decision]) -> list[VerdictRun]:
    """Return runs of like verdicts, the newest first."""
    ordered = sorted(decisions, key=lambda decision: decision.day)
    found: list[list[Decision]] = []
    for decision in ordered:
        before = found[-1][-1] if found else None
        if before is not None and _is_like(before, decision):
            found[-1].append(decision)
        else:
            found.append([decision])
    return [_verdict_run(run) for run in reversed(found)]


def _is_like(before: Decision, after: Decision) -> bool:
    return (
        before.verdict == after.verdict and before.codes[:1] == after.codes[:1] and add_days(before.day, 1) == after.day
    )


def _verdict_run(run: Sequence[Decision]) -> VerdictRun:
    newest = run[-1]
    has_more = len(run) > 1 or len(newest.sentences) > SENTENCES_SHOWN
    each = tuple((format_day(one.day), one.sentences) for one in reversed(run)) if has_more else ()
    codes = tuple(dict.fromkeys(code for one in reversed(run) for code in one.codes))
    return VerdictRun(
        span=format_span(run[0].day, newest.day),
        verdict=newest.verdict,
        days=len(run),
        sentences=newest.sentences[:SENTENCES_SHOWN],
        each=each,
        codes=codes,
    )


def _drift_lane(kind: DriftKind, name: str, decisions: Sequence[Decision]) -> Lane:
    counted = [d for d in decisions if kind + ALARM_SUFFIX in d.codes]
    unimportant = [d for d in decisions if kind + UNIMPORTANT_SUFFIX in d.codes]
    note = f"alarm on {len(counted)} of {len(decisions)} days" if counted else "no alarm that counts"
    if unimportant:
        note += f", {len(unimportant)} unimportant"
    runs = (
        *_runs(counted, "alarm", "alarm"),
        *_runs(unimportant, "unimportant", "alarm of what the model hardly uses"),
    )
    return Lane(name, note, runs)


def _runs(decisions: Sequence[Decision], kind: str, words: str) -> tuple[Run, ...]:
    """Return days in a row as one run."""
    found = []
    numbered = enumerate(decisions)
    for _, group in groupby(numbered, key=lambda pair: pair[1].day.toordinal() - pair[0]):
        days = [decision.day for _, decision in group]
        found.append(Run(days[0], days[-1], kind, f"{format_span(days[0], days[-1])}\n{words}"))
    return tuple(found)


def _signs(markers: Sequence[Marker], data: DashboardData) -> tuple[Sign, ...]:
    def place(day: date) -> date:
        return max(day, data.first_date)

    return tuple(
        Sign(place(m.day), m.kind, GLYPHS[m.kind], f"{format_day(m.day, year=True)}\n{MARKER_NAMES[m.kind]}: {m.label}")
        for m in markers
        if m.day <= data.as_of_date
    )


def _gate_note(markers: Sequence[Marker], data: DashboardData) -> str:
    counts: dict[str, int] = {}
    for marker in markers:
        if marker.day <= data.as_of_date:
            counts[marker.kind] = counts.get(marker.kind, 0) + 1
    words = {"refused": "not promoted", "rollback": "rolled back"}
    return ", ".join(f"{count} {words.get(kind, kind)}" for kind, count in sorted(counts.items())) or "not asked yet"
