"""Benchmarks of speed want one answer of both sides and know what they claim; no test judges by the clock."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SUMMARY = {"seed": 7, "events": 3, "messages": {"delivered": 2}, "seconds": {"days": 1.0}, "cpu_seconds": 100.0}
FILES = ["click/dt=2025-11-04/a.parquet", "job_closed/dt=2025-11-04/a.parquet", "hire/dt=2025-11-04/a.parquet"]
NEXT = [name.replace("11-04", "11-05") for name in FILES]
FOUND: dict[str, Any] = {
    "rows": {
        "delivered": 10, "accepted": 7, "rejected": {"duplicate_event_id": 3}, "too_early": 1,
        "appended_by_replay": 1,
    },
    "texts": {
        "accepted_by_the_provider": 5, "accepted_more_than_once": 0, "before_their_approval": 0,
        "of_days_without_approval": [], "planned_without_approval": {"2025-11-13": 0, "2025-11-18": 5},
    },
    "plans": {"9": {"state": "blocked"}, "10": {"state": "over"}},
    "alerts": ["a run failed"],
    "log_findings": [],
}  # fmt: skip


def test_both_sides_are_asked_after_each_number_of_promotions(champion_lookup_bench: ModuleType) -> None:
    lookups = champion_lookup_bench.measured([3, 1], 2)
    assert [one.promotions for one in lookups] == [1, 3]
    assert all(min(one.fold, one.again, one.watch, one.watch_after_a_promotion) > 0 for one in lookups)


def test_a_wrong_answer_stops_the_benchmark(champion_lookup_bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(champion_lookup_bench.ChampionWatch, "champion", lambda watch: "m_old")
    with pytest.raises(SystemExit, match="is champion, the answer was m_old"):
        champion_lookup_bench.measured([1], 1)


@pytest.mark.parametrize(
    ("again", "looks", "after", "broken"),
    [
        ((1.0, 2.0), (1.0, 2.0), 15.0, []),
        ((1.0, 1.0), (1.0, 2.1), 15.0, ["a look grew 2.10 times, at most 2 claimed"]),
        ((1.0, 2.2), (1.0, 1.0), 15.0, ["a look grew 2.20 times, at most 2 claimed"]),
        ((1.0, 1.0), (1.0, 1.0), 16.0, ["a call after a promotion costs 1.60 folds, at most 1.5 claimed"]),
    ],
)
def test_looks_may_not_grow_and_a_promotion_costs_one_fold(
    champion_lookup_bench: ModuleType,
    again: tuple[float, float],
    looks: tuple[float, float],
    after: float,
    broken: list[str],
) -> None:
    lookups = [
        champion_lookup_bench.Lookup(1, 10.0, again[0], looks[0], 1.0),
        champion_lookup_bench.Lookup(512, 10.0, again[1], looks[1], after),
    ]
    assert champion_lookup_bench.broken_claims(lookups) == broken
    assert champion_lookup_bench.broken_claims(lookups[1:]) == []


def test_the_plain_project_is_as_large_and_knows_nothing_of_mlife(load_time_bench: ModuleType, tmp_path: Path) -> None:
    asked = (*load_time_bench.HEAVY, load_time_bench.OURS)
    plain, one = (
        load_time_bench.load(load_time_bench.write_project(tmp_path, kind), asked) for kind in ("plain", "one")
    )
    assert plain.assets == one.assets == load_time_bench.ASSETS + 2
    assert (plain.heavy, one.heavy) == ((), (load_time_bench.OURS,))
    assert min(plain.cpu_seconds, one.cpu_seconds) > 0.1


@pytest.mark.parametrize(
    ("one", "further", "heavy", "holds"),
    [(1.6, 0.1, (), True), (1.61, 0.1, (), False), (1.6, 0.11, (), False), (1.0, 0.0, ("shap",), False)],
)
def test_the_claims_are_those_of_its_docstring(load_time_bench, one: float, further: float, heavy, holds: bool) -> None:
    assert load_time_bench.Cost({}, 1.0, one, further, heavy).holds is holds
    assert "at most 1.6 times" in load_time_bench.__doc__
    assert "at most a tenth" in load_time_bench.__doc__


@pytest.mark.parametrize("kind", ["integers", "categories", "strings"])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_both_sides_rank_the_same_rows_to_the_same_value(ranking_bench, kind: str, is_shuffled: bool) -> None:
    frame = ranking_bench.with_ids(ranking_bench.make_rows(5_000, is_shuffled), kind)
    found = ranking_bench.mlife_result(frame).mean
    assert ranking_bench.pandas_by_user_and_score(frame) == pytest.approx(found, abs=1e-12)
    assert ranking_bench.pandas_by_score(frame) == pytest.approx(found, abs=1e-12)


def test_a_value_that_differs_stops_the_benchmark(ranking_bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = ranking_bench.make_rows(2_000, True)
    assert np.isfinite(ranking_bench.compare(frame, "rows", 1))
    monkeypatch.setattr(ranking_bench, "pandas_by_score", lambda frame: 0.5)
    with pytest.raises(SystemExit, match=r"pandas by score gives 0\.5"):
        ranking_bench.compare(frame, "rows", 1)


@pytest.mark.parametrize(
    ("kind", "order", "rows", "ratio", "is_broken"),
    [
        ("integers", "grouped", 10_000_000, 19.9, True), ("integers", "grouped", 10_000_000, 20.0, False),
        ("integers", "shuffled", 10_000_000, 5.9, True), ("integers", "shuffled", 10_000_000, 6.0, False),
        ("integers", "grouped", 9_999_999, 1.0, False), ("strings", "grouped", 10_000_000, 1.0, False),
    ],
)  # fmt: skip
def test_a_claim_is_made_for_many_rows_of_integer_ids(
    ranking_bench: ModuleType, kind: str, order: str, rows: int, ratio: float, is_broken: bool
) -> None:
    assert ranking_bench.is_claim_broken(kind, order, rows, ratio) is is_broken


def test_a_process_is_measured_with_its_children(waiting_bench: ModuleType, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(waiting_bench, "WORK", tmp_path)
    spin = "import time\nwhile time.process_time() < .2: pass"
    code = f"import os, subprocess, sys\nassert os.environ['MLIFE_HOME'] == {str(tmp_path)!r}\n"
    cost = waiting_bench.run(tmp_path, tmp_path, code + f"subprocess.run([sys.executable, '-c', {spin!r}], check=True)")
    assert cost["cpu_seconds"] >= 0.2
    assert cost["peak_megabytes"] > 5
    with pytest.raises(SystemExit, match="ended with 4"):
        waiting_bench.run(tmp_path, tmp_path, "raise SystemExit(4)")


def test_memory_is_summed_over_processes_and_a_shared_page_counts_once(waiting_bench, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(waiting_bench, "WORK", tmp_path)
    monkeypatch.setattr(waiting_bench, "SAMPLED_EVERY_SECONDS", 0.05)
    forked = "import os, time; shared = b'1' * 100_000_000; os.fork(); own = b'2' * 50_000_000; time.sleep(1)"
    found = []
    for program in ("import time; time.sleep(0.5)", forked):
        with waiting_bench.memory_of_children() as peaks:
            waiting_bench.run(tmp_path, tmp_path, program)
        found.append((peaks["peak_megabytes"], peaks["resident_megabytes"]))
    shared_once, resident = (after - before for before, after in zip(*found, strict=True))
    assert 170 < shared_once < 240
    assert resident > shared_once + 80


def test_a_missed_goal_is_told_by_the_exit_code(waiting_bench: ModuleType, tmp_path: Path, monkeypatch, capsys) -> None:
    def costs(after: float) -> tuple[dict, dict]:
        before = {"cpu_seconds": 4.0, "wall_seconds": 5.0, "peak_megabytes": 100.0}
        return {"status": {"before": before, "after": before | {"cpu_seconds": after}}}, {"before": "a", "after": "b"}

    path = tmp_path / "record.json"
    monkeypatch.setattr("sys.argv", ["waiting", "--before", "a", "--json", str(path)])
    for after, code in ((1.0, 0), (1.5, 1)):
        monkeypatch.setattr(waiting_bench, "measured_rows", lambda *_, after=after: costs(after))
        assert waiting_bench.main() == code
        path.write_text(path.read_text().replace("status", "kept") if code == 0 else path.read_text())
    rows = json.loads(path.read_text())["rows"]
    assert (rows["kept"]["ratio"], rows["status"]["ratio"]) == (0.25, 0.375)
    assert "goal 1 MISSED" in capsys.readouterr().out


def test_rows_of_a_commit_are_kept_and_those_of_files_that_differ_are_measured_again(
    waiting_bench: ModuleType, tmp_path: Path, monkeypatch
) -> None:
    command = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(command, cwd=waiting_bench.ROOT, capture_output=True, text=True, check=True).stdout.strip()
    home = tmp_path / f"home-{commit}"
    home.mkdir()
    (home / "summary.json").touch()
    (tmp_path / f"checkout-{commit}").mkdir()
    measured: list[Path] = []

    def status(checkout: Path) -> dict[str, float]:
        measured.append(checkout)
        return {"cpu_seconds": len(measured)}

    monkeypatch.setattr(waiting_bench, "WORK", tmp_path)
    monkeypatch.setattr(waiting_bench, "rows", lambda _: {"status": status})
    for present, seconds in ((commit[::-1], 2), (commit[::-1], 2), (f"{commit}-dirty", 3), (f"{commit}-dirty", 4)):
        monkeypatch.setattr(waiting_bench, "checked_out", lambda present=present: present)
        rows, commits = waiting_bench.measured_rows(["status"], "HEAD")
        assert rows["status"] == {"before": {"cpu_seconds": 1}, "after": {"cpu_seconds": seconds}}
        assert commits == {"before": commit, "after": present}


def test_all_but_seconds_is_compared(server_demo_bench: ModuleType) -> None:
    other: dict[str, Any] = {**SUMMARY, "seconds": {}, "cpu_seconds": 150.0}
    assert server_demo_bench.differences(SUMMARY, other) == []
    changed = {**other, "messages": {"delivered": 1}, "more": 0}
    assert server_demo_bench.differences(SUMMARY, changed) == ["messages", "more"]
    assert server_demo_bench.differences(SUMMARY, {name: other[name] for name in ("seed", "messages")}) == ["events"]
    kept = server_demo_bench.record({"embedded": SUMMARY, "server": other}, "abc")
    assert (kept["ratio"], kept["differences"], "cpu_seconds" in kept["summary"]) == (1.5, [], False)


def test_a_difference_is_told_by_the_exit_code(server_demo_bench, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(server_demo_bench, "checked_out", lambda: "abc")
    monkeypatch.setattr(server_demo_bench, "servers", lambda folder: nullcontext({}))
    (tmp_path / "abc").mkdir()
    for name, delivered in (("embedded", 2), ("server", 1)):
        summary = {**SUMMARY, "messages": {"delivered": delivered}}
        (tmp_path / "abc" / f"{name}-21.json").write_text(json.dumps(summary))
    held = tmp_path / "abc" / "server-21-held.json"
    held.write_text(json.dumps({"sends": 1}))
    record = tmp_path / "record.json"
    monkeypatch.setattr("sys.argv", ["server_demo", "--work", str(tmp_path), "--json", str(record)])
    assert server_demo_bench.main() == 1
    assert "differ in messages" in capsys.readouterr().out
    assert json.loads(record.read_text())["differences"] == ["messages"]
    held.write_text(json.dumps({"sends": 0}))
    assert server_demo_bench.main() == 1
    assert "did not use the servers" in capsys.readouterr().out


def test_what_mlife_writes_is_held_by_both_servers(server_demo_bench, tmp_path, monkeypatch) -> None:
    from mlife_assets.components.running.instance import open_instance
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.recruiting.ports import LedgerRow
    from mlife_assets.settings import Settings

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    day, now = date(2026, 6, 1), datetime(2026, 6, 1, 18, tzinfo=UTC)
    with server_demo_bench.servers(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings = Settings(home=tmp_path / "home")
        platform = board_ports(settings)
        platform.ledger.plan([LedgerRow("m", "u", "j", "c", day, "hi", "planned", 0, None, now)], now=now)
        platform.ledger.switches.pause(actor="ann", reason="look closer", now=now)
        platform.home.messengers.outbox.publish()
        with open_instance(settings.home, is_in_database=True):
            pass
        assert server_demo_bench.held(variables) == {"objects of the log": 1, "sends": 1, "runs": 0}
        platform.ledger.close()


def summary(*gates: tuple[str, str]) -> dict[str, Any]:
    told = [{"date": day, "outcome": outcome, "sentences": [f"{outcome} on {day}"]} for day, outcome in gates]
    return {
        "seed": 1,
        "decisions": [{"date": "2026-06-02", "verdict": "wait"}, {"date": "2026-06-12", "verdict": "block"}],
        "promotions": told, "cpu_seconds": 2.4, "map_at_10": {"champion_minus_human": {"lower": 0.1}},
        "duplicate_sends": 0, "numbers_texted_twice": 0, "holdout_sends": 0,
        "applications": {name: {"reached": 3} for name in ("texts", "mails", "calls")},
    }  # fmt: skip


def test_a_promotion_after_the_drift_answers_it_and_no_other_gate(demos_bench: ModuleType) -> None:
    gates = ("2026-06-01", "promoted"), ("2026-06-08", "refused"), ("2026-06-12", "promoted")
    found = demos_bench.answer(summary(*gates))
    assert found["answered"] == {"day": 11, "outcome": "promoted", "said": "promoted on 2026-06-12"}
    assert [one["day"] for one in found["gates"]] == [7, 11]
    # What is promoted on day 4 has seen no click of the drift's first day.
    gates = ("2026-06-01", "promoted"), ("2026-06-05", "promoted"), ("2026-06-08", "refused")
    found = demos_bench.answer(summary(*gates))
    assert found["answered"] is None
    kept = demos_bench.record([found, found], "abc")
    assert (kept["answered"], kept["cpu_seconds"]) == (0, 4)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"map_at_10": None}, ["the champion ranks better than recruiters"]),
        ({"map_at_10": {"champion_minus_human": {"lower": 0.0}}}, ["the champion ranks better than recruiters"]),
        ({"decisions": [{"date": "2026-06-02", "verdict": "wait"}]}, ["a day is blocked"]),
        ({"duplicate_sends": 1}, ["nobody is texted twice for a day"]),
        ({"numbers_texted_twice": 1}, ["nobody is texted twice for a day"]),
        ({"holdout_sends": 1}, ["the holdout gets nothing"]),
        ({"applications": {"texts": {"reached": 3}}}, ["three applications reach somebody"]),
        ({"applications": {name: {"reached": name != "calls"} for name in ("texts", "mails", "calls")}},
         ["three applications reach somebody"]),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(demos_bench: ModuleType, changed: dict[str, Any], broken: list[str]) -> None:
    assert demos_bench.answer(summary() | changed)["broken"] == broken


def test_a_demo_that_was_lived_is_not_lived_again(demos_bench: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "7.json").write_text(json.dumps(summary()))
    assert demos_bench.demo(7, tmp_path) == summary()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Ten people, two days that were lived and one that was not."""
    summary = {"users": 10, "days": 2, "decisions": [{"date": "2026-06-02"}], "messages": {"submitted": 5}}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    for event_type, day, rows in (
        ("click", "2026-06-01", [{"user_id": "a"}] * 9),
        ("click", "2026-06-02", [{"user_id": "a"}] * 4),
        ("click", "2026-06-03", [{"user_id": "a"}] * 6),
        ("impression", "2026-06-02", [{"user_id": "a"}] * 8),
        ("message_planned", "2026-06-03", [{"channel": "sms", "segments": 1}, {"channel": "sms", "segments": 2}]),
        ("message_planned", "2026-06-02", [{"channel": "email", "segments": 9}]),
    ):
        path = tmp_path / "lake" / "events" / f"event_type={event_type}" / f"dt={day}" / "hour=18" / "a.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    for day, size in (("2026-06-01", 99), ("2026-06-02", 40)):
        path = tmp_path / "lake" / "tables" / "scores" / f"as_of_date={day}" / "a.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"0" * size)
    return tmp_path


