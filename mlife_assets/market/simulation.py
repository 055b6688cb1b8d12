"""One day of the market: postings, traffic, texts, responses, hires, closings; and its state between two days.

Concept: a closed loop. `advance` takes the texts delivered during the day and returns everything that an observer could
have recorded by 23:30 UTC; later answers wait in the queue of the state. Texts tire people, hires fill jobs.

The state is everything that the next day needs and the seed does not give: one `npz` file without pickle, replaced in
one step, so a crash leaves the state of a whole day. It names the world that it belongs to.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.ids import event_id
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import (
    APPLY,
    CLICK,
    HIRE,
    ID_TYPE,
    Outcomes,
    apply_delay_us,
    joined,
    mood_of_day,
    no_outcomes,
    outcomes,
    rank_within,
    respond,
    text_click_delay_us,
)
from mlife_assets.market.catalogue import Catalogue, load_catalogue
from mlife_assets.market.population import MICROSECONDS_PER_DAY, draw_population, epoch_us
from mlife_assets.market.texts import READING_US, MailItems, Texts, delivered_mails, delivered_texts, no_texts
from mlife_assets.market.traffic import EXPORT_US, Impressions, browse, recruiter_texts
from mlife_assets.market.vacancies import NOT_CLOSED, Vacancies, first_postings, new_postings, withdrawals
from mlife_assets.market.world import RELEASED_CALIBRATION, MarketConfig, Stream, active, generator

FILLED, EXPIRED, WITHDRAWN = 0, 1, 2
PAIR = 2**32
REMEMBERED_DAYS = 28
HIRE_SHAPE = 1.5
HIRE_SHAPE_MEAN = 0.9027

STATE_FILE = "market_state.npz"


class Market:
    """The simulated job market.

    Args:
        config: the world.
        never_texted: says of a user id whether it is in the holdout, which the recruiters' tool leaves alone too.
        state: where to go on; the first morning if not given.
    """

    def __init__(
        self, config: MarketConfig, never_texted: Callable[[str], bool], state: MarketState | None = None
    ) -> None:
        self.config = config
        self.catalogue = load_catalogue()
        self.people = draw_population(config, self.catalogue)
        self._is_holdout = np.array([never_texted(user) for user in self.people.user_ids.tolist()], dtype=bool)
        self.state = state or first_state(config, self.catalogue)

    @classmethod
    def load(cls, config: MarketConfig, never_texted: Callable[[str], bool], folder: Path) -> Market:
        """Return the market as saved in `folder`, or on its first morning; see `continued_config`."""
        continued = continued_config(config, folder)
        return cls(continued, never_texted, load_state(continued, folder))

    def save(self, folder: Path) -> None:
        save_state(self.state, self.config, folder)

    def advance(self, day: date, delivered_messages: pa.Table | None = None) -> DayRecord:
        """Simulate `day`, the day after the last one.

        Args:
            day: the day.
            delivered_messages: message_id, user_id, job_id, sent_at of texts delivered on that day, and of the jobs
                of mails, with their position. The recruiters' tool sends the texts of history itself.

        Raises:
            InvalidInputError: not the next day, texts during history, unknown user or job.
        """
        if day != add_days(self.state.day, 1):
            raise InvalidInputError(f"day is {day}, the market is at {self.state.day}; advance day by day")
        jobs, posted = self._with_postings(day)
        texts, recruiter = self._texts(day, jobs, delivered_messages)
        mails = delivered_mails(delivered_messages, self.people, jobs, day)
        views = browse(self.config, self.catalogue, self.people, jobs, day)
        view_ids = self._impression_ids(views, day)
        drawn = [self.state.queue, *self._view_responses(day, jobs, views, view_ids)]
        drawn += self._text_responses(day, jobs, texts) + self._mail_responses(day, jobs, mails)
        closings = self._expire_and_withdraw(day, jobs)
        happened, queue, applied, filled = self._release(day, jobs, joined(drawn))
        late = max((round(one.size) for one, _ in active(self.config.injections, "labels_late", day)), default=0)
        today = epoch_us(day) // MICROSECONDS_PER_DAY
        happened = replace(happened, due_day=np.full(len(happened), today + late))
        outbox = joined([self.state.outbox, happened])
        consents, has_revoked = self._consents(day)
        self._remember(day, jobs, queue, outbox.take(outbox.due_day > today), applied, texts, has_revoked)
        signed_up = self.people.signed_up_us
        return DayRecord(
            day=day,
            vacancies=jobs,
            posted=posted,
            closings=Closings(*(np.concatenate(pair) for pair in zip(closings, filled, strict=True))),
            members=np.flatnonzero((signed_up >= 0) & (signed_up < epoch_us(day) + EXPORT_US)),
            consents=consents,
            impressions=views,
            impression_ids=view_ids,
            texts=recruiter,
            outcomes=outbox.take(outbox.due_day <= today).in_order(),
        )

    def _with_postings(self, day: date) -> tuple[Vacancies, np.ndarray]:
        known = self.state.vacancies
        jobs = known.extended(new_postings(self.config, self.catalogue, known, day))
        first = 0 if day == self.config.start_date else len(known)
        return replace(jobs, hired=jobs.hired.copy(), closed_us=jobs.closed_us.copy()), np.arange(first, len(jobs))

    def _texts(self, day: date, jobs: Vacancies, delivered: pa.Table | None) -> tuple[Texts, Texts]:
        """Return the texts that were delivered and those that the recruiters' tool sent."""
        if day >= self.config.first_lived_date:
            if delivered is None:
                return no_texts(), no_texts()
            return delivered_texts(delivered, self.people, jobs, day), no_texts()
        if delivered is not None and delivered.num_rows:
            raise InvalidInputError(f"delivered_messages has rows on {day}, before {self.config.first_lived_date}")
        today = epoch_us(day) // MICROSECONDS_PER_DAY
        last = np.full(len(self.people), -(10**6))
        np.maximum.at(last, self.state.text_person, self.state.text_day)
        is_member = (self.people.signed_up_us >= 0) & (self.people.signed_up_us < epoch_us(day))
        consents = is_member & self.people.is_consented_at_signup & ~self.state.has_revoked
        sent = recruiter_texts(
            self.config,
            self.catalogue,
            self.people,
            jobs,
            day,
            may_be_texted=consents & ~self._is_holdout,
            texts_7_days=self._recent_texts(today, 6),
            days_since_text=today - last,
        )
        return sent, sent

    def _recent_texts(self, today: int, days: int) -> np.ndarray:
        recent = self.state.text_person[self.state.text_day >= today - days]
        return np.bincount(recent, minlength=len(self.people))

    def _impression_ids(self, views: Impressions, day: date) -> np.ndarray:
        users = self.people.user_ids[views.person].tolist()
        label = day.isoformat()
        pairs = zip(users, views.job.tolist(), strict=True)
        return np.array([event_id("impression", user, f"job_{job:07d}", label) for user, job in pairs], dtype=ID_TYPE)

    def _view_responses(self, day: date, jobs: Vacancies, views: Impressions, view_ids: np.ndarray) -> list[Outcomes]:
        choice, mood = self.config.calibration.choice, mood_of_day(self.config, self.people, day)
        rng = generator(self.config.seed, Stream.RESPONSES, day)
        truth = respond(choice, self.people, jobs, mood, views.person, views.job, epoch_us(day), views.position)
        draws = rng.random((2, len(views)))
        delay = (rng.exponential(40.0, len(views)) * 1e6).astype(np.int64) + 1
        return self._drawn(rng, views.person, views.job, views.moment_us + delay, view_ids, truth, draws, False)

    def _text_responses(self, day: date, jobs: Vacancies, texts: Texts) -> list[Outcomes]:
        choice, habits = self.config.calibration.choice, self.config.calibration.habits
        mood = mood_of_day(self.config, self.people, day)
        rng = generator(self.config.seed, Stream.TEXT_RESPONSES, day)
        today = epoch_us(day) // MICROSECONDS_PER_DAY
        recent = self._recent_texts(today, habits.fatigue_days)[texts.person]
        truth = respond(choice, self.people, jobs, mood, texts.person, texts.job, epoch_us(day), position=None)
        truth = replace(truth, click=truth.click * habits.fatigue_per_contact**recent)
        draws = rng.random((2, len(texts)))
        draws[0, ~texts.is_delivered] = 1.0
        delay = text_click_delay_us(habits, rng, len(texts))
        return self._drawn(rng, texts.person, texts.job, texts.sent_us + delay, texts.message_ids, truth, draws, True)

    def _mail_responses(self, day: date, jobs: Vacancies, mails: MailItems) -> list[Outcomes]:
        choice, habits = self.config.calibration.choice, self.config.calibration.habits
        mood = mood_of_day(self.config, self.people, day)
        rng = generator(self.config.seed, Stream.MAIL_RESPONSES, day)
        truth = respond(choice, self.people, jobs, mood, mails.person, mails.job, epoch_us(day), mails.position)
        count = int(mails.mail[-1]) + 1 if len(mails) else 0
        is_opened = rng.random(count) < habits.mail_opened_share
        delay = text_click_delay_us(habits, rng, count)[mails.mail]
        draws = rng.random((2, len(mails)))
        draws[0, ~is_opened[mails.mail]] = 1.0
        clicked_us = mails.sent_us + delay + mails.position * READING_US
        return self._drawn(rng, mails.person, mails.job, clicked_us, mails.exposure_ids, truth, draws, True)

    def _drawn(self, rng, person, job, clicked_us, exposure_id, truth, draws, is_text) -> list[Outcomes]:
        flags = np.full(len(person), is_text)
        clicked = draws[0] < truth.click
        applied = clicked & (draws[1] < truth.apply)
        applied_us = clicked_us + apply_delay_us(self.config.calibration.habits, rng, len(person))
        moments = ((CLICK, clicked, clicked_us), (APPLY, applied, applied_us))
        return [
            outcomes(kind, moment[rows], person[rows], job[rows], flags[rows], exposure_id[rows])
            for kind, rows, moment in moments
        ]

    def _expire_and_withdraw(self, day: date, jobs: Vacancies) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        morning = epoch_us(day)
        expired = np.flatnonzero((jobs.closed_us == NOT_CLOSED) & (jobs.expires_us <= morning))
        jobs.closed_us[expired] = jobs.expires_us[expired]
        rows, moments = withdrawals(self.config, jobs, day)
        jobs.closed_us[rows] = moments
        reasons = np.repeat([EXPIRED, WITHDRAWN], [len(expired), len(rows)])
        return np.concatenate([expired, rows]), np.concatenate([jobs.closed_us[expired], moments]), reasons

    def _release(
        self, day: date, jobs: Vacancies, queue: Outcomes
    ) -> tuple[Outcomes, Outcomes, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Return outcomes by the time of the export, later ones, all applications, and the filled jobs."""
        is_due = queue.moment_us <= epoch_us(day) + EXPORT_US
        due, waiting = queue.take(is_due).in_order(), queue.take(~is_due)
        hires = due.take(due.kind == HIRE)
        hires = hires.take(rank_within(hires.job) < (jobs.openings - jobs.hired)[hires.job])
        np.add.at(jobs.hired, hires.job, 1)
        is_full = (jobs.hired >= jobs.openings) & (jobs.closed_us == NOT_CLOSED)
        last_hire = np.zeros(len(jobs), dtype=np.int64)
        np.maximum.at(last_hire, hires.job, hires.moment_us)
        filled = np.flatnonzero(is_full)
        jobs.closed_us[filled] = last_hire[filled]
        applies = due.take(due.kind == APPLY)
        ends = np.where(jobs.closed_us == NOT_CLOSED, jobs.expires_us, jobs.closed_us)
        pair = applies.person * PAIR + applies.job
        is_valid = (applies.moment_us < ends[applies.job]) & ~np.isin(pair, self.state.applied)
        applies, pair = applies.take(is_valid), pair[is_valid]
        is_first = rank_within(pair) == 0
        applies, pair = applies.take(is_first), pair[is_first]
        happened = joined([due.take(due.kind == CLICK), applies, hires])
        still_waiting = joined([waiting, self._future_hires(day, jobs, applies)])
        closings = (filled, jobs.closed_us[filled], np.full(len(filled), FILLED))
        return happened, still_waiting, np.union1d(self.state.applied, pair), closings

    def _future_hires(self, day: date, jobs: Vacancies, applies: Outcomes) -> Outcomes:
        habits = self.config.calibration.habits
        rng = generator(self.config.seed, Stream.HIRES, day)
        is_hired = rng.random(len(applies)) < habits.hire_share
        is_shift_work = jobs.shift[applies.job] > 0
        mean = np.where(is_shift_work, habits.hire_days_shift_work, habits.hire_days)
        days = mean / HIRE_SHAPE_MEAN * rng.weibull(HIRE_SHAPE, len(applies))
        moment = applies.moment_us + (days * MICROSECONDS_PER_DAY).astype(np.int64) + 1
        chosen = applies.take(is_hired)
        return outcomes(HIRE, moment[is_hired], chosen.person, chosen.job, chosen.is_text, chosen.exposure_id)

    def _consents(self, day: date) -> tuple[ConsentChanges, np.ndarray]:
        """Return the changes of consent that `day` shows, and who has taken it back so far."""
        people = self.people
        until = epoch_us(day) + EXPORT_US
        since = -1 if day == self.config.start_date else until - MICROSECONDS_PER_DAY
        joined_now = np.flatnonzero((people.signed_up_us > since) & (people.signed_up_us <= until))
        rng = generator(self.config.seed, Stream.CONSENT, day)
        is_member = (people.signed_up_us >= 0) & (people.signed_up_us < epoch_us(day))
        may_revoke = is_member & people.is_consented_at_signup & ~self.state.has_revoked
        draws, hours = rng.random((2, len(people)))
        revokes = may_revoke & (draws < self.config.calibration.habits.revoke_share_per_day)
        person = np.flatnonzero(revokes)
        moments = epoch_us(day) + (hours[person] * 23.0 * 3.6e9).astype(np.int64)
        changes = ConsentChanges(
            np.concatenate([joined_now, person]),
            np.concatenate([people.signed_up_us[joined_now], moments]),
            np.concatenate([people.is_consented_at_signup[joined_now], np.zeros(len(person), dtype=bool)]),
            np.repeat([True, False], [len(joined_now), len(person)]),
        )
        return changes, self.state.has_revoked | revokes

    def _remember(self, day, jobs, queue, outbox, applied, texts, has_revoked) -> None:
        today = epoch_us(day) // MICROSECONDS_PER_DAY
        person = np.concatenate([self.state.text_person, texts.person[texts.is_delivered]])
        days = np.concatenate([self.state.text_day, np.full(int(texts.is_delivered.sum()), today)])
        is_recent = days > today - REMEMBERED_DAYS
        self.state = MarketState(day, jobs, queue, outbox, applied, person[is_recent], days[is_recent], has_revoked)


@dataclass(frozen=True)
class MarketState:
    """State of the market at the end of a day.

    Attributes:
        day: the last simulated day.
        vacancies: all postings so far.
        queue: outcomes that have not happened yet.
        outbox: outcomes that happened and wait for their export.
        applied: (person, job) pairs that applied, as person * 2**32 + job, ascending.
        text_person, text_day: delivered texts of the last 28 days; days since 1970.
        has_revoked: people who took their consent back, bool (people,).
    """

    day: date
    vacancies: Vacancies
    queue: Outcomes
    outbox: Outcomes
    applied: np.ndarray
    text_person: np.ndarray
    text_day: np.ndarray
    has_revoked: np.ndarray


def first_state(config: MarketConfig, catalogue: Catalogue) -> MarketState:
    """Return the state before the first day."""
    nothing = np.zeros(0, dtype=np.int64)
    return MarketState(
        day=add_days(config.start_date, -1),
        vacancies=first_postings(config, catalogue),
        queue=no_outcomes(),
        outbox=no_outcomes(),
        applied=nothing,
        text_person=nothing,
        text_day=nothing,
        has_revoked=np.zeros(config.users + config.dormant_users, dtype=bool),
    )


def _arrays(prefix: str, table: Vacancies | Outcomes) -> dict[str, np.ndarray]:
    return {f"{prefix}.{field.name}": getattr(table, field.name) for field in fields(table)}


def save_state(state: MarketState, config: MarketConfig, folder: Path) -> None:
    """Write the state file of `folder` in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = _arrays("vacancies", state.vacancies) | _arrays("queue", state.queue) | _arrays("outbox", state.outbox)
    arrays |= {name: getattr(state, name) for name in ("applied", "text_person", "text_day", "has_revoked")}
    arrays |= {"day": np.array(state.day.isoformat()), "fingerprint": np.array(config.fingerprint)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    partial = folder / f"{STATE_FILE}.partial"
    with partial.open("wb") as file:
        file.write(buffer.getvalue())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / STATE_FILE)


def continued_config(config: MarketConfig, folder: Path) -> MarketConfig:
    """Return the world in which `folder` goes on: `config`, but as release 0.1.0 had it where its state is of then."""
    path = folder / STATE_FILE
    if path.exists():
        released = replace(config, calibration=RELEASED_CALIBRATION)
        with np.load(path, allow_pickle=False) as file:
            if str(file["fingerprint"]) == released.fingerprint:
                return released
    return config


def load_state(config: MarketConfig, folder: Path) -> MarketState | None:
    """Return the saved state, None when there is none. Raises UpstreamMismatchError when it is of another world."""
    path = folder / STATE_FILE
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if str(arrays["fingerprint"]) != config.fingerprint:
        raise UpstreamMismatchError(
            f"{STATE_FILE} belongs to market {arrays['fingerprint']}, the configuration is {config.fingerprint}; "
            "use another home folder or delete this one"
        )
    tables = {
        prefix: {field.name: arrays[f"{prefix}.{field.name}"] for field in fields(kind)}
        for prefix, kind in (("vacancies", Vacancies), ("queue", Outcomes), ("outbox", Outcomes))
    }
    return MarketState(
        day=date.fromisoformat(str(arrays["day"])),
        vacancies=Vacancies(**tables["vacancies"]),
        queue=Outcomes(**tables["queue"]),
        outbox=Outcomes(**tables["outbox"]),
        **{name: arrays[name] for name in ("applied", "text_person", "text_day", "has_revoked")},
    )


@dataclass(frozen=True)
class Closings:
    """Postings that ended: rows, moments (microseconds), positions in `CLOSE_REASONS`."""

    job: np.ndarray
    moment_us: np.ndarray
    reason: np.ndarray


@dataclass(frozen=True)
class ConsentChanges:
    """Consent given or taken back: person rows, moments (microseconds), flag, whether while signing up."""

    person: np.ndarray
    moment_us: np.ndarray
    is_granted: np.ndarray
    is_signup: np.ndarray


@dataclass(frozen=True)
class DayRecord:
    """Complete record of an observer at the end of a day; texts are those of the recruiters' tool."""

    day: date
    vacancies: Vacancies
    posted: np.ndarray
    closings: Closings
    members: np.ndarray
    consents: ConsentChanges
    impressions: Impressions
    impression_ids: np.ndarray
    texts: Texts
    outcomes: Outcomes
