"""`mlife landing`: templates that pass the check, and a check that says what the ingest then does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlife_assets.adapters import cage
from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.event_log import verify
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT, BoardDays
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

DAY, NEXT = date(2026, 6, 1), date(2026, 6, 2)
NOON, LONG_AGO = datetime(2026, 6, 1, 12, tzinfo=UTC), datetime(2026, 5, 10, 12, tzinfo=UTC)
CLICK = EVENT_TYPES["click"].schema
CAGE = DecodingCage(LandingPolicy())
EVE, REFUSED_ON, LATER = (date(2026, 6, number) for number in (1, 2, 5))
SOON = day_start(REFUSED_ON) + timedelta(hours=1)


class SharedCage:
    """One worker for all checks of this module."""

    def __init__(self, policy: LandingPolicy) -> None:
        assert policy == LandingPolicy()
        self.decode, self.cpu_seconds = CAGE.decode, 0.0

    def close(self) -> None:
        """Leave the worker to the next check."""


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cage, "DecodingCage", SharedCage)


def clicks(*ids: str, **changes: Any) -> pa.Table:
    """Return a click per id; `changes` replace columns, a function is called with the place of the row."""
    row = {
        "occurred_at": NOON - timedelta(hours=1), "observed_at": NOON, "user_id": "u", "job_id": "j",
        "source": "organic", "exposure_id": "x",
    }  # fmt: skip
    rows = [{"event_id": one, **row, **{k: v for k, v in changes.items() if k in row}} for one in ids]
    table = pa.Table.from_pylist(rows, schema=CLICK)
    for name, values in changes.items():
        if name not in row:
            table = table.append_column(name, pa.array([values] * len(ids)))
    return table


def with_column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), pa.field(name, values.type), values)


def impressions(*ids: str, **changes: Any) -> pa.Table:
    columns = {"surface": "feed", "position": 3}
    row = {"occurred_at": NOON, "observed_at": NOON, "user_id": "u", "job_id": "j", **columns, **changes}
    schema = EVENT_TYPES["impression"].schema
    return pa.Table.from_pylist([{"event_id": one, **row} for one in ids], schema=schema)


def job(pay: float) -> pa.Table:
    table = example_rows(EVENT_TYPES["job_posted"], DAY)
    return with_column(table, "pay_usd_per_hour", pa.array([pay] * table.num_rows))


def naive_times() -> pa.Table:
    return with_column(clicks("n1", "n2"), "occurred_at", pa.array([0, 1], pa.timestamp("us")))


def truncated() -> bytes:
    return encode_table(clicks("t1", "t2"))[:-20]


def text(columns: dict[str, list[Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


FILES: dict[str, tuple[str, Callable[[], pa.Table | bytes]]] = {
    "good": ("click", lambda: clicks("a", "b")),
    "good of another type": ("impression", lambda: impressions("a", "i")),
    "late": ("click", lambda: clicks("b", "late", observed_at=LONG_AGO, occurred_at=LONG_AGO)),
    "duplicates": ("click", lambda: clicks("c", "c", "a")),
    "of the future": ("click", lambda: clicks("f", observed_at=NOON + timedelta(days=1))),
    "known before it happens": ("click", lambda: clicks("k", occurred_at=NOON + timedelta(minutes=1))),
    "damaged": ("click", truncated),
    "no Parquet": ("click", lambda: b"event_id,occurred_at\n"),
    "empty": ("click", lambda: b""),
    "no rows": ("click", lambda: clicks()),
    "wrong type": ("impression", lambda: with_column(impressions("w", "v"), "position", pa.array(["1", "first"]))),
    "unknown column": ("click", lambda: clicks("e1", "e2", phone="+15550100", password="x")),
    "a column is missing": ("click", lambda: clicks("m1", "m2").drop_columns(["job_id"])),
    "NaN": ("job_posted", lambda: job(float("nan"))),
    "in cents": ("job_posted", lambda: job(123_456.0)),
    "naive times": ("click", naive_times),
    "huge text": ("click", lambda: clicks("h", user_id="u" * 500_000)),
    "control characters": ("click", lambda: clicks("l", user_id="a\x00b")),
    "unknown word": ("click", lambda: with_column(clicks("p", "q"), "source", pa.array(["organic", "pigeon"]))),
    "only text": ("click", lambda: text({name: ["2026-06-01T10:00:00Z", "z"] for name in CLICK.names})),
    "of an older version": ("consent", lambda: pa.Table.from_pylist([{
        "event_id": "o", "occurred_at": NOON, "observed_at": NOON, "user_id": "u", "channel": "sms", "is_granted": True,
        "source": "signup"}], schema=EVENT_TYPES["consent"].schema)),
    "of no type": ("clicks", lambda: clicks("s")),
}  # fmt: skip
NAMES = ("a.parquet", "b", "données (1).parquet", "_hidden.parquet", ".part", "a.parquet#3", "two\nlines.parquet",
         "n" * 150, "n" * 230, "\x1b[2J.parquet")  # fmt: skip
LINK, FOLDER = "link", "folder"


def lay(root: Path, what: str, name: str, day: date) -> Path:
    """Lay a file where landing wants it, or a link or a folder of its name."""
    event_type, make = FILES.get(what, ("click", lambda: clicks("x")))
    path = root / event_type / f"dt={day}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made = make()
    data = made if isinstance(made, bytes) else encode_table(made)
    if what == LINK:
        (root.parent / "elsewhere").write_bytes(data)
        path.symlink_to(root.parent / "elsewhere")
    elif what == FOLDER:
        path.mkdir()
        (path / "inside.parquet").write_bytes(data)
    else:
        path.write_bytes(data)
    return path


def test_templates_are_written_for_every_landed_type_and_pass_the_check(run, run_json, tmp_path):
    result = run("landing", "template", tmp_path / "contract")
    assert result.exit_code == 0
    for name in MARKET_EVENT_TYPES:
        for suffix in ("schema.json", "template.parquet", "example.jsonl"):
            assert (tmp_path / "contract" / f"{name}.{suffix}").is_file()
            assert f"{name}.{suffix}" in result.stdout
        empty = pq.read_table(tmp_path / "contract" / f"{name}.template.parquet")
        assert empty.schema.equals(EVENT_TYPES[name].landed.schema)
        assert empty.num_rows == 0
    examples = sorted((tmp_path / "contract" / "example").rglob("*.parquet"))
    assert len(examples) == len(MARKET_EVENT_TYPES)
    document = run_json("landing", "check", *examples)
    assert (document["accepted"], document["rejected"]) == (3 * len(examples), 0)
    assert all(one["extra_columns"] == [] for one in document["files"])


def test_an_empty_template_is_a_file_without_rows(run_json, tmp_path):
    run_json("landing", "template", tmp_path, "--format", "parquet")
    for name in MARKET_EVENT_TYPES:
        path = tmp_path / f"{name}.template.parquet"
        document = run_json("landing", "check", path, "--type", name, "--day", "2026-06-01")
        assert (document["is_accepted"], document["accepted"]) == (True, 0)


def test_what_is_asked_for_is_written_and_nothing_else(run_json, tmp_path):
    document = run_json(
        "landing", "template", tmp_path / "c", "--type", "click", "--type", "hire", "--format", "schema"
    )
    assert [(one["event_type"], one["format"]) for one in document["files"]] == [
        ("click", "schema"),
        ("hire", "schema"),
    ]
    found = sorted(path.name for path in (tmp_path / "c").rglob("*"))
    assert found == ["click.schema.json", "hire.schema.json"]
    assert "Parquet" in document["naming"]
    assert "<event type>/dt=YYYY-MM-DD of landing" in document["placing"]


@pytest.mark.parametrize("taken", ["hire.example.jsonl", "example/click/dt=2026-04-03/example.parquet"])
def test_a_file_that_is_there_is_kept_and_nothing_is_written(refusal_of, tmp_path, taken):
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("hours of work")
    assert f"{taken} exists and is not overwritten" in refusal_of("landing", "template", tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["hours of work"]


def test_a_link_to_nowhere_is_a_file_that_is_there(run, tmp_path):
    (tmp_path / "hire.schema.json").symlink_to(tmp_path / "nowhere")
    result = run("landing", "template", tmp_path, "--type", "click", "--type", "hire")
    assert (result.exit_code, result.stdout) == (1, "")
    assert [path.name for path in tmp_path.iterdir()] == ["hire.schema.json"]


@pytest.mark.parametrize(
    "words",
    [
        ("template",), ("template", "x", "--type", "prediction"), ("template", "x", "--format", "csv"), ("check",),
        ("check", "nothing.parquet"), ("check", "here.parquet"), ("check", "here.parquet", "--type", "click"),
        ("check", "here.parquet", "--type", "click", "--day", "today"),
        ("check", "here.parquet", "--type", "clicks", "--day", "2026-06-01"),
        ("check", "here.parquet", "a/here.parquet", "--type", "click", "--day", "2026-06-01"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_exit_code_2_and_writes_nothing(run, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("here.parquet", "a/here.parquet"):
        (tmp_path / name).write_bytes(encode_table(clicks("a")))
    result = run("landing", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "here.parquet", "here.parquet"]


def test_a_check_says_row_column_reason_and_remedy(run, tmp_path):
    path = lay(tmp_path, "unknown word", "a.parquet", DAY)
    bad = lay(tmp_path, "unknown column", "b.parquet", DAY)
    result = run("landing", "check", path, bad, lay(tmp_path, LINK, "l.parquet", DAY))
    assert result.exit_code == 1
    size = path.stat().st_size
    assert result.stdout.splitlines()[:3] == [
        f"{path}: click of {DAY}, {size:,} bytes, 1 row accepted, 1 rejected",
        "  row 1, source: unknown_enum: source must be one of organic, message",
        f"{bad}: click of {DAY}, {bad.stat().st_size:,} bytes, 2 rows accepted, 0 rejected",
    ]
    assert "  dropped, as the contract has no such column: phone, password" in result.stdout
    assert "not_a_file: it is a link, which is never followed; deliver the file itself" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "3 files: 3 rows would be accepted, 1 rejected; 1 file would not be taken. Rows count from 0."
    )
    assert "+15550100" not in result.output


@pytest.mark.parametrize(("option", "listed"), [((), 10), (("--rows", "3"), 3), (("--rows", "0"), 0)])
def test_only_the_first_rejections_are_listed_and_the_others_counted(run, run_json, tmp_path, option, listed):
    path = tmp_path / "many.parquet"
    path.write_bytes(encode_table(clicks(*(["same"] * 40))))
    words = ("landing", "check", path, "--type", "click", "--day", str(DAY), *option)
    assert f"  and {39 - listed} more; --rows lists them" in run(*words).stdout
    (found,) = run_json(*words, code=1)["files"]
    assert [entry["row"] for entry in found["rejections"]] == list(range(1, listed + 1))
    assert (found["accepted"], found["rejected"], found["more"]) == (1, 39, 39 - listed)
    assert found["rejected_by_reason"] == {"duplicate_event_id": 39}


def test_options_come_before_the_folders_that_a_file_lies_in(run_json, tmp_path):
    path = lay(tmp_path, "good", "a.parquet", DAY)
    (found,) = run_json("landing", "check", path, "--day", "2026-05-30", code=1)["files"]
    assert (found["source"], found["rejected_by_reason"]) == ("click/dt=2026-05-30/a.parquet", {"from_future": 2})
    (found,) = run_json("landing", "check", path, "--type", "impression", code=1)["files"]
    assert found["rejected_by_reason"] == {"missing_column": 2}


def test_a_relative_name_and_one_file_named_twice(run_json, tmp_path, monkeypatch):
    path = lay(tmp_path, "good", "a.parquet", DAY)
    monkeypatch.chdir(path.parent)
    document = run_json("landing", "check", "a.parquet", path)
    assert (len(document["files"]), document["accepted"]) == (1, 2)


def test_a_name_and_a_size_that_are_not_taken_are_said(run_json, tmp_path):
    named = lay(tmp_path, "good", "_a.parquet", DAY)
    with lay(tmp_path, "good", "huge.parquet", DAY).open("wb") as file:
        file.truncate(2**40)
    unsafe = lay(tmp_path, "good", "two\nlines.parquet", DAY)
    document = run_json("landing", "check", named, unsafe, named.with_name("huge.parquet"), code=1)
    said = {one["source"].rpartition("/")[2]: one for one in document["files"]}
    assert {name: (one["is_name_taken"], one["is_size_taken"]) for name, one in said.items()} == {
        "_a.parquet": (False, True),
        "two\\nlines.parquet": (False, True),
        "huge.parquet": (True, False),
    }
    assert {name: one["refusal"]["reason"] for name, one in said.items()} == {
        "_a.parquet": "ignored", "two\\nlines.parquet": "unsafe_name", "huge.parquet": "too_large",
    }  # fmt: skip
    assert not document["is_accepted"]


def test_a_check_writes_nothing_and_needs_no_home(run, tmp_path, monkeypatch):
    path = lay(tmp_path / "outbox", "duplicates", "a.parquet", DAY)
    before = {found: found.lstat().st_mtime_ns for found in tmp_path.rglob("*")}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    assert run("landing", "check", path).exit_code == 1
    assert {found: found.lstat().st_mtime_ns for found in tmp_path.rglob("*")} == before


def test_folders_that_are_links_or_hidden_are_refused_as_in_landing(run_json, tmp_path):
    path = lay(tmp_path / "landing", "good", "a.parquet", DAY)
    root = path.parent.parent.parent
    (root / "click" / f"dt={NEXT}").symlink_to(path.parent)
    (root / "apply").symlink_to(root / "click")
    shutil.copytree(root / "click" / f"dt={DAY}", root / "_click" / f"dt={DAY}")
    linked = [root / "click" / f"dt={NEXT}" / "a.parquet", root / "apply" / f"dt={DAY}" / "a.parquet"]
    document = run_json("landing", "check", *linked, root / "_click" / f"dt={DAY}" / "a.parquet", code=1)
    assert {one["source"]: one["refusal"]["reason"] for one in document["files"]} == {
        f"click/dt={NEXT}/a.parquet": "not_a_file",
        f"apply/dt={DAY}/a.parquet": "ignored",
        f"_click/dt={DAY}/a.parquet": "ignored",
    }


PLACES = st.tuples(st.sampled_from([*FILES, LINK, FOLDER]), st.sampled_from(NAMES), st.sampled_from([DAY, NEXT]))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(places=st.lists(PLACES, min_size=1, max_size=7, unique_by=lambda place: place[1:]))
def test_what_a_check_says_is_what_the_ingest_then_does(run, tmp_path, places):
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        _compare(run, Path(folder), places)


def test_a_check_of_all_kinds_of_files_at_once_is_the_ingest(run, tmp_path):
    places = [(what, f"{number:02}.parquet", day) for day in (DAY, NEXT) for number, what in enumerate(FILES)]
    names = [("good", name, DAY) for name in NAMES[1:]]
    said = _compare(run, tmp_path, [*places, *names, (LINK, "link", DAY), (FOLDER, "folder", NEXT)])
    reasons = {reason for one in said for reason in [*one["rejected_by_reason"], (one["refusal"] or {}).get("reason")]}
    assert len(reasons - {None}) >= 14


def _compare(run: Callable[..., Any], folder: Path, places: list[tuple[str, str, date]]) -> list[dict[str, Any]]:
    """Check files, ingest them day by day, hold one against the other file by file; return what the check said."""
    platform = board_ports(Settings(home=folder / "home"), policies=Policies())
    vars(platform.home.intake)["cage"] = CAGE
    root = platform.settings.places.landing_folder
    paths = [lay(root, *place) for place in places]
    result = run("landing", "check", *paths, "--rows", "1000", "--json")
    said = orjson.loads(result.stdout)["files"]
    assert len(said) == len(paths)
    accepted: dict[str, int] = {}
    examples: set[tuple[Any, ...]] = set()
    ignored: dict[str, str] = {}
    stored: list[dict[str, Any]] = []
    for day in (DAY, NEXT):
        ingest = platform.home.intake.ingest_at(add_days(day, 1))
        report = ingest.ingest(day)
        for entry in report.types:
            accepted[entry.event_type] = accepted.get(entry.event_type, 0) + entry.accepted
            examples |= {(e.source, e.row, e.reason, e.field, e.detail) for e in entry.examples}
            rows = ingest.rejected.rows(day, entry.event_type)
            stored += rows.drop_columns(["raw"]).to_pylist()
        ignored |= {entry.source: entry.why for entry in report.ignored}
    expected = {
        (row["source"], row["row"], row["event_id"], row["reason"], row["field"], row["detail"]) for row in stored
    }
    found: set[tuple[Any, ...]] = set()
    for one in said:
        for entry in one["rejections"]:
            found.add((one["source"], *(entry[name] for name in ("row", "event_id", "reason", "field", "detail"))))
        refusal = one["refusal"]
        if refusal is not None and refusal["reason"] == "ignored":
            inside = [why for source, why in ignored.items() if f"{source}/".startswith(f"{one['source']}/")]
            assert refusal["detail"] in inside
        elif refusal is not None:
            found.add((one["source"], -1, None, refusal["reason"], None, refusal["detail"]))
    assert found == expected
    assert {entry[:2] for entry in examples} <= {entry[:2] for entry in found}
    by_type: dict[str, int] = {}
    for one in said:
        by_type[one["event_type"]] = by_type.get(one["event_type"], 0) + one["accepted"]
    assert {name: rows for name, rows in by_type.items() if rows} == {n: rows for n, rows in accepted.items() if rows}
    in_log = {name: platform.event_log.read(name).num_rows for name in EVENT_TYPES if accepted.get(name)}
    assert all(0 < rows <= accepted[name] for name, rows in in_log.items()), "the same bytes twice are one batch"
    assert result.exit_code == (0 if all(one["is_accepted"] for one in said) else 1)
    assert all(one["is_accepted"] == (not one["rejected"] and one["refusal"] is None) for one in said)
    platform.ledger.close()
    return list(said)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home that refused a click of tomorrow and a free job, and has lived some days since."""
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    platform = board_ports(Settings(), policies=Policies())
    clicks = _with(example_rows(EVENT_TYPES["click"], EVE), "observed_at", [None, SOON, None])
    jobs = _with(example_rows(EVENT_TYPES["job_posted"], EVE), "pay_usd_per_hour", [-1.0, None, None])
    for name, table in (("click", clicks), ("job_posted", jobs), ("clicks", clicks)):
        platform.home.intake.folder.put_if_absent(f"{name}/dt={EVE}/a.parquet", encode_table(table))
    report = platform.home.intake.ingest_at(REFUSED_ON).ingest(EVE)
    assert report.rejected_by_reason == {"from_future": 1, "out_of_range": 1, "unknown_event_type": 1}
    for day in (REFUSED_ON, LATER):
        platform.tables.write_report(INGEST_REPORT, day, {"day": EVE, "types": []})
    seal(platform.home)
    platform.ledger.close()
    return tmp_path / "home"


