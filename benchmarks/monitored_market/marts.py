"""The simulated market with its marts in memory: what the daily graph would know each morning, without files.

Concept: real are the market, its exporters with their faults, `candidate_pairs`, `pair_features` and `sample_pairs`.
Bypassed are landing files, the event log and dbt: their windows are counted here from the same exports (features of
day D know exports until D - 1; a click is mature 3 days after its exposure, an application 8). A market can branch:
random draws are named by day and purpose, so a branch lives the same days but for what is injected into it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.lateness import FRESH_DAYS, Arrivals
from mlife_assets.core.monitoring.sampling import DaySample, sample_pairs
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.market.behaviour import APPLY, CLICK, HIRE, Outcomes, joined
from mlife_assets.market.population import MICROSECONDS_PER_DAY, epoch_us, published_taste
from mlife_assets.market.simulation import DayRecord, Market
from mlife_assets.market.source import World, exported_tables, honest_tables
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.events import EMBEDDING_SIZE
from mlife_assets.recruiting.features import (
    CATEGORICAL_FEATURES,
    DERIVED_FEATURES,
    PASSED_FEATURES,
    pair_features,
)
from mlife_assets.recruiting.policies import CandidatePolicy, LabelPolicy

IMPRESSION, MESSAGE, CLICKED, APPLIED = range(4)
LABELS = LabelPolicy()
WINDOW_DAYS = {"click": LABELS.click_window_days, LABEL: LABELS.apply_window_days}
EXAMPLE_FEATURES = (*DERIVED_FEATURES, *PASSED_FEATURES, *CATEGORICAL_FEATURES)
EXAMPLE_KEYS = ("exposure_id", "user_id", "job_id", "slice", "exposure_date")
ENDLESS_HISTORY_DAYS = 2_000
"""The recruiters' own tool texts throughout: the benchmark has no sending platform."""


@dataclass(frozen=True)
class Exposures:
    """Features and times of what was shown on one day, n rows in order of exposure id; labels come later."""

    table: pa.Table
    ids: np.ndarray
    moment_us: np.ndarray


