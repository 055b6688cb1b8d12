"""The net of refactors: what it calls the same, what it names, what it permits."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.event_log.layout import content_hash, manifest_key
from mlife_assets.adapters.event_log.manifests import Link
from mlife_assets.adapters.log_heads.head import Head, sign_head
from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import NotFoundError
from mlife_assets.recruiting.events import EVENT_TYPES
from tools import same_bytes
from tools.homes.differences import compare
from tools.homes.gathering import gather
from tools.homes.reading import NAMES, Change, read_changes

DAY = date(2026, 4, 3)
AT = datetime(2026, 4, 3, 18, tzinfo=UTC)
SENTENCE, BETTER = "No drift that lasts.", "No drift lasts."


@pytest.fixture
def make_home(tiny_models, tmp_path) -> Callable[..., Path]:
    """Return what makes a home with something of each kind in it and gathers what is compared."""

    def make(name: str, *, change: Callable[[Path], None] = lambda _: None, **said: Any) -> Path:
        home = tmp_path / name
        (home / "private" / "heads").mkdir(parents=True)
        _write_lake(home, tiny_models, **{"sentence": SENTENCE, "model": 1, **said})
        _write_databases(home)
        (home / "summary.json").write_text(json.dumps({"users": 3, "seconds": {"total": len(name)}}))
        change(home)
        gather(home, tmp_path / f"{name}-gathered")
        return tmp_path / f"{name}-gathered"

    return make


def _write_lake(home: Path, tiny_models: Any, *, sentence: str, model: int, decision: str = "d" * 24) -> None:
    store = ObstoreObjectStore.local(home / "lake")
    log = ParquetEventLog(store, key=lambda: b"k" * 32)
    for number in range(2):
        row = {
            "event_id": f"{number:024x}", "occurred_at": AT, "observed_at": AT,
            "decision_id": decision if number else "c" * 24, "as_of_date": DAY, "verdict": "wait", "codes": [],
            "sentences": ["Nothing was looked at.", sentence], "model_version": None, "policy_version": "1",
            "model_name": "job_applications",
        }  # fmt: skip
        log.append("retrain_decided", pa.Table.from_pylist([row], EVENT_TYPES["retrain_decided"].schema), writer="w")
    artifact = tiny_models.tiny_artifact(model, trees=2, said=sentence)
    version = ModelRegistry(store, log, "job_applications").register(artifact, as_of=DAY, now=AT)
    store.put_if_absent(
        "reports/retrain/as_of_date=2026-04-03/report.json", json.dumps({"sentence": sentence}).encode()
    )
    store.put_if_absent("dashboard/index.html", f"<p>\n{version}\n</p>\n".encode())
    scores = home / "lake" / "tables" / "scores.parquet"
    scores.parent.mkdir()
    pq.write_table(pa.table({"user_id": ["ann", "bob"], "score": [0.25, 0.5]}), scores)
    keys = [manifest_key(number) for number in range(3)]
    links = tuple(Link(key, content_hash(store.get(key))) for key in keys)
    head = Head(0, DAY, ChainEnd(2, links[-1].sha256), links, {"retrain_decided": 2}, {})
    (home / "private" / "heads" / "0.json").write_bytes(sign_head(head, Ed25519Signer(b"s" * 32)).body)
    with pytest.raises(NotFoundError):
        store.get(manifest_key(3))


def _write_databases(home: Path) -> None:
    with sqlite3.connect(home / "private" / "ledger.sqlite") as ledger:
        ledger.execute("CREATE TABLE sends (message_id TEXT, state TEXT)")
        ledger.executemany("INSERT INTO sends VALUES (?, ?)", [("m2", "accepted"), ("m1", "planned")])
    ledger.close()
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("CREATE TABLE kpi_daily AS SELECT 2 AS day, 0.5 AS rate UNION ALL SELECT 1, 0.25")


def changed_text(pattern: str, old: str, new: str) -> Callable[[Path], None]:
    """Return what changes one text in the one file of a pattern."""

    def change(home: Path) -> None:
        (path,) = home.glob(pattern)
        text = path.read_text()
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new, 1))

    return change


def changed_score(home: Path) -> None:
    path = home / "lake" / "tables" / "scores.parquet"
    pq.write_table(pa.table({"user_id": ["ann", "bob"], "score": [0.25, 0.5000000000000001]}), path)


def recompressed_scores(home: Path) -> None:
    path = home / "lake" / "tables" / "scores.parquet"
    pq.write_table(pq.read_table(path), path, compression="none")


def changed_ledger(home: Path) -> None:
    with sqlite3.connect(home / "private" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE sends SET state = 'ambiguous' WHERE message_id = 'm1'")
    ledger.close()


def changed_mart(home: Path) -> None:
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("UPDATE kpi_daily SET rate = 0.75 WHERE day = 2")


def written_in_another_order(home: Path) -> None:
    (home / "private" / "ledger.sqlite").unlink()
    (home / "warehouse.duckdb").unlink()
    with sqlite3.connect(home / "private" / "ledger.sqlite") as ledger:
        ledger.execute("CREATE TABLE sends (message_id TEXT, state TEXT)")
        ledger.executemany("INSERT INTO sends VALUES (?, ?)", [("m1", "planned"), ("m2", "accepted")])
    ledger.close()
    with duckdb.connect(str(home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("CREATE TABLE kpi_daily AS SELECT 1 AS day, 0.25 AS rate UNION ALL SELECT 2, 0.5")


@pytest.mark.parametrize("change", [lambda _: None, written_in_another_order])
def test_equal_homes_are_equal_whatever_the_time_they_took(make_home, change) -> None:
    found = compare(make_home("old"), make_home("another", change=change))
    assert (found.differences, found.files) == ([], 17)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (changed_score, "lake/tables/scores.parquet, row 1 score: 0.5 became 0.5000000000000001"),
        (recompressed_scores, "lake/tables/scores.parquet: the same records in other bytes"),
        (changed_ledger, "ledger/sends.jsonl, row 0 state: 'planned' became 'ambiguous'"),
        (changed_mart, "warehouse/main.kpi_daily.parquet, row 1 rate: Decimal('0.50') became Decimal('0.75')"),
        (changed_text("summary.json", "3", "4"), "summary.json, document users: 3 became 4"),
        (changed_text("lake/reports/*/*/*", "No", "A"), "document sentence: 'No drift that lasts.' became 'A drift"),
        (changed_text("lake/models/*/*.model.txt", "num_class=1", "num_class=2"), "'num_class=1' became 'num_class=2'"),
        (changed_text("lake/dashboard/*", "</p>", "</b>"), "lake/dashboard/index.html, line 3: '</p>' became '</b>'"),
        (changed_text("private/heads/*", '"sequence":0', '"sequence":1'), "head.sequence: 0 became 1"),
        (changed_text("lake/manifests/*/*/*0.json", '"rows":1', '"rows":2'), "entries[0].rows: 1 became 2"),
        (lambda home: (home / "summary.json").unlink(), "summary.json: only the old side has it"),
    ],
)
def test_one_change_of_each_kind_is_named(make_home, change, named) -> None:
    found = compare(make_home("old"), make_home("new", change=change))
    assert named in str(found.differences[0])
    assert len(found.differences) == 1


def test_a_changed_event_is_named_before_what_follows_from_it(make_home) -> None:
    found = compare(make_home("old"), make_home("new", sentence=BETTER))
    first = str(found.differences[0])
    assert first.startswith("lake/events/event_type=retrain_decided/dt=2026-04-03/hour=18/w-000001-")
    assert f"row 0 sentences[1]: '{SENTENCE}' became '{BETTER}'" in first


def test_a_sentence_that_is_permitted_may_change_the_hashes_that_follow_and_nothing_else(make_home, tmp_path) -> None:
    permitted = [Change(field, "that lasts", "lasts") for field in ("sentences", "sentence", "said")]
    old, new = make_home("old"), make_home("new", sentence=BETTER)
    found = compare(old, new, permitted)
    assert found.differences == []
    assert found.changed >= 2 + 3 + 1, "events, the chain, the head"
    assert found.unused == ()
    for name, other in (("other_id", {"decision": "e" * 24}), ("other_model", {"model": 2})):
        found = compare(old, make_home(name, sentence=BETTER, **other), permitted)
        assert found.differences, other
    moved = [*permitted, Change("sentences", "that lasts", "lasts", ("decision_id",))][1:]
    assert compare(old, tmp_path / "other_id-gathered", moved).differences == []


def test_a_hash_that_is_another_one_without_a_cause_is_named(make_home) -> None:
    found = compare(make_home("old"), make_home("new", decision="e" * 24))
    assert any(f"the hash {'d' * 12} became {'e' * 12}" in str(one) for one in found.differences)


def test_one_hash_never_becomes_two(tmp_path) -> None:
    for side, ids in (("old", ("a" * 24, "a" * 24)), ("new", ("b" * 24, "c" * 24))):
        (tmp_path / side).mkdir()
        rows = [{"said": "old" if side == "old" else "new", "id": one} for one in ids]
        (tmp_path / side / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    permitted = [Change("said", "old", "new", ("id",))]
    found = compare(tmp_path / "old", tmp_path / "new", permitted)
    assert "stands for" in str(found.differences[0])


def test_a_field_a_table_and_a_file_may_be_called_otherwise(tmp_path) -> None:
    for side, name in (("old", "reigns"), ("new", "champion_history")):
        (tmp_path / side / name).mkdir(parents=True)
        pq.write_table(pa.table({name: [1], "day": [DAY]}), tmp_path / side / name / "rows.parquet")
    unknown = Change("sentence", "a", "b")
    permitted = [Change(NAMES, "reigns", "champion_history"), unknown]
    found = compare(tmp_path / "old", tmp_path / "new", permitted)
    assert (found.differences, found.unused) == ([], (unknown,))
    assert compare(tmp_path / "old", tmp_path / "new").differences


def test_permitted_changes_are_read_and_say_why(tmp_path) -> None:
    assert isinstance(read_changes(same_bytes.PERMITTED), tuple)
    (tmp_path / "changes.toml").write_text('[[change]]\nfield = "a"\nold = 1\nnew = 2\n')
    with pytest.raises(ValueError, match="why"):
        read_changes(tmp_path / "changes.toml")


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """Return a checkout of a project whose whole life is to write down its VALUE."""
    root = tmp_path / "checkout"
    (root / "mlife_assets").mkdir(parents=True)
    (root / "mlife_assets" / "__init__.py").write_text("VALUE = 1\n")
    (root / "constraints.txt").touch()
    life = "import sys, pathlib, mlife_assets\nhome = pathlib.Path(sys.argv[2]) / 'home'\n"
    life += "(home / 'lake').mkdir(parents=True)\n"
    life += "(home / 'summary.json').write_text('{\"value\": %d}' % mlife_assets.VALUE)\n"
    (tmp_path / "lives.py").write_text(life)
    (tmp_path / "gathering.py").touch()
    (tmp_path / "changes.toml").touch()
    for words in (["init"], ["add", "--all"], ["-c", "user.name=a", "-c", "user.email=a", "commit", "-m", "a"]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    monkeypatch.setattr(same_bytes, "ROOT", root)
    monkeypatch.setattr(same_bytes, "LIVES", tmp_path / "lives.py")
    monkeypatch.setattr(same_bytes, "PERMITTED", tmp_path / "changes.toml")
    return root


def test_each_side_runs_its_own_code_and_is_lived_once(checkout, tmp_path, monkeypatch, capsys) -> None:
    words = ["same_bytes", "HEAD", "--only", "demo", "--work", str(tmp_path / "work"), "--permitted"]
    monkeypatch.setattr(sys, "argv", [*words, str(tmp_path / "changes.toml")])
    assert same_bytes.main() == 0
    assert "demo: the same, 1 files" in capsys.readouterr().out
    (checkout / "mlife_assets" / "__init__.py").write_text("VALUE = 2\n")
    assert same_bytes.main() == 1
    assert "summary.json, document value: 1 became 2" in capsys.readouterr().out
    (tmp_path / "work" / "code").rename(tmp_path / "gone")
    assert same_bytes.main() == 1
    assert not (tmp_path / "work" / "code").exists(), "both sides were kept"
    assert subprocess.run(["git", "diff", "--cached", "--quiet"], cwd=checkout, check=False).returncode == 0