def test_its_size_is_that_of_the_short_demo(data_of_a_day_bench: ModuleType, repository: Path) -> None:
    recipe = (repository / "Makefile").read_text(encoding="utf-8").partition("\ndemo-quick:")[2].partition("\n\n")[0]
    asked = re.findall(r"(MLIFE_\w+)=('[^']*'|\S+)", recipe)
    short = {name: value for name, value in asked if name != "MLIFE_DEMO_EVENT_DAYS"}
    assert {**short, "MLIFE_DEMO_FAULTS": "false"} == data_of_a_day_bench.SIZE


def test_only_days_that_the_model_ran_count(data_of_a_day_bench: ModuleType, home: Path) -> None:
    found = data_of_a_day_bench.measured(home)
    clicks = found["log_of_person_and_day"]["click"]
    assert (clicks["rows"], clicks["files"]) == (0.5, 1.0)
    impressions = found["log_of_person_and_day"]["impression"]
    assert (impressions["rows"], impressions["files"]) == (0.8, 1.0), "those of the last day land on the day after"
    sizes = [one.stat().st_size for one in (home / "lake" / "events" / "event_type=click").glob("dt=2026-06-0[23]/*/*")]
    assert clicks["bytes"] == round(sum(sizes) / 20, 4)
    assert found["lake_bytes_of_person_and_day"] == 2.0
    assert found["texts_of_person_and_day"] == 0.25
    assert found["segments_of_text"] == 1.5