class MonitoredMarket:
    """A market and what is known of it each morning. `day` is the next day to live."""

    def __init__(self, config: MarketConfig) -> None:
        """Start before the first day."""
        self.config = replace(config, history_days=ENDLESS_HISTORY_DAYS)
        self.market = Market(self.config, _is_never_texted)
        people = len(self.market.people)
        self.day = config.start_date
        self.snapshots: dict[date, pa.Table] = {}
        self.landed: dict[date, dict[str, int]] = {}
        self.exposures: dict[date, Exposures] = {}
        self.outcomes: dict[date, Outcomes] = {}
        self.arrivals: dict[date, Arrivals] = {}
        self.examples: dict[str, dict[date, pa.Table]] = {LABEL: {}, "click": {}}
        self._features: dict[str, tuple[date, pa.Table]] = {}
        self._job_parts: list[pa.Table] = []
        self._expires_us = self._closed = self._hires = np.zeros(0, dtype=np.int64)
        self._counts: dict[date, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._last_click = np.full(people, -1, dtype=np.int64)

    def branch(self, *injections: Injection) -> MonitoredMarket:
        """Return a market with the same past that has `injections` in its future."""
        other = copy.copy(self)
        other.config = replace(self.config, injections=injections)
        other.market = Market(other.config, _is_never_texted, self.market.state)
        for name in ("snapshots", "landed", "exposures", "outcomes", "arrivals", "_counts", "_features"):
            setattr(other, name, dict(getattr(self, name)))
        other.examples = {outcome: dict(known) for outcome, known in self.examples.items()}
        other._job_parts = list(self._job_parts)
        return other

    def live(self) -> DayRecord:
        """Live through `day`: label what matures this morning, advance the market, take in what it exports."""
        day = self.day
        self.label_what_matures()
        morning = (self.user_features(), self.job_features()) if self.snapshots else None
        record = self.market.advance(day)
        people = self.market.people
        world = World(self.config, self.market.catalogue, people, published_taste(self.config, people, day))
        tables = exported_tables(world, record, honest_tables(world, record))
        if morning is not None:
            self.exposures[day] = self._shown(record, *morning)
        self._take_in(record, tables)
        self.day = add_days(day, 1)
        return record

    def sample(self, *, rows: int, seed: int, policy: CandidatePolicy, users: int | None = None) -> DaySample:
        """Return the sample of this morning's candidate pairs, as monitoring draws it; of the first `users` only."""
        asked = self.user_features() if users is None else self.user_features().slice(0, users)
        pairs = candidate_pairs(asked, self.job_features(), self.day, policy)
        places = sample_pairs(pairs["user_id"], pairs["job_id"], as_of=self.day, seed=seed, rows=rows)
        return DaySample(pair_features(pairs.take(pa.array(places))), pairs.num_rows)

    def user_features(self) -> pa.Table:
        """Return the users that were exported by the eve, in order of id, with what they did."""
        return self._once_a_morning("users", self._user_features)

    def job_features(self) -> pa.Table:
        """Return the jobs that were open as far as was known by the eve, in order of id."""
        return self._once_a_morning("jobs", self._job_features)

    def _once_a_morning(self, name: str, derive: Callable[[], pa.Table]) -> pa.Table:
        if name not in self._features or self._features[name][0] != self.day:
            self._features[name] = self.day, derive()
        return self._features[name][1]

    def _user_features(self) -> pa.Table:
        snapshot = self.snapshots[add_days(self.day, -1)]
        person = np.array([int(user[4:]) for user in snapshot["user_id"].to_pylist()])
        today = epoch_us(self.day) // MICROSECONDS_PER_DAY
        signed_up = snapshot["signed_up_at"].cast(pa.int64()).to_numpy() // MICROSECONDS_PER_DAY
        last = self._last_click[person]
        renamed = {"occupation_group": "user_occupation_group", "shift": "user_shift", "seniority": "user_seniority"}
        columns = {
            "as_of_date": pa.array([self.day] * len(person), pa.date32()),
            **{renamed.get(name, name): snapshot[name] for name in ("user_id", "metro_code", *renamed)},
            **{name: snapshot[name] for name in ("latitude", "longitude", "reservation_pay_usd_per_hour")},
            **_embedding(snapshot["taste_embedding"], "taste"),
            "user_impressions_7d": self._window(0, IMPRESSION, 7)[person],
            "user_clicks_7d": self._window(0, CLICKED, 7)[person],
            "user_applies_28d": self._window(0, APPLIED, 28)[person],
            "user_messages_28d": self._window(0, MESSAGE, 28)[person],
            "days_since_last_click": pa.array(today - last, mask=last < 0),
            "tenure_days": today - signed_up,
        }
        return pa.table(columns)

    def _job_features(self) -> pa.Table:
        jobs = pa.concat_tables(self._job_parts)
        morning = epoch_us(self.day)
        listed = np.flatnonzero((self._expires_us > morning) & (self._closed == 0))
        jobs = jobs.take(pa.array(listed))
        posted = jobs["occurred_at"].cast(pa.int64()).to_numpy() // MICROSECONDS_PER_DAY
        columns = {
            "as_of_date": pa.array([self.day] * len(listed), pa.date32()),
            "job_id": jobs["job_id"],
            **{f"job_{n}": jobs[n] for n in ("occupation_group", "shift", "latitude", "longitude", "seniority")},
            "pay_usd_per_hour": jobs["pay_usd_per_hour"],
            "openings": np.maximum(jobs["openings"].to_numpy() - self._hires[listed], 1),
            **_embedding(jobs["text_embedding"], "text"),
            "job_impressions_7d": self._window(1, IMPRESSION, 7)[listed],
            "job_clicks_7d": self._window(1, CLICKED, 7)[listed],
            "job_applies_7d": self._window(1, APPLIED, 7)[listed],
            "job_messages_7d": self._window(1, MESSAGE, 7)[listed],
            "job_age_days": morning // MICROSECONDS_PER_DAY - posted,
        }
        return pa.table(columns)

    def label_what_matures(self) -> None:
        """Label the exposures whose window was observed by this morning; again is a no-op."""
        for outcome, days in WINDOW_DAYS.items():
            self._mature(outcome, last_mature_exposure_day(self.day, days))

    def mature_examples(self, first: date, last: date, outcome: str = LABEL) -> pa.Table:
        """Return exposures of [first, last] whose labels are mature this morning; clicks are sooner than applies."""
        self.label_what_matures()
        known = self.examples[outcome]
        return pa.concat_tables([known[day] for day in sorted(known) if first <= day <= last])

    def forget_before(self, day: date) -> None:
        """Drop what only training on days before `day` would need."""
        by_day = (self.snapshots, self.landed, self.exposures, self.outcomes, self._counts)
        for held in (*by_day, *self.examples.values()):
            for old in [one for one in held if one < day]:
                del held[old]

    def _window(self, side: int, kind: int, days: int) -> np.ndarray:
        """Return events of a kind exported on the last `days` days, by person (side 0) or by job (side 1)."""
        size = len(self._expires_us) if side else len(self._last_click)
        total = np.zeros(size, dtype=np.int64)
        for back in range(1, days + 1):
            counted = self._counts.get(add_days(self.day, -back))
            if counted is not None:
                part = counted[kind][side]
                total[: len(part)] += part
        return total

    def _take_in(self, record: DayRecord, tables: dict[str, pa.Table]) -> None:
        day = record.day
        self.snapshots[day] = tables["user_snapshot"]
        self.landed[day] = {name: table.num_rows for name, table in tables.items()}
        self.outcomes[day] = record.outcomes
        clicked_us = record.outcomes.moment_us[record.outcomes.kind == CLICK]
        oldest_us = epoch_us(add_days(day, 1 - FRESH_DAYS))
        self.arrivals[day] = Arrivals(len(clicked_us), int(np.count_nonzero(clicked_us >= oldest_us)))
        self._job_parts.append(tables["job_posted"])
        added = len(record.vacancies) - len(self._expires_us)
        self._expires_us = record.vacancies.expires_us
        self._closed = np.r_[self._closed, np.zeros(added, dtype=np.int64)]
        self._closed[record.closings.job] = 1
        happened, texts, views = record.outcomes, record.texts, record.impressions
        self._hires = np.r_[self._hires, np.zeros(added, dtype=np.int64)]
        np.add.at(self._hires, happened.job[happened.kind == HIRE], 1)
        arrived = texts.is_delivered
        rows = {
            IMPRESSION: (views.person, views.job),
            MESSAGE: (texts.person[arrived], texts.job[arrived]),
            CLICKED: (happened.person[happened.kind == CLICK], happened.job[happened.kind == CLICK]),
            APPLIED: (happened.person[happened.kind == APPLY], happened.job[happened.kind == APPLY]),
        }
        people, jobs = len(self._last_click), len(record.vacancies)
        self._counts[day] = [
            (np.bincount(rows[kind][0], minlength=people), np.bincount(rows[kind][1], minlength=jobs))
            for kind in sorted(rows)
        ]
        self._last_click = self._last_click.copy()
        self._last_click[rows[CLICKED][0]] = epoch_us(day) // MICROSECONDS_PER_DAY

    def _shown(self, record: DayRecord, users: pa.Table, jobs: pa.Table) -> Exposures:
        """Return the day's exposures of known people to known jobs, with the features of the morning."""
        views, texts = record.impressions, record.texts
        arrived = texts.is_delivered
        ids = np.r_[record.impression_ids, texts.message_ids[arrived]]
        person, job = np.r_[views.person, texts.person[arrived]], np.r_[views.job, texts.job[arrived]]
        moment = np.r_[views.moment_us, texts.sent_us[arrived]]
        is_text = np.arange(len(ids)) >= len(views)
        is_explore = np.r_[np.zeros(len(views), dtype=bool), texts.is_explore[arrived]]
        user_place = _places(users["user_id"], len(self.market.people))[person]
        job_place = _places(jobs["job_id"], len(record.vacancies))[job]
        kept = np.flatnonzero((user_place >= 0) & (job_place >= 0))
        kept = kept[np.argsort(ids[kept])]
        rows = users.take(pa.array(user_place[kept]))
        for field in jobs.drop_columns(["as_of_date"]).schema:
            rows = rows.append_column(field, jobs[field.name].take(pa.array(job_place[kept])))
        rows = pair_features(rows.rename_columns({"as_of_date": "exposure_date"}))
        extra = {
            "exposure_id": ids[kept],
            "exposure_kind": np.where(is_text, "message", "impression")[kept],
            "slice": np.where(is_text, np.where(is_explore, "explore", "recruiter_rule"), "organic")[kept],
        }
        for name, values in extra.items():
            rows = rows.append_column(name, pa.array(values))
        return Exposures(rows.select([*EXAMPLE_KEYS, *EXAMPLE_FEATURES]), ids[kept], moment[kept])

    def _mature(self, outcome: str, day: date) -> None:
        """Label the exposures of `day` with what was exported until the eve of their maturity."""
        exposures = self.exposures.get(day)
        if exposures is None or day in self.examples[outcome]:
            return
        waited, early = WINDOW_DAYS[outcome] + 1, WINDOW_DAYS["click"] + 1
        labels = [("is_clicked", CLICK, "click", waited), ("is_applied_early", APPLY, "click", early)]
        if outcome == LABEL:
            labels.append(("is_applied", APPLY, LABEL, waited))
        table = exposures.table
        happened = {n: joined([self.outcomes[add_days(day, ahead)] for ahead in range(n)]) for n in {waited, early}}
        for name, kind, window, days in labels:
            of_kind = happened[days].take(happened[days].kind == kind)
            place = np.minimum(np.searchsorted(exposures.ids, of_kind.exposure_id), len(exposures.ids) - 1)
            is_ours = exposures.ids[place] == of_kind.exposure_id
            until_us = exposures.moment_us[place] + WINDOW_DAYS[window] * MICROSECONDS_PER_DAY
            in_time = of_kind.moment_us <= until_us
            flags = np.zeros(len(exposures.ids), dtype=bool)
            flags[place[is_ours & in_time]] = True
            table = table.append_column(name, pa.array(flags))
        mature = pa.array([add_days(day, waited)] * table.num_rows, pa.date32())
        self.examples[outcome][day] = table.append_column("label_mature_date", mature)


def _is_never_texted(user_id: str) -> bool:
    """Say that nobody is in a holdout."""
    return not user_id


def _embedding(column: pa.ChunkedArray, name: str) -> dict[str, pa.Array]:
    values = pc.list_flatten(column).to_numpy().reshape(-1, EMBEDDING_SIZE)
    return {f"{name}_{place + 1}": pa.array(values[:, place]) for place in range(EMBEDDING_SIZE)}


def _places(ids: pa.ChunkedArray, size: int) -> np.ndarray:
    """Return the row of each number in ids like usr_0000012, int64 (size,); -1 where it has none."""
    numbers = np.array([int(one[4:]) for one in ids.to_pylist()], dtype=np.int64)
    places = np.full(size, -1, dtype=np.int64)
    places[numbers] = np.arange(len(numbers))
    return places