def _with(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    """Replace the values of a column that are not None."""
    place, field = table.column_names.index(name), table.schema.field(name)
    kept = [old if new is None else new for old, new in zip(table[name].to_pylist(), values, strict=True)]
    return table.set_column(place, field, pa.array(kept, field.type))


def _clicks(home: Path) -> list[Any]:
    platform = board_ports(Settings(), policies=Policies())
    found = platform.event_log.read("click").sort_by("observed_at")["observed_at"].to_pylist()
    platform.ledger.close()
    return found


def test_rows_are_judged_first_and_taken_when_asked_for(run, run_json, home) -> None:
    before = {path: path.read_bytes() for path in (home / "lake").rglob("*") if path.is_file()}
    result = run("landing", "replay")
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in (home / "lake").rglob("*") if path.is_file()} == before
    lines = result.stdout.splitlines()
    assert lines[0] == "click of 2026-06-01: 1 row good now, 0 in the log already, 0 still refused"
    assert lines[1] == "job_posted of 2026-06-01: 0 rows good now, 0 in the log already, 1 still refused"
    assert lines[2].startswith("  job_posted/dt=2026-06-01/a.parquet, row 0, pay_usd_per_hour: out_of_range: ")
    assert lines[3] == "unknown_clicks of 2026-06-01: 0 rows good now, 0 in the log already, 1 still refused"
    assert ", the whole file: unknown_event_type: exporters deliver " in lines[4]
    assert lines[5:] == ["1 row would be taken; --apply takes them."]

    assert "1 row was taken." in run("landing", "replay", "--apply").stdout
    assert _clicks(home)[-1] == run_time(LATER)
    assert len(_clicks(home)) == 3
    platform = board_ports(Settings(), policies=Policies())
    assert verify(platform.lake).is_intact
    platform.ledger.close()

    again = run_json("landing", "replay", "--apply")
    assert (again["is_applied"], again["appended"]) == (True, 0)
    assert again["replayed"][0]["report"]["accepted"] == 1
    assert len(_clicks(home)) == 3


