"""A history to be replayed: rows in time order, what was known on each day, windows for monitoring, and sizes that
follow.

Concept: on the morning of day D the rows before D have been seen, and a label counts when its label time is at most D,
an earlier step when its own is. Every access to outcomes takes D, so one that is not mature on D cannot be had. A
window of monitoring is the shortest run of whole days that holds as many rows as monitoring samples, so samples have
one size whatever the traffic.

Defaults are those of a deployment with thousands of rows a day. What nobody stated follows from how long the history
is, how many rows a day has and how often it happens before the replay begins; no label of the replay decides how it is
replayed. Nothing grows beyond its default, and each has a floor; what error small ones have is in docs/adr/0031.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.policies import TrainingPolicy, policy_version
from mlife_assets.core.training.example_training import canonical, validated_by_share
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.training_set import hash_examples
from mlife_assets.core.windows import add_days
from mlife_assets.lifecycle.backtest.measure import BLOCKS_MINIMUM

WARMUP_SHARE = 0.25
"""Of the days of the history, at most; the default of the policy bounds it from above."""
WARMUP_DAYS_MINIMUM = 28
"""Half of it are the days with positives that the gate needs (`MINIMUM_DAY_BLOCKS`), the other half trains."""
WINDOW_ROWS_MINIMUM = 200
MATURE_POSITIVES_MINIMUM = 50
MATURE_POSITIVES_DAYS = 14
WINDOWS_MINIMUM = 8
"""Windows that a monitoring reference needs."""
DERIVED = (
    "backtest.warmup_days",
    "monitoring.sample_rows_per_day",
    "monitoring.minimum_mature_positives",
)
"""Fields of policies that follow the history unless they are stated."""
Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Sizes:
    """How large a history is, and what was derived from that.

    Attributes:
        rows_per_day: rows over days, those without a row included.
        positives_per_day: rows per day times the share of positives known before the replay; None where none was known.
        derived: field of a policy -> its value, of those that nobody stated and that differ from the default.
    """

    rows_per_day: float
    positives_per_day: float | None
    derived: dict[str, int]

    @property
    def sentence(self) -> str | None:
        """What was derived, in words; None where nothing was."""
        if not self.derived:
            return None
        listed = ", ".join(f"{name} {value:,}" for name, value in self.derived.items())
        positives = "" if self.positives_per_day is None else f" and about {self.positives_per_day:,.1f} positives"
        return (
            f"Sizes follow the history, which has {self.rows_per_day:,.1f} rows{positives} a day: {listed}. What the "
            "spec states stays."
        )

    def days_for(self, positives: float) -> float | None:
        """Return how many days so many positives take; None where that is not known."""
        return positives / self.positives_per_day if self.positives_per_day else None


def sized(
    model: Model,
    days: npt.NDArray[np.datetime64],
    mature: npt.NDArray[np.datetime64],
    outcome: npt.NDArray[np.bool_],
    stated: Collection[str],
) -> tuple[Model, Sizes]:
    """Return the model with sizes that fit a history, and which they are.

    A window takes half of the interval of the naive rival, so that two alarms fit into it. Outcomes are judged on the
    positives of two weeks. What the first champion is held against asks for those of the gate's weeks, or of as many
    days as it may take of the warm-up, whose end would have to wait for them otherwise.

    Args:
        model: with the policies as declared.
        days: exposure day of each row, datetime64[D] (n,), ascending.
        mature: first day as of which each label is complete, datetime64[D] (n,).
        outcome: labels, bool (n,); read as far as they are complete when the warm-up ends.
        stated: fields that somebody stated, as `policy.field`; they stay.
    """
    span = int((days[-1] - days[0]).astype(np.int64)) + 1
    rows_per_day = len(days) / span
    warmup = model.backtest.warmup_days
    if "backtest.warmup_days" not in stated:
        warmup = min(warmup, max(WARMUP_DAYS_MINIMUM, int(WARMUP_SHARE * span)))
    window_days = min(model.backtest.naive_retrain_days / model.retrain.alarm_days_needed, warmup / WINDOWS_MINIMUM)
    wanted = {
        "backtest.warmup_days": warmup,
        "monitoring.sample_rows_per_day": max(WINDOW_ROWS_MINIMUM, round(rows_per_day * window_days)),
    }
    is_known = (days < days[0] + warmup) & (mature <= days[0] + warmup)
    positives = float(np.count_nonzero(outcome[is_known]))
    per_day = rows_per_day * positives / int(np.count_nonzero(is_known)) if positives else None
    if per_day is not None:
        wanted |= {
            "monitoring.minimum_mature_positives": max(
                MATURE_POSITIVES_MINIMUM, round(MATURE_POSITIVES_DAYS * per_day)
            ),
        }
    derived = {}
    for name, value in wanted.items():
        policy, _, field = name.partition(".")
        declared = getattr(model, policy)
        if name not in stated and value < getattr(declared, field):
            derived[name] = value
            model = replace(model, **{policy: replace(declared, **{field: value})})
    return model, Sizes(rows_per_day, per_day, derived)


@dataclass(frozen=True)
class Window:
    """Rows of whole days that monitoring looks at on the morning of `closed_on`; the days are [first_day, closed_on).

    Attributes:
        first_day: first day of its rows.
        closed_on: the day after its last.
        start: place of its first row.
        stop: place after its last row.
    """

    first_day: date
    closed_on: date
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class History:
    """Rows in canonical order, which starts with their day.

    Attributes:
        model: roles, policies, baseline and estimator.
        validation_share: share of the days before a fit's last that validate; None for as many as the policy says.
        rows: n rows with the columns of the roles.
        days: exposure day of each row, datetime64[D] (n,), ascending.
        mature: first day as of which each label is complete, datetime64[D] (n,).
        outcome: labels, bool (n,); to be read through `known` only.
        windows: of monitoring, in order.
        sizes: how large it is, and which sizes of the policies follow from that.
    """

    model: Model
    validation_share: float | None
    rows: pa.Table
    days: Days
    mature: Days
    outcome: npt.NDArray[np.bool_]
    windows: tuple[Window, ...]
    sizes: Sizes

    @property
    def first_day(self) -> date:
        """Day of the first row."""
        return as_date(self.days[0])

    @property
    def last_day(self) -> date:
        """Day of the last row."""
        return as_date(self.days[-1])

    @property
    def as_of(self) -> date:
        """Day on which the replay is evaluated: every label is complete."""
        return as_date(self.mature.max())

    @cached_property
    def content_hash(self) -> str:
        """Hash of rows, roles, policies and the columns of the simple rule: what a result depends on."""
        digest = hashlib.sha256(hash_examples(self.rows).encode())
        model, rule = self.model, self.model.baseline
        for part in (model.training, model.promotion, model.monitoring, model.retrain, model.backtest):
            digest.update(policy_version(part).encode())
        named = (asdict(model.roles), None if rule is None else rule.name, self.validation_share, model.simple_columns)
        digest.update(repr((*named, model.to_record()["estimator"])).encode())
        return digest.hexdigest()

    def training_policy(self, last_day: date) -> TrainingPolicy:
        """Return how a model is fitted whose newest row is of `last_day`."""
        return validated_by_share(self.model.training, self.validation_share, (last_day - self.first_day).days + 1)

    def place(self, day: date) -> int:
        """Return how many rows lie before `day`."""
        return int(np.searchsorted(self.days, np.datetime64(day, "D")))

    def known(self, as_of: date, since: date | None = None) -> npt.NDArray[np.int64]:
        """Return the places of rows from `since` on whose label is complete as of `as_of`, int64 (k,), ascending."""
        start = 0 if since is None else self.place(since)
        stop = self.place(as_of)
        found = np.flatnonzero(self.mature[start:stop] <= np.datetime64(as_of, "D"))
        return np.asarray(found + start, dtype=np.int64)

    def learnable(self, as_of: date) -> pa.Table:
        """Return the rows of which a step was complete as of `as_of`, before it; outcomes that were not are null."""
        return as_known(self.rows.slice(0, self.place(as_of)), self.model.roles, as_of)

    def take(self, places: npt.NDArray[np.int64]) -> pa.Table:
        """Return rows by place."""
        return self.rows.take(pa.array(places))

    def window_closing(self, day: date) -> int | None:
        """Return the number of the window that closes on the morning of `day`, None without one."""
        return self._closes.get(day)

    def closed_windows(self, as_of: date) -> tuple[Window, ...]:
        """Return the windows that have closed by the morning of `as_of`, oldest first."""
        return tuple(window for window in self.windows if window.closed_on <= as_of)

    @cached_property
    def _closes(self) -> dict[date, int]:
        return {window.closed_on: number for number, window in enumerate(self.windows)}


def prepare_history(
    examples: pa.Table,
    model: Model,
    *,
    today: date,
    validation_share: float | None = None,
    stated: Collection[str] = DERIVED,
) -> History:
    """Return the history of validated examples.

    Args:
        examples: rows with the columns of the roles, and those that the baseline scores.
        model: roles, policies, baseline and estimator.
        today: labels that are complete later are not known yet.
        validation_share: share of the days before a fit's last that validate; None for as many as the policy says.
        stated: fields of policies that stay as they are, as `policy.field`; the others of `sizing.DERIVED` follow the
            history. By default all stay, as those of a deployment do.

    Raises:
        InvalidInputError: a label is not complete as of `today`, or rows repeat what the gate judges once; names the
            field and the row.
        NotEnoughEvidenceError: there are no rows, or too few for a replay.
    """
    roles = model.roles
    if not examples.num_rows:
        raise NotEnoughEvidenceError("the history has no rows; check the file and the spec's where")
    later = pc.greater(examples[roles.label_time], pa.scalar(today))
    if (row := pc.index(later, True).as_py()) >= 0:
        raise InvalidInputError(
            f"{roles.label_time} of {pc.sum(later).as_py()} rows is after today, {today}; the first is row {row} with "
            f"{examples[roles.label_time][row].as_py()}: their {roles.label} is not known yet, leave them out"
        )
    rows = canonical(examples, roles)
    _require_unique(rows, model.roles)
    days = rows[roles.time].to_numpy().astype("datetime64[D]")
    mature = rows[roles.label_time].to_numpy().astype("datetime64[D]")
    outcome = np.asarray(rows[roles.label].to_numpy(zero_copy_only=False), dtype=bool)
    model, sizes = sized(model, days, mature, outcome, stated)
    model = _fitted_to(model)
    history = History(
        model=model,
        validation_share=validation_share,
        rows=rows,
        days=days,
        mature=mature,
        outcome=outcome,
        windows=split_windows(days, model.monitoring.sample_rows_per_day, model.backtest.window_days_minimum),
        sizes=sizes,
    )
    span = (history.last_day - history.first_day).days + 1
    needed = model.backtest.warmup_days + BLOCKS_MINIMUM * model.backtest.bootstrap_block_days
    if span < needed:
        raise NotEnoughEvidenceError(
            f"the history spans {span} days ({history.first_day} to {history.last_day}), at least {needed} are needed: "
            f"{model.backtest.warmup_days} before the first champion and {BLOCKS_MINIMUM} blocks of "
            f"{model.backtest.bootstrap_block_days} to compare on; bring a longer history or lower backtest.warmup_days"
        )
    return history


def split_windows(days: Days, rows_minimum: int, days_minimum: int) -> tuple[Window, ...]:
    """Return windows of whole days, each as short as `rows_minimum` rows and `days_minimum` days allow.

    `days` is the day of each row, ascending. Rows of an unfinished last window belong to none.
    """
    if not len(days):
        return ()
    unique, starts = np.unique(days, return_index=True)
    stops = np.append(starts[1:], len(days))
    windows: list[Window] = []
    first, start = as_date(unique[0]), 0
    for day, stop in zip(unique, stops, strict=True):
        end = add_days(as_date(day), 1)
        if stop - start >= rows_minimum and (end - first).days >= days_minimum:
            windows.append(Window(first, end, start, int(stop)))
            first, start = end, int(stop)
    return tuple(windows)


def as_date(day: np.datetime64) -> date:
    """Return a datetime64[D] as a date."""
    return date.fromisoformat(str(day.astype("datetime64[D]")))


def _fitted_to(model: Model) -> Model:
    """Return the model with a joint detector that looks at no more rows than a window has."""
    monitoring = model.monitoring
    most = min(monitoring.domain_classifier_sample_rows, monitoring.sample_rows_per_day)
    return replace(model, monitoring=replace(monitoring, domain_classifier_sample_rows=most))


def _require_unique(rows: pa.Table, roles: ExampleSpec) -> None:
    """Refuse rows that the gate would: it judges each (entity, item, day) once."""
    names: Sequence[str] = [name for name in (roles.entity, roles.item, roles.time) if name is not None]
    counted = rows.group_by(list(names)).aggregate([([], "count_all")])
    repeated = counted.filter(pc.greater(counted["count_all"], 1))
    if not repeated.num_rows:
        return
    first = repeated.sort_by([(name, "ascending") for name in names]).slice(0, 1).to_pylist()[0]
    values = ", ".join(f"{name} {first[name]}" for name in names)
    remedy = "keep one" if roles.item is not None else "keep one, or name what differs as the item"
    raise InvalidInputError(f"{first['count_all']} rows have the same {values}; the gate judges each once: {remedy}")
