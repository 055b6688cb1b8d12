"""The audit: what heads, ledger, registry and reports say of a log, each finding named, nothing made by asking."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log.layout import content_hash, data_key, manifest_key
from mlife_assets.adapters.log_heads.audit import Audit, audit
from mlife_assets.adapters.log_heads.cross_checks import Records, ingest_findings, registry_findings
from mlife_assets.adapters.log_heads.head import Note, sign_head
from mlife_assets.adapters.log_heads.sealing import KEY_ROTATED, newest_head
from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import IntegrityError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.messaging.events import switch_events

NOW = datetime(2026, 6, 1, 18, tzinfo=UTC)
KEY = b"k" * 32


@pytest.fixture
def ledger(sealed) -> SqlLedger:
    return SqlLedger(f"sqlite:///{sealed.folder}/ledger.sqlite", survives_power_cut=False)


@pytest.fixture
def check(sealed, ledger: SqlLedger) -> Callable[..., Audit]:
    def run(given: SqlLedger | None = ledger) -> Audit:
        records = Records(given, "console", TableStore(sealed.lake), "ingest")
        return audit(sealed.lake, sealed.log, sealed.heads, sealed.pins, records, key_of=lambda _: KEY)

    return run


def kinds(found: Audit) -> list[tuple[str, str]]:
    return [(finding.kind, finding.key) for finding in found.verification.findings]


def test_an_empty_home_holds_nothing_and_lacks_nothing(check) -> None:
    found = check(None)
    assert (kinds(found), found.head, found.is_signed) == ([], None, False)
    assert found.notes == ("Nothing was ever written.",)


def test_a_signed_log_is_intact_and_what_came_later_is_said(sealed, check) -> None:
    sealed.append("a")
    sealed.seal()
    assert (kinds(check()), check().unsigned_manifests, check().is_signed) == ([], 0, True)
    for name in "bc":
        sealed.append(name)
    found = check()
    assert (kinds(found), found.unsigned_manifests) == ([], 2)
    assert found.notes == ("Signed by head 0 of 2026-06-01.", "2 manifests were written since.")


def test_a_log_whose_heads_are_gone_is_found(sealed, check) -> None:
    sealed.append("a")
    assert kinds(check()) == [("missing_head", "heads")]
    sealed.seal()
    for name in ("heads", "second"):
        shutil.rmtree(sealed.folder / name)
    assert kinds(check()) == [("missing_head", "heads")]
    shutil.rmtree(sealed.folder / "lake")
    assert kinds(check()) == [("missing_head", "heads")], "the pinned key says that something was signed"
    assert check().notes == (), "least of all that it is of release 0.1.0 and should be adopted"


def test_pins_that_are_gone_do_not_make_a_log_one_of_release_010(sealed, check) -> None:
    sealed.append("a")
    sealed.seal()
    shutil.rmtree(sealed.folder / "keys")
    assert {kind for kind, _ in kinds(check())} == {"altered_head"}
    assert check().notes == ()


def test_a_lost_head_is_named_and_the_newer_place_wins(sealed, check) -> None:
    for name in "abc":
        sealed.append(name)
        sealed.seal()
    (sealed.folder / "heads" / "00000001.json").unlink()
    (sealed.folder / "second" / "00000002.json").unlink()
    found = check()
    assert kinds(found) == [("missing_head", "heads/1")]
    assert found.head.sequence == 2
    (sealed.folder / "heads" / "00000002.json").write_bytes(b"")
    assert kinds(check()) == [("altered_head", "heads/2"), ("missing_head", "heads/1")]


def test_heads_of_another_history_are_found(sealed, check, tmp_path) -> None:
    for name in "ab":
        sealed.append(name)
        sealed.seal()
    other = type(sealed)(tmp_path / "other")
    for name in "xy":
        other.append(name)
        other.seal()
    body = other.heads[0].get(1)
    (sealed.folder / "second" / "00000001.json").write_bytes(body)
    assert ("altered_head", "heads/1") in kinds(check())
    (sealed.folder / "heads" / "00000001.json").write_bytes(body)
    assert ("altered_head", "heads/1") in kinds(check())
    assert ("altered_manifest", manifest_key(1)) in kinds(check())


def test_after_a_rotation_the_old_key_signs_nothing_more(sealed, check) -> None:
    sealed.append("a")
    sealed.seal()
    sealed.seal(note=Note(KEY_ROTATED, "anna", "yearly"), next_key=Ed25519Signer(b"\x01" * 32).public_key)
    sealed.append("b")
    sealed.seal()
    assert kinds(check()) == []
    sealed.append("c")
    before = newest_head(sealed.heads, sealed.pins)
    forged = sign_head(replace(before.head, sequence=3, previous=before.sha256), Ed25519Signer(b"\0" * 32))
    for store in sealed.heads:
        store.put(3, forged.body, at=NOW)
    with pytest.raises(IntegrityError, match="second/3 is not signed"):
        sealed.seal()
    assert kinds(check()) == [("altered_head", "heads/3"), ("altered_head", "second/3")]


def test_an_older_or_lost_ledger_is_found(sealed, ledger: SqlLedger, check) -> None:
    ledger.pause(actor="a", reason="r", now=NOW)
    rows = switch_events(ledger.switches())["sending_paused"]
    sealed.log.append("sending_paused", rows, writer="ledger")
    sealed.ledger = ledger.positions()
    sealed.seal()
    assert sealed.ledger == {"inbound": 0, "switches": 1, "transitions": 0}
    assert kinds(check()) == []
    assert set(kinds(check(None))) == {("ledger_mismatch", "ledger"), ("ledger_mismatch", "ledger/switches")}
    ledger.resume(actor="a", reason="r", now=NOW)
    (finding,) = check().verification.findings
    assert finding.detail.startswith("recorded 1 sending_resumed that the log lacks; run the day again")


def test_models_and_champions_are_compared_with_the_log(sealed, check) -> None:
    sealed.append("a")

    def registered(version: str) -> None:
        row = {
            "event_id": version, "occurred_at": NOW, "observed_at": NOW, "model_version": version,
            "as_of_date": date(2026, 6, 1), "training_start_date": date(2026, 5, 1),
            "training_end_date": date(2026, 5, 2), "training_data_hash": "h", "examples": 2, "positives": 1,
            "model_name": "m",
        }  # fmt: skip
        table = pa.Table.from_pylist([row], schema=EVENT_TYPES["model_registered"].schema)
        sealed.log.append("model_registered", table, writer="registry")

    sealed.lake.put_if_absent("models/v1/manifest.json", b"{}")
    sealed.lake.put_if_absent("models/v2/manifest.json", b"{}")
    registered("v1")
    registered("v3")
    row = {"event_id": "p", "occurred_at": NOW, "observed_at": NOW, "actor": "a", "reason": "r"}
    row |= {"model_version": "v1", "previous_version": "v0", "model_name": "m"}
    table = pa.Table.from_pylist([row], schema=EVENT_TYPES["model_promoted"].schema)
    sealed.log.append("model_promoted", table, writer="registry")
    sealed.seal()
    assert kinds(check()) == [("registry_mismatch", f"models/v{number}") for number in (1, 2, 3)]


def test_landed_rows_are_compared_with_what_ingests_accepted(sealed) -> None:
    tables = TableStore(sealed.lake)
    for day, accepted in ((1, 2), (2, 3)):
        report = {"types": [{"event_type": "click", "accepted": accepted}]}
        tables.write_report("ingest", date(2026, 6, day), report)
    (finding,) = ingest_findings([], tables, "ingest")
    assert (finding.kind, finding.key) == ("ingest_mismatch", "events/event_type=click")
    assert finding.detail.startswith("ingests accepted 5 rows, manifests list 0")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"types": [{}]}', b'{"types": [{"event_type": "click"}]}'])
def test_a_report_that_is_none_is_a_finding_and_hides_nothing(sealed, body) -> None:
    tables = TableStore(sealed.lake)
    tables.write_report("ingest", date(2026, 6, 1), {"types": [{"event_type": "click", "accepted": 2}]})
    key = tables.write_report("ingest", date(2026, 6, 2), {"types": []})
    sealed.lake.replace(key, body)
    found = [finding.key for finding in ingest_findings([], tables, "ingest")]
    assert found == ["reports/ingest/as_of_date=2026-06-02", "events/event_type=click"]


def test_planted_garbage_under_an_honest_name_does_not_blind_the_audit(sealed, check) -> None:
    sealed.append("a")
    sealed.seal()
    key = data_key("model_promoted", "dt=2026-06-01/hour=01", "registry", "000001", content_hash(b"PAR1 and more"))
    sealed.lake.put_if_absent(key, b"PAR1 and more")
    sealed.lake.put_if_absent("reports/ingest/as_of_date=never/report.json", b"{}")
    found = check()
    assert kinds(found) == [("unlisted_file", key)]
    assert "is in no partition of a day" in " ".join(found.notes)


def test_a_check_that_cannot_be_made_is_said(sealed, check) -> None:
    sealed.append("a")
    row = {"event_id": "p", "occurred_at": NOW, "observed_at": NOW, "actor": "a", "reason": "r"}
    row |= {"model_version": "v1", "previous_version": None, "model_name": "m"}
    table = pa.Table.from_pylist([row], schema=EVENT_TYPES["model_promoted"].schema)
    sealed.log.append("model_promoted", table, writer="registry")
    sealed.seal()
    key = sealed.lake.list("events/event_type=model_promoted")[0]
    sealed.lake.replace(key, b"")
    found = check()
    assert kinds(found) == [("altered_file", key)]
    assert found.notes[0].startswith(f"Not everything could be compared: {key} does not match")


def test_a_gap_between_champions_is_found_in_each_model(sealed) -> None:
    for name, version, previous in (("a", "v1", None), ("b", "v2", "v0")):
        row = {"event_id": version, "occurred_at": NOW, "observed_at": NOW, "actor": "a", "reason": "r"}
        row |= {"model_version": version, "previous_version": previous, "model_name": name}
        table = pa.Table.from_pylist([row], schema=EVENT_TYPES["model_promoted"].schema)
        sealed.log.append("model_promoted", table, writer="registry")
    details = [finding.detail for finding in registry_findings(sealed.lake, sealed.log)]
    assert sum("followed v0 by its own event, None by the log" in detail for detail in details) == 1
    assert sum("was champion and is gone" in detail for detail in details) == 2


def test_what_a_process_read_before_is_judged_as_it_lies_there_now(sealed) -> None:
    log = sealed.log
    for number, (version, previous) in enumerate((("v1", None), ("v2", "v1"))):
        row = {"event_id": version, "occurred_at": NOW, "observed_at": NOW + timedelta(hours=number), "actor": "a"}
        row |= {"reason": "r", "model_version": version, "previous_version": previous, "model_name": "m"}
        table = pa.Table.from_pylist([row], schema=EVENT_TYPES["model_promoted"].schema)
        log.append("model_promoted", table, writer="registry")

    def gaps() -> list[str]:
        return [one.detail for one in registry_findings(sealed.lake, log) if "followed" in one.detail]

    assert gaps() == []
    (sealed.folder / "lake" / log.files("model_promoted")[0].key).unlink()
    assert gaps() == ["followed v1 by its own event, None by the log; restore the log"]