def test_what_late_rows_changed_is_reported_once_they_are_taken(run, run_json, home, monkeypatch) -> None:
    """Of the clicks one comes too late, one is of nothing that was shown, and one of what was clicked in time."""
    platform = board_ports(Settings(), policies=Policies())
    old = day_start(REFUSED_ON) - timedelta(days=6)
    shown = {"user_id": "u", "job_id": "j", "surface": "feed", "position": 1, "occurred_at": old, "observed_at": old}
    for event_id, at in (("message-2", day_start(EVE)), ("old", old)):
        rows = pa.Table.from_pylist([{**shown, "event_id": event_id, "occurred_at": at, "observed_at": at}])
        platform.event_log.append("impression", rows, writer="landing")
    clicks = _with(example_rows(EVENT_TYPES["click"], EVE), "observed_at", [SOON, SOON, SOON])
    clicks = _with(clicks, "event_id", ["a", "b", "c"])
    clicks = _with(_with(clicks, "exposure_id", ["old", "none", "impression-1"]), "occurred_at", [old, None, None])
    tables = {
        "click": clicks,
        "impression": _with(example_rows(EVENT_TYPES["impression"], EVE), "observed_at", [SOON, None, None]),
        "hire": _with(example_rows(EVENT_TYPES["hire"], EVE), "observed_at", [SOON, SOON, None]),
    }
    for name, table in tables.items():
        platform.home.intake.folder.put_if_absent(f"{name}/dt={EVE}/b.parquet", encode_table(table))
    with monkeypatch.context() as before_later_days:
        before_later_days.setattr(BoardDays, "newest", lambda _: REFUSED_ON)
        early = platform.home.intake.ingest_at(REFUSED_ON)
    assert early.ingest(EVE).rejected_by_reason["from_future"] == 7
    seal(platform.home)
    platform.ledger.close()

    assert "late" not in run("landing", "replay").stdout
    assert run("landing", "replay", "--apply").stdout.splitlines()[-4:] == [
        "impression: 1 row came late, of 2026-06-01; 1 exposure added (shown 2026-06-01), 0 rows added none",
        "click: 4 rows came late, of 2026-05-27 to 2026-06-01; 1 label moved (shown 2026-06-01), 3 rows moved none "
        "(1 because the label was final)",
        "hire: 2 rows came late, of 2026-06-01; no label is made of them",
        "7 rows were taken.",
    ]
    again = run_json("landing", "replay", "--apply")
    assert (again["appended"], again["late"]) == (0, [])


def test_a_day_and_a_type_can_be_chosen(run_json, refusal_of, home) -> None:
    chosen = run_json("landing", "replay", "--type", "click", "--day", EVE)
    assert [(one["day"], one["report"]["event_type"]) for one in chosen["replayed"]] == [("2026-06-01", "click")]
    assert (chosen["is_applied"], chosen["appended"]) == (False, 1)
    for words, said in (
        (("--day", "2026-06-02"), "nothing was refused on 2026-06-02; without --day and --type everything"),
        (("--type", "apply"), "nothing of apply was refused in this home"),
    ):
        assert said in " ".join(refusal_of("landing", "replay", *words).split())
