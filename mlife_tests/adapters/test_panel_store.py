"""Recording a panel before its outcomes, and reading back nothing but what was recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.panel_store import EVENT, PanelStore, RecordedPanel, recording_ends
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_tests.rows import events

DAY = date(2026, 6, 10)
EVENING = datetime(2026, 6, 10, 22, tzinfo=UTC)
JOBS = {"u1": "abc", "u2": "ab", "u3": "cd"}


def panel_file(*rankings: tuple[str, str, Sequence[str]], day: date = DAY) -> bytes:
    lines = ["as_of_date,recruiter,user_id,job_id,rank"]
    for recruiter, user, jobs in rankings:
        lines += [f"{day},{recruiter},{user},{job},{rank}" for rank, job in enumerate(jobs, 1)]
    return "\n".join(lines).encode()


GOOD = panel_file(("r1", "u1", "abc"), ("r2", "u1", "cab"), ("r1", "u2", "ba"))


def candidates(user_ids: tuple[str, ...]) -> pa.Table:
    pairs = [(user, job) for user in user_ids for job in JOBS.get(user, "")]
    return pa.table({"user_id": [user for user, _ in pairs], "job_id": [job for _, job in pairs]})


class World:
    """A lake with its log, and a short way to record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = ObstoreObjectStore.local(folder)
        self.log = ParquetEventLog(self.lake)
        self.panels = PanelStore(self.lake, self.log)

    def record(self, data: bytes = GOOD, now: datetime = EVENING, as_of: date = DAY) -> RecordedPanel:
        return self.panels.record(data, as_of=as_of, candidates=candidates, actor="ann", now=now)

    def apply(self, user: str, job: str, occurred: datetime, observed: datetime) -> None:
        row = {"event_id": f"{user}{job}", "occurred_at": occurred, "user_id": user, "job_id": job}
        self.log.append("apply", events("apply", row, at=observed), writer="test")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "lake")


def test_a_panel_is_stored_by_its_content_and_recorded_once(world: World) -> None:
    made = world.record()
    sha256 = hashlib.sha256(GOOD).hexdigest()
    assert (world.folder / "panels" / f"{sha256}.csv").read_bytes() == GOOD
    (event,) = world.log.read(EVENT).to_pylist()
    assert {name: event[name] for name in event if name != "event_id"} == {
        "occurred_at": EVENING, "observed_at": EVENING, "panel_id": sha256[:12], "as_of_date": DAY, "recruiters": 2,
        "users": 2, "pairs": 5, "sha256": sha256, "actor": "ann",
    }  # fmt: skip
    assert world.panels.recorded() == [made]
    panel = world.panels.load(made)
    assert (panel.sha256, panel.panel_id, panel.as_of_date) == (sha256, made.panel_id, DAY)
    assert world.panels.panels_of([DAY]) == (panel,)
    assert world.record(now=EVENING + timedelta(days=30)) == made
    assert world.log.read(EVENT).num_rows == 1


def test_a_panel_is_late_when_its_day_has_ended(world: World) -> None:
    """Outcomes of the day are exported when it ends; the last instant before it is in time."""
    ends = recording_ends(DAY)
    assert ends == datetime(2026, 6, 11, tzinfo=UTC)
    with pytest.raises(GateClosedError, match=r"must be recorded before 2026-06-11T00:00:00\+00:00 .* proves nothing"):
        world.record(now=ends)
    assert world.panels.recorded() == []
    assert world.lake.list("panels") == []
    assert world.record(now=ends - timedelta(microseconds=1)).recorded_at < ends


def test_other_applications_are_no_reason_to_refuse(world: World) -> None:
    morning = datetime(2026, 6, 10, 8, tzinfo=UTC)
    world.apply("u1", "z", morning, morning)
    world.apply("u3", "c", morning, morning)
    world.apply("u1", "b", morning - timedelta(days=1), morning)
    world.apply("u2", "a", morning, EVENING + timedelta(minutes=1))
    world.record()