def test_the_record_names_its_commit(data_of_a_day_bench, home, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(data_of_a_day_bench, "checked_out", lambda: "abc")
    record = tmp_path / "record.json"
    assert data_of_a_day_bench.main(["--home", str(home), "--json", str(record)]) == 0
    found = json.loads(record.read_text())
    assert (found["commit"], found["people"], found["days"]) == ("abc", 10, 2)
    assert "2 of lake a person and day" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("number", "before", "after"),
    [
        (1, FILES, []), (5, [FILES[0], FILES[2]], [FILES[1]]), (7, [*FILES, f"{FILES[0]}>again.parquet"], []),
        (9, [FILES[0], f"{FILES[1]}!", FILES[2]], [f"{FILES[1]}>whole.parquet"]), (12, FILES[:2], [FILES[2]]),
        (20, [*FILES, f"{NEXT[2]}>hire/dt=2025-11-04/early.parquet"], []), (21, FILES[:2], []),
    ],
)  # fmt: skip
def test_files_come_in_time_but_for_some(
    standalone_month_bench: ModuleType, number: int, before: list[str], after: list[str]
) -> None:
    assert standalone_month_bench.delivered_on(FILES, number, NEXT) == (before, after)


def test_what_holds_is_no_finding(standalone_month_bench: ModuleType) -> None:
    assert standalone_month_bench.broken_claims(FOUND, 2) == []


