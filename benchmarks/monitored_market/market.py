"""The simulated market with its marts in memory: what the daily graph would know each morning, without files.

Concept: real are the market and its exporters with their faults. Bypassed are landing files, the event log and dbt:
their windows are counted here from the same exports (features of day D know exports until D - 1; a click is mature 3
days after its exposure, an application 8). A market can branch: random draws are named by day and purpose, so a branch
lives the same days but for what is injected into it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.monitoring.lateness import FRESH_DAYS, Arrivals
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.market.behaviour import APPLY, CLICK, HIRE, Outcomes, joined, mood_of_day, respond
from mlife_assets.market.population import MICROSECONDS_PER_DAY, epoch_us, published_taste
from mlife_assets.market.simulation import DayRecord, Market
from mlife_assets.market.source import World, exported_tables, honest_tables
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.events import EMBEDDING_SIZE
from mlife_assets.recruiting.features import CATEGORICAL_FEATURES, DERIVED_FEATURES, PASSED_FEATURES, pair_features
from mlife_assets.recruiting.policies import LabelPolicy

IMPRESSION, MESSAGE, CLICKED, APPLIED = range(4)
USERS, JOBS = "user_features", "job_features"
LABELLED, CLICKS = "labelled_examples", "click_examples"
WINDOW_DAYS = {CLICKS: LabelPolicy().click_window_days, LABELLED: LabelPolicy().apply_window_days}
EXAMPLE_FEATURES = (*DERIVED_FEATURES, *PASSED_FEATURES, *CATEGORICAL_FEATURES)
EXAMPLE_KEYS = ("exposure_id", "user_id", "job_id", "slice", "exposure_date")
WARM_UP_DAYS = 28
"""Days after which all windows of features are full; a market that has just opened is not what is monitored."""
REMEMBERED_DAYS = 60
"""Days that a reference, a late label or a night may still look back; examples stay, since models learn from them."""
ENDLESS_HISTORY_DAYS = 2_000
"""The recruiters' own tool texts throughout: the benchmark has no sending platform."""

Day = date | None


@dataclass(frozen=True)
class Exposures:
    """Features and times of what was shown on one day, n rows in order of exposure id; labels come later."""

    table: pa.Table
    ids: np.ndarray
    moment_us: np.ndarray