def test_a_known_outcome_of_a_ranked_pair_is_a_reason_to_refuse(world: World) -> None:
    """Known at the very instant is known."""
    world.apply("u1", "a", datetime(2026, 6, 10, tzinfo=UTC), EVENING)
    with pytest.raises(GateClosedError, match=r"user u1 applied to job a of this panel, known since .* of this user"):
        world.record()
    assert world.panels.recorded() == []
    assert world.lake.list("panels") == []
    world.record(now=EVENING - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (panel_file(("r1", "u1", "abc"), day=date(2026, 6, 9)), r"as_of_date of the file is 2026-06-09, .* 2026-06-10"),
        (panel_file(("r1", "u1", "abz")), r"row 4: job_id z is no candidate of user u1"),
        (panel_file(("r1", "u1", "ab")), r"row 2: recruiter r1 ranks 2 of 3 candidates of user u1, job_id c"),
        (panel_file(("r1", "u7", "ab")), r"row 2: user_id u7 has no candidates on 2026-06-10"),
        (b"", r"row 1: column as_of_date"),
    ],
)
def test_a_wrong_file_leaves_nothing_behind(world: World, data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        world.record(data)
    assert world.panels.recorded() == []
    assert world.lake.list("panels") == []


def test_candidates_are_not_asked_for_a_late_panel(world: World) -> None:
    def never(user_ids: tuple[str, ...]) -> pa.Table:
        pytest.fail("asked")

    with pytest.raises(GateClosedError):
        world.panels.record(GOOD, as_of=DAY, candidates=never, actor="a", now=EVENING + timedelta(hours=2))


def test_of_several_panels_of_a_day_the_newest_counts(world: World) -> None:
    first = world.record()
    second = world.record(panel_file(("r1", "u1", "cba")))
    assert second.recorded_at == first.recorded_at + timedelta(seconds=1)
    assert [one.panel_id for one in world.panels.recorded()] == [first.panel_id, second.panel_id]
    assert [panel.panel_id for panel in world.panels.panels_of([DAY])] == [second.panel_id]
    assert [panel.panel_id for panel in world.panels.panels_of([DAY], EVENING)] == [first.panel_id]
    assert world.panels.panels_of([DAY], EVENING - timedelta(seconds=1)) == ()


def test_days_are_asked_for_one_by_one(world: World) -> None:
    later = DAY + timedelta(days=1)
    world.record()
    world.record(panel_file(("r1", "u2", "ab"), day=later), now=EVENING + timedelta(days=1), as_of=later)
    for asked, found in (([later, DAY], [DAY, later]), ([later], [later]), ([DAY - timedelta(days=7), DAY], [DAY])):
        assert [panel.as_of_date for panel in world.panels.panels_of(asked)] == found
    assert world.panels.panels_of([]) == ()


def test_a_changed_file_is_refused(world: World) -> None:
    made = world.record()
    path = world.folder / made.key
    for changed in (GOOD.replace(b"r2", b"r9"), GOOD + b"\n", b"nothing"):
        path.write_bytes(changed)
        with pytest.raises(IntegrityError, match=rf"panels/{made.sha256}.csv .*changed since.*restore it"):
            world.panels.load(made)
        with pytest.raises(IntegrityError):
            world.panels.panels_of([DAY])
    path.unlink()
    with pytest.raises(IntegrityError, match="is missing; restore it"):
        world.panels.load(made)


def test_a_file_of_another_panel_or_day_is_refused_and_a_late_event_not_believed(world: World) -> None:
    made = world.record()
    other = RecordedPanel(**{**vars(made), "as_of_date": DAY + timedelta(days=1)})
    with pytest.raises(IntegrityError, match="does not match the hash recorded"):
        world.panels.load(other)
    late = {"event_id": "e", "occurred_at": recording_ends(DAY), "observed_at": recording_ends(DAY)}
    late |= {column.name: getattr(made, column.name) for column in EVENT_TYPES[EVENT].columns}
    world.log.append(EVENT, pa.Table.from_pylist([late], schema=EVENT_TYPES[EVENT].schema), writer="intruder")
    with pytest.raises(GateClosedError, match="must be recorded before"):
        world.panels.panels_of([DAY])


def test_a_panel_is_found_by_the_beginning_of_its_hash(world: World) -> None:
    made = world.record()
    for text in (made.sha256, made.panel_id, made.panel_id[:3]):
        assert world.panels.resolve(text) == made
    with pytest.raises(NotFoundError, match="there is no panel zz; `mlife panel list` shows all"):
        world.panels.resolve("zz")
    with pytest.raises(InvalidInputError, match="a panel id is empty"):
        world.panels.resolve("")
    for number in range(16):
        world.record(GOOD + b"\n" * (number + 1))
    shared = next(d for d in "0123456789abcdef" if sum(p.sha256[0] == d for p in world.panels.recorded()) > 1)
    with pytest.raises(InvalidInputError, match=f"{shared} is the beginning of"):
        world.panels.resolve(shared)