@pytest.mark.parametrize(
    ("part", "changed", "claim"),
    [
        ("rows", {"accepted": 6}, "every row"),
        ("rows", {"appended_by_replay": 0}, "by the replay"),
        ("rows", {"too_early": 2}, "by the replay"),
        ("texts", {"accepted_by_the_provider": 0}, "once"),
        ("texts", {"accepted_more_than_once": 1}, "once"),
        ("texts", {"before_their_approval": 1}, "before its approval"),
        ("texts", {"of_days_without_approval": ["2025-11-04"]}, "without an approval"),
        ("texts", {"planned_without_approval": {"2025-11-13": 0}}, "without an approval"),
        ("plans", {"10": {"state": "approved"}}, "nobody approved"),
        ("plans", {"11": {"state": "approved"}}, "was decided"),
        ("plans", {"9": {"state": "approved"}}, "were blocked"),
    ],
)
def test_each_claim_can_break(standalone_month_bench, part: str, changed: dict[str, Any], claim: str) -> None:
    (broken,) = standalone_month_bench.broken_claims({**FOUND, part: {**FOUND[part], **changed}}, 2)
    assert claim in broken


def test_a_day_whose_export_was_whole_may_not_be_blocked(standalone_month_bench: ModuleType) -> None:
    plans = {**FOUND["plans"], "11": {"state": "blocked"}}
    (broken,) = standalone_month_bench.broken_claims({**FOUND, "plans": plans}, 3)
    assert "were blocked" in broken


@pytest.mark.parametrize(("part", "value"), [("alerts", []), ("log_findings", ["a file is gone"])])
def test_alerts_and_findings_count(standalone_month_bench: ModuleType, part: str, value: list[str]) -> None:
    assert len(standalone_month_bench.broken_claims({**FOUND, part: value}, 2)) == 1