class MonitoredMarket:
    """A market and what is known of it each morning.

    Attributes:
        day: the next day to live.
        landed, arrivals: by day, rows that it exported, by type, and its clicks.
        examples: mart -> exposure day -> labelled exposures with derived features.
    """

    def __init__(self, config: MarketConfig) -> None:
        """Start before the first day."""
        self.config = replace(config, history_days=ENDLESS_HISTORY_DAYS)
        self.market = Market(self.config, _is_never_texted)
        self.day = config.start_date
        self.landed: dict[date, dict[str, int]] = {}
        self.arrivals: dict[date, Arrivals] = {}
        self.examples: dict[str, dict[date, pa.Table]] = {LABELLED: {}, CLICKS: {}}
        self._exposures: dict[date, Exposures] = {}
        self._outcomes: dict[date, Outcomes] = {}
        self._mornings: dict[date, dict[str, pa.Table]] = {}
        self._snapshot: pa.Table | None = None
        self._job_parts: list[pa.Table] = []
        self._expires_us = self._closed = self._hires = np.zeros(0, dtype=np.int64)
        self._counts: dict[date, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._last_click = np.full(len(self.market.people), -1, dtype=np.int64)

    def branch(self, *injections: Injection) -> MonitoredMarket:
        """Return a market with the same past that has `injections` in its future."""
        other = copy.copy(self)
        other.config = replace(self.config, injections=injections)
        other.market = Market(other.config, _is_never_texted, self.market.state)
        for name in ("landed", "arrivals", "_exposures", "_outcomes", "_mornings", "_counts"):
            setattr(other, name, dict(getattr(self, name)))
        other.examples = {mart: dict(known) for mart, known in self.examples.items()}
        other._job_parts = list(self._job_parts)
        return other

    def live(self) -> DayRecord:
        """Live through `day`: label what matures this morning, advance the market, take in what it exports."""
        day = self.day
        self.label_what_matures()
        known = None if self._snapshot is None else (self.read(USERS, as_of=day), self.read(JOBS, as_of=day))
        record = self.market.advance(day)
        people = self.market.people
        world = World(self.config, self.market.catalogue, people, published_taste(self.config, people, day))
        tables = exported_tables(world, record, honest_tables(world, record))
        if known is not None:
            self._exposures[day] = self._shown(record, *known)
        self._take_in(record, tables)
        self.day, oldest = add_days(day, 1), add_days(day, -REMEMBERED_DAYS)
        for held in (self.landed, self._exposures, self._outcomes, self._mornings, self._counts):
            for old in [one for one in held if one < oldest]:
                del held[old]
        return record

    def read(
        self, mart: str, *, start: Day = None, end: Day = None, as_of: Day = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return rows of a mart by day and id: those of a morning, or mature examples of [start, end].

        Users have what they did as exported by the eve; jobs are those that were open. A forgotten morning is empty.
        """
        found, parts = self.examples.get(mart, {}), self._mornings
        if as_of is not None:
            if self.day not in parts:
                parts[self.day] = {USERS: self._user_features(), JOBS: self._job_features()}
            rows = parts[as_of][mart] if as_of in parts else parts[self.day][mart].slice(0, 0)
        else:
            self.label_what_matures()
            days = [day for day in sorted(found) if (start or day) <= day <= (end or day)]
            rows = pa.concat_tables([found[day] for day in days] or [next(iter(found.values())).slice(0, 0)])
        return rows if columns is None else rows.select(list(columns))

    def leading_day(self, mart: str) -> str | None:
        """Return the date column that orders a mart."""
        return "exposure_date" if mart in self.examples else "as_of_date"

    def spread_days(self, mart: str) -> int:  # noqa: ARG002
        """Return 0: a day's rows are in that day."""
        return 0

    def label_what_matures(self) -> None:
        """Label the exposures whose window was observed by this morning; again is a no-op."""
        for mart, days in WINDOW_DAYS.items():
            self._mature(mart, last_mature_exposure_day(self.day, days))

    def true_probability(self, pairs: pa.Table) -> np.ndarray:
        """Return the true probability of an application to each pair if it is shown first today, float64 (n,)."""
        person, job = (np.array([int(one[4:]) for one in pairs[name].to_pylist()]) for name in ("user_id", "job_id"))
        people, jobs = self.market.people, self.market.state.vacancies
        mood = mood_of_day(self.config, people, self.day)
        response = respond(self.config.calibration.choice, people, jobs, mood, person, job, epoch_us(self.day))
        return response.click * response.apply

    def _user_features(self) -> pa.Table:
        snapshot = self._snapshot
        assert snapshot is not None, "nothing was exported yet"
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
        self._snapshot = tables["user_snapshot"]
        self.landed[day] = {name: table.num_rows for name, table in tables.items()}
        self._outcomes[day] = record.outcomes
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

    def _mature(self, mart: str, day: date) -> None:
        """Label the exposures of `day` with what was exported until the eve of their maturity."""
        exposures = self._exposures.get(day)
        if exposures is None or day in self.examples[mart]:
            return
        waited, early = WINDOW_DAYS[mart] + 1, WINDOW_DAYS[CLICKS] + 1
        labels = [("is_clicked", CLICK, CLICKS, waited), ("is_applied_early", APPLY, CLICKS, early)]
        if mart == LABELLED:
            labels.append(("is_applied", APPLY, LABELLED, waited))
        table = exposures.table
        happened = {n: joined([self._outcomes[add_days(day, ahead)] for ahead in range(n)]) for n in {waited, early}}
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
        self.examples[mart][day] = table.append_column("label_mature_date", mature)


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
