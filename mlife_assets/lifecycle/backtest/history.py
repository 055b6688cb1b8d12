"""A history to replay: rows in time order, knowledge by day, windows for monitoring, and derived sizes.

Concept: on the morning of day D the rows before D have been seen, and a label counts if its label time is at most D;
earlier steps have their own times. Every access to outcomes takes D, so immature ones cannot be read. A window of
monitoring is the shortest run of whole days with monitoring's sample size, so samples have one size at any traffic.

Defaults are those of a deployment with thousands of rows a day. Unstated sizes follow from the length of the history,
the rows per day and the rate of positives before the replay begins; no label of the replay affects its settings. No
size exceeds its default, and each has a minimum; docs/adr/0031 has the error of small ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
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
"""Share of the days of the history, at most; the policy's default is an upper bound."""
WARMUP_DAYS_MINIMUM = 28
"""Half of it are the gate's days with positives (`MINIMUM_DAY_BLOCKS`), the other half trains."""
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
    """The size of a history, and derived settings.

    Attributes:
        rows_per_day: rows over days, including days without a row.
        positives_per_day: rows per day times the share of positives known before the replay; None if none was known.
        derived: field of a policy -> value, for unstated ones that differ from the default.
    """

    rows_per_day: float
    positives_per_day: float | None
    derived: dict[str, int]

    @property
    def sentence(self) -> str | None:
        """The derived settings, in words; None without any."""
        if not self.derived:
            return None
        listed = ", ".join(f"{name} {value:,}" for name, value in self.derived.items())
        positives = "" if self.positives_per_day is None else f" and about {self.positives_per_day:,.1f} positives"
        return (
            f"Sizes follow the history, which has {self.rows_per_day:,.1f} rows{positives} a day: {listed}. What the "
            "spec states stays."
        )

    def days_for(self, positives: float) -> float | None:
        """Return the days that so many positives take; None if unknown."""
        return positives / self.positives_per_day if self.positives_per_day else None


def sized(
    model: Model,
    days: npt.NDArray[np.datetime64],
    mature: npt.NDArray[np.datetime64],
    outcome: npt.NDArray[np.bool_],
    stated: Collection[str],
) -> tuple[Model, Sizes]:
    """Return the model with sizes that fit a history, and these sizes.

    A window takes half of the interval of the naive rival, so that two alarms fit into it. Outcomes are judged on the
    positives of two weeks. The first champion's holdout needs those of the gate's weeks, or fewer if they would not fit
    into its share of the warm-up.

    Args:
        model: with the policies as declared.
        days: exposure day of each row, datetime64[D] (n,), ascending.
        mature: first day as of which each label is complete, datetime64[D] (n,).
        outcome: labels, bool (n,); used only if complete at the end of the warm-up.
        stated: stated fields, as `policy.field`; they stay.
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
    """Rows of whole days, monitored on the morning of `closed_on`; the days are [first_day, closed_on).

    Attributes:
        first_day: first day of its rows.
        closed_on: the day after its last.
        start: position of its first row.
        stop: position after its last row.
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
        validation_share: share of the days before a fit's last for validation; None for the policy's number.
        rows: n rows with the columns of the roles.
        days: exposure day of each row, datetime64[D] (n,), ascending.
        mature: first day as of which each label is complete, datetime64[D] (n,).
        outcome: labels, bool (n,); read them only through `known`.
        windows: of monitoring, in order.
        sizes: its size, and derived sizes of policies.
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
        """Hash of the inputs of a result: rows, roles, policies and the columns of the simple rule."""
        digest = hashlib.sha256(hash_examples(self.rows).encode())
        model, rule = self.model, self.model.baseline
        for part in (model.training, model.promotion, model.monitoring, model.retrain, model.backtest):
            digest.update(policy_version(part).encode())
        named = (None if rule is None else rule.name, self.validation_share, model.simple_columns)
        digest.update(repr((model.roles.to_record(), *named, model.to_record()["estimator"])).encode())
        return digest.hexdigest()

    def training_policy(self, last_day: date) -> TrainingPolicy:
        """Return the policy of a fit whose newest row is of `last_day`."""
        return validated_by_share(self.model.training, self.validation_share, (last_day - self.first_day).days + 1)

    def place(self, day: date) -> int:
        """Return the number of rows before `day`."""
        return int(np.searchsorted(self.days, np.datetime64(day, "D")))

    def known(self, as_of: date, since: date | None = None) -> npt.NDArray[np.int64]:
        """Return the positions of rows from `since` on whose label is complete as of `as_of`, int64 (k,), ascending."""
        start = 0 if since is None else self.place(since)
        stop = self.place(as_of)
        found = np.flatnonzero(self.mature[start:stop] <= np.datetime64(as_of, "D"))
        return np.asarray(found + start, dtype=np.int64)

    def learnable(self, as_of: date) -> pa.Table:
        """Return the rows before `as_of` with a step complete by then; incomplete outcomes are null."""
        return as_known(self.rows.slice(0, self.place(as_of)), self.model.roles, as_of)

    def take(self, places: npt.NDArray[np.int64]) -> pa.Table:
        """Return rows by position."""
        return self.rows.take(pa.array(places))

    def window_closing(self, day: date) -> int | None:
        """Return the number of the window that closes on the morning of `day`; None without one."""
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
        examples: rows with the columns of the roles and the baseline's.
        model: roles, policies, baseline and estimator.
        today: labels complete after this day are unknown yet.
        validation_share: share of the days before a fit's last for validation; None for the policy's number.
        stated: policy fields to keep, as `policy.field`; the others of `DERIVED` follow the history. By default all are
            kept, as in a deployment.

    Raises:
        InvalidInputError: a label is not complete as of `today`, or (entity, item, day) is repeated; names the field
            and the row.
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
    """Return the model with joint detectors that use no more rows than a window has."""
    monitoring = model.monitoring
    most = min(monitoring.domain_classifier_sample_rows, monitoring.sample_rows_per_day)
    return replace(model, monitoring=replace(monitoring, domain_classifier_sample_rows=most))


def _require_unique(rows: pa.Table, roles: ExampleSpec) -> None:
    """Refuse repeated (entity, item, day), which the gate would refuse."""
    names: Sequence[str] = [name for name in (roles.entity, roles.item, roles.time) if name is not None]
    counted = rows.group_by(list(names)).aggregate([([], "count_all")])
    repeated = counted.filter(pc.greater(counted["count_all"], 1))
    if not repeated.num_rows:
        return
    first = repeated.sort_by([(name, "ascending") for name in names]).slice(0, 1).to_pylist()[0]
    values = ", ".join(f"{name} {first[name]}" for name in names)
    remedy = "keep one" if roles.item is not None else "keep one, or name what differs as the item"
    raise InvalidInputError(f"{first['count_all']} rows have the same {values}; the gate judges each once: {remedy}")
