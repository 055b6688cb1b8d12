"""Input of the gate: mature examples, contenders, and the conditions for a valid comparison.

Concept: a comparison is fair only when both sides rank the same rows, with scores of the stated model, on complete
outcomes that no training used and no side's choices caused. Each requirement is a condition with a name and a sentence;
nothing is compared unless all hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.row_keys import encode_days, encode_ids

ALLOWED_SLICES = ("organic", "explore")
"""Slices whose outcomes favour no contender. Outcomes of a policy's own choices favour that policy."""

SHOWN = "shown"
"""Name of a cohort that ranks only the items shown to users."""


@dataclass(frozen=True)
class Condition:
    """One requirement: its name, whether it is met, and a sentence with the numbers."""

    name: str
    is_met: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class GateExamples:
    """n rows (user, item, day) with their mature outcome. A user may occur on several days; (user, day) is one ranking.

    Without an item, all rows are one pool and (user, day) names a row; for several rows of a user a day, pass row ids
    as users.

    Attributes:
        user_ids: shape (n,), strings or integers.
        item_ids: shape (n,), strings or integers; None when the examples have no item.
        as_of_dates: day of the ranking, datetime64[D] or dates, shape (n,).
        is_relevant: whether the outcome happened and no contender caused it, bool, shape (n,).
        label_mature_dates: first day as of which the outcome is complete, shape (n,).
        slices: source of each row's outcome, one of `ALLOWED_SLICES`; None if all are organic.
        cohort: named in every result.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray | None
    as_of_dates: np.ndarray
    is_relevant: np.ndarray
    label_mature_dates: np.ndarray
    slices: np.ndarray | None = None
    cohort: str = "cohort"

    def __post_init__(self) -> None:
        rows = len(self.user_ids)
        for name in ("item_ids", "as_of_dates", "is_relevant", "label_mature_dates", "slices"):
            column = getattr(self, name)
            if column is not None and len(column) != rows:
                raise InvalidInputError(
                    f"GateExamples.{name} has {len(column)} rows, user_ids {rows}; pass one per row"
                )

    @property
    def items(self) -> np.ndarray:
        """The items of the examples.

        Raises:
            InvalidInputError: the examples have no item.
        """
        if self.item_ids is None:
            raise InvalidInputError("GateExamples.item_ids is None; pass the item of each row to rank items")
        return self.item_ids

    def chosen(self, keep: np.ndarray) -> GateExamples:
        """Return the rows where `keep`, bool of shape (n,), is true."""
        names = ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates", "slices")
        columns = {name: getattr(self, name) for name in names}
        return replace(self, **{name: np.asarray(one)[keep] for name, one in columns.items() if one is not None})

    @property
    def first_day(self) -> date:
        """Earliest day of a ranking."""
        return _day(np.asarray(self.as_of_dates, dtype="datetime64[D]").min())

    @property
    def last_day(self) -> date:
        """Latest day of a ranking."""
        return _day(np.asarray(self.as_of_dates, dtype="datetime64[D]").max())


@dataclass(frozen=True, eq=False)
class Contender:
    """One ranker with its scores.

    Attributes:
        model_version: registered version of the judged model (for the human: name of the rule or panel).
        scored_by: model version recorded with the scores; must equal `model_version`.
        user_ids: users of the scored rows, shape (m,).
        item_ids: items of the scored rows, shape (m,); None when the examples have no item.
        as_of_dates: days of the scored rows, shape (m,).
        scores: higher ranks first, finite, shape (m,).
        training_end_date: last exposure day that any step of the model was fitted on; None only for the human.
        words: name of the side in sentences, if it is not "the <role>".
    """

    model_version: str
    scored_by: str
    user_ids: np.ndarray
    item_ids: np.ndarray | None
    as_of_dates: np.ndarray
    scores: np.ndarray
    training_end_date: date | None = None
    words: str = ""

    def __post_init__(self) -> None:
        rows = len(self.scores)
        for name in ("user_ids", "item_ids", "as_of_dates"):
            column = getattr(self, name)
            if column is not None and len(column) != rows:
                raise InvalidInputError(f"Contender.{name} has {len(column)} rows, scores {rows}; pass one per row")


def on_examples(
    examples: GateExamples,
    model_version: str,
    scores: np.ndarray,
    training_end_date: date | None = None,
    words: str = "",
) -> Contender:
    """Return a contender whose `scores` were computed on the rows of `examples`, in their order, by `model_version`."""
    return Contender(
        model_version,
        model_version,
        examples.user_ids,
        examples.item_ids,
        examples.as_of_dates,
        scores,
        training_end_date,
        words,
    )


def example_conditions(examples: GateExamples, as_of: date) -> list[Condition]:
    """Return the conditions on the examples alone: each row once, labels mature as of `as_of`, outcomes unbiased."""
    rows = len(examples.user_ids)
    repeats, row = _repeats(examples)
    key = "(user, item, day)" if examples.item_ids is not None else "(entity, day)"
    text = f"{rows:,} rows, each {key} once."
    if repeats:
        text = f"{repeats:,} rows repeat the {key} of another, the first is row {row}; each may occur once."
    conditions = [Condition("each_row_once", repeats == 0, text), _maturity(examples, as_of)]
    allowed = " or ".join(ALLOWED_SLICES)
    biased = 0
    if examples.slices is not None:
        biased = rows - int(np.isin(np.asarray(examples.slices).astype(str), ALLOWED_SLICES).sum())
    text = f"All outcomes are {allowed}." if not biased else f"{biased:,} rows are not {allowed}; leave them out."
    return [*conditions, Condition("outcomes_favour_nobody", biased == 0, text)]


def contender_conditions(
    examples: GateExamples, role: str, named: str, contender: Contender, aligned: np.ndarray | str
) -> list[Condition]:
    """Return the conditions on one contender, `named` in sentences; `aligned` is its result of `aligned_scores`."""
    version = contender.model_version
    is_current = contender.scored_by == version
    text = f"The scores of {named} are those of {version}."
    if not is_current:
        text = f"The scores of {named} were computed by {contender.scored_by}, not by {version}; score again."
    conditions = [Condition(f"{role}_scores_are_current", is_current, text)]
    has_all = not isinstance(aligned, str)
    text = aligned if isinstance(aligned, str) else f"{_capital(named)} is scored on all {len(aligned):,} rows."
    conditions.append(Condition(f"{role}_on_same_rows", has_all, text))
    wrong = np.flatnonzero(~np.isfinite(np.asarray(contender.scores, dtype=np.float64)))
    text = f"All scores of {named} are finite."
    if len(wrong):
        text = f"{len(wrong):,} scores of {named} are not finite, the first in row {int(wrong[0])}."
    conditions.append(Condition(f"{role}_scores_are_finite", len(wrong) == 0, text))
    if role in ("challenger", "human") and not isinstance(aligned, str) and len(aligned):
        conditions.append(_scores_vary(examples, role, named, aligned))
    if role in ("challenger", "champion") and len(examples.user_ids):
        conditions.append(_trained_before(examples, role, contender.training_end_date))
    return conditions


def aligned_scores(examples: GateExamples, named: str, contender: Contender) -> np.ndarray | str:
    """Return the scores in the order of the examples, or a sentence on the rows that differ."""
    scores = np.asarray(contender.scores, dtype=np.float64)
    if (examples.item_ids is None) != (contender.item_ids is None):
        has, lacks = ("the examples have", named) if contender.item_ids is None else (f"{named} has", "the examples")
        return f"{_capital(has)} an item in each row, {lacks} none; score the same rows."
    key = ("user_ids", "item_ids", "as_of_dates")
    columns = [(getattr(examples, name), getattr(contender, name)) for name in key]
    if all(left is right or np.array_equal(np.asarray(left), np.asarray(right)) for left, right in columns):
        return scores
    rows = len(examples.user_ids)
    items = None
    if examples.item_ids is not None and contender.item_ids is not None:
        items = np.concatenate([np.asarray(examples.item_ids), np.asarray(contender.item_ids)])
    keys = _row_keys(
        np.concatenate([np.asarray(examples.user_ids), np.asarray(contender.user_ids)]),
        items,
        np.concatenate([np.asarray(examples.as_of_dates), np.asarray(contender.as_of_dates)]),
    )
    wanted, given = keys[:rows], keys[rows:]
    missing = int((~np.isin(wanted, given)).sum())
    extra = int((~np.isin(given, wanted)).sum())
    if missing or extra or len(given) != rows:
        return (
            f"{_capital(named)} is scored on {len(given):,} rows, the examples have {rows:,}: "
            f"{missing:,} have no score, {extra:,} scores belong to no example; score the same rows."
        )
    result = np.empty(rows)
    result[np.argsort(wanted, kind="stable")] = scores[np.argsort(given, kind="stable")]
    return result


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _row_keys(user_ids: np.ndarray, item_ids: np.ndarray | None, as_of_dates: np.ndarray) -> np.ndarray:
    users, days = encode_ids(user_ids, "user_ids"), encode_ids(encode_days(as_of_dates, "as_of_dates"))
    keys = np.asarray(users.codes * max(1, len(days.ids)) + days.codes)
    if item_ids is None:
        return keys
    items = encode_ids(item_ids, "item_ids")
    return np.asarray(keys * max(1, len(items.ids)) + items.codes)


def _repeats(examples: GateExamples) -> tuple[int, int]:
    keys = _row_keys(examples.user_ids, examples.item_ids, examples.as_of_dates)
    ordered = np.sort(keys)
    if not np.any(ordered[1:] == ordered[:-1]):
        return 0, -1
    _, first = np.unique(keys, return_index=True)
    again = np.setdiff1d(np.arange(len(keys)), first)
    return len(again), int(again[0])


def _scores_vary(examples: GateExamples, role: str, named: str, scores: np.ndarray) -> Condition:
    """Refuse a constant score; with an item it must differ between items of one user.

    The champion is exempt: a constant score is a reason to replace it.
    """
    name = f"{role}_scores_vary"
    if np.all(scores == scores[0]):
        text = f"All {len(scores):,} scores of {named} are {scores[0]:g}: they do not vary, so they rank nothing."
        return Condition(name, False, text)
    if examples.item_ids is not None:
        groups = _row_keys(examples.user_ids, None, examples.as_of_dates)
        _, first, member = np.unique(groups, return_index=True, return_inverse=True)
        if not np.any(scores != scores[first][member]):
            text = f"The scores of {named} do not vary between the items of any user, so they rank nothing."
            return Condition(name, False, text)
    return Condition(name, True, f"The scores of {named} vary.")


def _maturity(examples: GateExamples, as_of: date) -> Condition:
    mature = np.asarray(examples.label_mature_dates, dtype="datetime64[D]")
    shown = np.asarray(examples.as_of_dates, dtype="datetime64[D]")
    immature = np.flatnonzero(~((mature <= np.datetime64(as_of, "D")) & (mature > shown)))
    if not len(immature):
        return Condition("labels_are_mature", True, f"All labels are mature as of {as_of.isoformat()}.")
    row = int(immature[0])
    text = (
        f"{len(immature):,} labels are immature as of {as_of.isoformat()}, the first in row {row} "
        f"(exposed {shown[row]}, mature {mature[row]}); leave them out."
    )
    return Condition("labels_are_mature", False, text)


def _trained_before(examples: GateExamples, role: str, end: date | None) -> Condition:
    name, start = f"{role}_trained_before_gate", examples.first_day
    if end is None:
        return Condition(name, False, f"The last training day of the {role} is unknown; record it with the model.")
    if end >= start:
        text = f"The {role} was trained on examples up to {end.isoformat()}, the gate starts on {start.isoformat()}."
        return Condition(name, False, text)
    return Condition(name, True, f"The {role} was trained up to {end.isoformat()}, before {start.isoformat()}.")


def _day(value: np.datetime64) -> date:
    day = value.astype("datetime64[D]").item()
    if not isinstance(day, date):
        raise InvalidInputError(f"as_of_dates holds {value}; every row needs a day")
    return day
