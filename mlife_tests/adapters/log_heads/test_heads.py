"""Heads of the log: their form, sealing, and the audit of log, ledger, registry and reports."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partialmethod

import orjson
import pytest

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Link, content_hash, data_key, manifest_key
from mlife_assets.adapters.log_heads.audit import Audit, Records, audit, ingest_findings, registry_findings
from mlife_assets.adapters.log_heads.head import (
    Ed25519Signer,
    FolderHeadStore,
    Head,
    KeyPins,
    Note,
    is_signed,
    key_id,
    read_head,
    sign_head,
)
from mlife_assets.adapters.log_heads.sealing import KEY_ROTATED, newest_head
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import ContentConflictError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.messaging.events import switch_events
from mlife_tests.rows import events

SIGNER, OTHER = Ed25519Signer(b"a" * 32), Ed25519Signer(b"b" * 32)
KEYS = {key_id(SIGNER.public_key): SIGNER.public_key}
HEAD = Head(
    sequence=3, day=date(2026, 6, 10), chain=ChainEnd(41, "c" * 64),
    manifests=(Link("manifests/chain/000000000/000000000041.json", "c" * 64),), rows={"click": 7, "apply": 2},
    ledger={"transitions": 5, "inbound": 0, "switches": 1}, previous="d" * 64, history="adopted",
    note=Note("adopted", "anna", "checked"), next_key="e" * 64,
)  # fmt: skip
ROTATED = Note(KEY_ROTATED, "anna", "yearly")
NOW = datetime(2026, 6, 1, 18, tzinfo=UTC)
KEY = b"k" * 32


@pytest.mark.parametrize("head", [HEAD, replace(HEAD, previous=None, note=None, next_key=None, manifests=())])
def test_a_head_is_read_as_it_was_signed(head: Head) -> None:
    signed = sign_head(head, SIGNER)
    assert read_head(3, signed.body, KEYS, "here") == signed
    assert signed.head == head
    assert signed.sha256 == content_hash(signed.body)
    assert sign_head(head, Ed25519Signer(b"a" * 32)).body == signed.body, "same head, same key, same bytes"


@pytest.mark.parametrize("field", ["sequence", "day", "chain", "manifests", "rows", "ledger", "previous", "history"])
def test_no_field_can_be_changed_under_the_signature(field: str) -> None:
    body = orjson.loads(sign_head(HEAD, SIGNER).body)
    others = sign_head(
        Head(
            sequence=4, day=date(2026, 6, 11), chain=ChainEnd(42, "f" * 64), manifests=(), rows={"click": 8},
            ledger={"transitions": 4}, previous="0" * 64, history="none",
        ),
        SIGNER,
    )  # fmt: skip
    body["head"][field] = orjson.loads(others.body)["head"][field]
    changed = orjson.dumps(body, option=orjson.OPT_SORT_KEYS) + b"\n"
    with pytest.raises(
        IntegrityError, match=r"is not signed by a key that is pinned|is not the head that its place says"
    ):
        read_head(3, changed, KEYS, "here")


def test_a_signature_of_another_key_or_about_something_else_does_not_count() -> None:
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, sign_head(HEAD, OTHER).body, KEYS, "here")
    body = orjson.loads(sign_head(HEAD, OTHER).body)
    posing = orjson.dumps({**body, "key": key_id(SIGNER.public_key)}, option=orjson.OPT_SORT_KEYS) + b"\n"
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, posing, KEYS, "here")
    bare = SIGNER.sign(orjson.dumps(body["head"], option=orjson.OPT_SORT_KEYS)).hex()
    plain = orjson.dumps({**body, "key": key_id(SIGNER.public_key), "signature": bare}, option=orjson.OPT_SORT_KEYS)
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, plain + b"\n", KEYS, "here")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff", b'{"head":{},"key":"","signature":"zz"}'])
def test_what_is_no_head_is_refused(body: bytes) -> None:
    with pytest.raises(IntegrityError, match="here is no head of the event log; restore"):
        read_head(3, body, KEYS, "here")


def test_a_head_in_another_place_or_form_is_refused_and_a_wrong_key_is_no_error() -> None:
    body = sign_head(HEAD, SIGNER).body
    for sequence, changed in ((4, body), (3, body + b"\n"), (3, body.replace(b",", b", "))):
        with pytest.raises(IntegrityError, match="is not the head that its place says"):
            read_head(sequence, changed, KEYS, "here")
    assert is_signed(b"m", SIGNER.sign(b"m"), SIGNER.public_key)
    assert not is_signed(b"n", SIGNER.sign(b"m"), SIGNER.public_key)
    assert not is_signed(b"m", b"short", SIGNER.public_key)
    assert not is_signed(b"m", SIGNER.sign(b"m"), b"short")


class Short(Ed25519Signer):
    """A signer that takes few bytes, as a key service does."""

    message_bytes_maximum = 900

    def sign(self, message: bytes) -> bytes:
        assert len(message) <= 900
        return super().sign(message)


def test_of_a_head_that_is_longer_than_its_signer_takes_the_hash_is_signed() -> None:
    links = tuple(Link(f"manifests/chain/000000000/{number:012d}.json", "c" * 64) for number in range(60))
    long, signer = replace(HEAD, manifests=links), Short(b"a" * 32)
    signed = sign_head(long, signer)
    assert signed.body != sign_head(long, SIGNER).body
    assert read_head(3, signed.body, KEYS, "here") == signed
    assert sign_head(HEAD, signer).body == sign_head(HEAD, SIGNER).body, "a short one is signed itself"
    changed = signed.body.replace(b"000000000007.json", b"000000000077.json")
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, changed, KEYS, "here")


def test_a_head_pins_what_was_written_since_the_one_before(sealed) -> None:
    sealed.append("a", "b")
    sealed.append("c", days=2)
    first = sealed.seal()
    assert (first.sequence, first.previous, first.day) == (0, None, date(2026, 6, 3))
    assert [link.key for link in first.manifests] == [manifest_key(0), manifest_key(1)]
    assert first.manifests[1].sha256 == first.chain.sha256 == content_hash(sealed.lake.get(manifest_key(1)))
    assert first.rows == {"click": 3}
    sealed.append("d", days=1)
    second = sealed.seal()
    assert (second.sequence, second.chain.sequence, second.day) == (1, 2, date(2026, 6, 3))
    assert [link.key for link in second.manifests] == [manifest_key(2)]
    assert second.previous == content_hash(sealed.heads[0].get(0))
    assert second.rows == {"click": 1}


def test_nothing_new_makes_no_head(sealed) -> None:
    assert sealed.seal() is None
    assert sealed.heads[0].sequences() == []
    sealed.append("a")
    assert sealed.seal() is not None
    assert sealed.seal() is None
    with pytest.raises(InvalidInputError, match="nothing to sign"):
        type(sealed)(sealed.folder / "other").seal(note=ROTATED)


def test_a_seal_lists_each_place_once_and_reads_the_newest_head_alone(sealed, monkeypatch) -> None:
    """However many heads there are: what was put is known, and older ones are read to fill a gap only."""
    for name in "abcdef":
        sealed.sign(name)
    (sealed.folder / "second" / "00000002.json").unlink()
    sealed.append("g")
    log, asked = sealed.log, list[tuple[str, ...]]()
    log.chain.end()
    for name in ("sequences", "get"):
        real = getattr(FolderHeadStore, name)
        noted = partialmethod(lambda store, real, *n: (asked.append((store.name, *n)), real(store, *n))[1], real)
        monkeypatch.setattr(FolderHeadStore, name, noted)
    for read in ({2, 5, 6}, {6}):
        asked.clear()
        sealed.sealer.seal(log.chain, now=datetime(2026, 6, 1, tzinfo=UTC), ledger={})
        assert sorted(one for one in asked if len(one) == 1) == [("heads",), ("second",)]
        assert {number for _, *numbers in asked for number in numbers} == read, "the gap, the newest, the new one"
        assert asked.count(("heads", 2)) == (2 in read)
    assert sealed.heads[1].get(2) == sealed.heads[0].get(2)


def test_heads_are_private_and_kept_twice(sealed) -> None:
    sealed.sign("a")
    first, second = sealed.heads
    assert first.get(0) == second.get(0)
    for path in (sealed.folder / "heads" / "00000000.json", sealed.folder / "keys" / "log_heads.pub"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [None, b""])
@pytest.mark.parametrize("place", [0, 1])
def test_a_lost_or_emptied_head_comes_back_from_the_other_place(sealed, place: int, damage: bytes | None) -> None:
    sealed.sign("a")
    path = sealed.folder / ("heads", "second")[place] / "00000000.json"
    whole = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    assert newest_head(sealed.heads, sealed.pins).body == whole
    assert sealed.seal() is None
    assert path.read_bytes() == whole


def test_a_head_that_is_damaged_everywhere_is_named(sealed) -> None:
    sealed.sign("a")
    for name in ("heads", "second"):
        (sealed.folder / name / "00000000.json").write_bytes(b"")
    with pytest.raises(IntegrityError, match="second/0 is no head of the event log; restore it from a copy"):
        sealed.seal()


def test_two_signed_heads_of_one_number_are_refused(sealed, tmp_path) -> None:
    sealed.sign("a")
    other = type(sealed)(tmp_path / "other")
    other.sign("b")
    (sealed.folder / "second" / "00000000.json").write_bytes(other.heads[0].get(0))
    with pytest.raises(IntegrityError, match="second holds another signed head 0"):
        sealed.seal()


def test_what_somebody_else_wrote_is_never_signed(sealed) -> None:
    sealed.append("a")
    keyed = sealed.log
    keyed.chain.since(-1)
    forged = ParquetEventLog(sealed.lake)
    table = forged.read("click")
    forged.append("click", table.set_column(3, "user_id", [["forged"]]), writer="x")
    for log in (sealed.log, keyed):
        with pytest.raises(IntegrityError, match="written without the key of this home"):
            sealed.sealer.seal(log.chain, now=table["observed_at"][0].as_py(), ledger={})
    assert sealed.heads[0].sequences() == []


def test_how_far_the_ledger_came_never_goes_back(sealed) -> None:
    sealed.ledger = {"transitions": 9, "switches": 1}
    sealed.sign("a")
    sealed.ledger = {"transitions": 4, "inbound": 2}
    sealed.append("b")
    assert sealed.seal().ledger == {"transitions": 9, "switches": 1, "inbound": 2}


def test_a_new_key_is_introduced_by_the_old_one(sealed) -> None:
    sealed.sign("a")
    following = Ed25519Signer(b"\x01" * 32).public_key
    assert sealed.seal(note=ROTATED, next_key=following).next_key == following.hex()
    sealed.sign("b")
    old, new = sealed.pins.by_id()
    keys = [read_head(n, sealed.heads[0].get(n), sealed.pins.by_id(), "here").key for n in range(3)]
    assert keys == [old, old, new]


def test_a_rotation_that_died_before_the_key_was_pinned_is_completed(sealed) -> None:
    sealed.sign("a")
    pins = (sealed.folder / "keys" / "log_heads.pub").read_bytes()
    following = Ed25519Signer(b"\x01" * 32).public_key
    sealed.seal(note=ROTATED, next_key=following)
    (sealed.folder / "keys" / "log_heads.pub").write_bytes(pins)
    sealed.append("b")
    assert sealed.seal().sequence == 2
    assert sealed.pins.keys()[1] == following


def test_a_key_that_is_not_pinned_signs_nothing(sealed) -> None:
    sealed.sign("a")
    sealed.append("b")
    stranger = sealed.sealer
    stranger = type(stranger)(stranger.stores, stranger.pins, lambda generation: Ed25519Signer(b"s" * 32))
    with pytest.raises(IntegrityError, match="not the one that is pinned"):
        stranger.seal(sealed.log.chain, now=sealed.log.read("click")["observed_at"][0].as_py(), ledger={})
    assert sealed.heads[0].sequences() == [0]


def test_the_loser_of_a_race_signs_what_is_left(sealed) -> None:
    sealed.sign("a")
    sealed.append("b")
    slow = sealed.log.chain

    class Overtaken(FolderHeadStore):
        def put(self, sequence, body, *, at, replaces=False):
            if not overtaken:
                overtaken.append(sequence)
                sealed.seal()
                sealed.append("c")
            super().put(sequence, body, at=at, replaces=replaces)

    overtaken: list[int] = []
    fast = sealed.sealer
    sealer = type(fast)((Overtaken(sealed.folder / "heads"), fast.stores[1]), fast.pins, fast.signer)
    now = sealed.log.read("click")["observed_at"][0].as_py()
    head = sealer.seal(slow, now=now, ledger={"transitions": 1})
    assert (head.sequence, [link.key for link in head.manifests]) == (2, [manifest_key(2)])
    assert sealed.heads[0].sequences() == sealed.heads[1].sequences() == [0, 1, 2]


def test_a_head_is_written_once(sealed) -> None:
    store, now = sealed.heads[0], datetime(2026, 6, 1, tzinfo=UTC)
    store.put(0, b"one", at=now)
    store.put(0, b"one", at=now)
    with pytest.raises(ContentConflictError, match=r"heads/00000000\.json is another head"):
        store.put(0, b"two", at=now)
    store.put(0, b"two", at=now, replaces=True)
    assert store.get(0) == b"two"
    with pytest.raises(NotFoundError, match="head 1 is not in heads"):
        store.get(1)


@pytest.mark.parametrize("content", [b"zz\n", b"00\n", b"\xff"])
def test_pins_that_are_no_keys_are_refused(tmp_path, content: bytes) -> None:
    path = tmp_path / "keys" / "log_heads.pub"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"log_heads\.pub does not hold public keys"):
        KeyPins(path).keys()


@pytest.fixture
def ledger(sealed) -> SqlLedger:
    return SqlLedger(f"sqlite:///{sealed.folder}/ledger.sqlite", survives_power_cut=False)


@pytest.fixture
def check(sealed, ledger: SqlLedger) -> Callable[..., Audit]:
    def run(given: SqlLedger | None = ledger) -> Audit:
        records = Records(given, "console", TableStore(sealed.lake), "ingest")
        return audit(sealed.lake, sealed.log, sealed.heads, sealed.pins, records, key_of=lambda _: KEY)

    return run


def promote(sealed, version: str, previous: str | None, name: str = "m", at: datetime = NOW) -> None:
    row = {"event_id": version, "model_version": version, "previous_version": previous, "model_name": name}
    table = events("model_promoted", row, at=at)
    sealed.log.append("model_promoted", table, writer="registry")


def kinds(found: Audit) -> list[tuple[str, str]]:
    return [(finding.kind, finding.key) for finding in found.verification.findings]


def test_an_empty_home_holds_nothing_and_lacks_nothing(check) -> None:
    found = check(None)
    assert (kinds(found), found.head, found.is_signed) == ([], None, False)
    assert found.notes == ("Nothing was ever written.",)


def test_a_signed_log_is_intact_and_what_came_later_is_said(sealed, check) -> None:
    sealed.sign("a")
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
    sealed.sign("a")
    shutil.rmtree(sealed.folder / "keys")
    assert {kind for kind, _ in kinds(check())} == {"altered_head"}
    assert check().notes == ()


def test_a_lost_head_is_named_and_the_newer_place_wins(sealed, check) -> None:
    for name in "abc":
        sealed.sign(name)
    (sealed.folder / "heads" / "00000001.json").unlink()
    (sealed.folder / "second" / "00000002.json").unlink()
    found = check()
    assert kinds(found) == [("missing_head", "heads/1")]
    assert found.head.sequence == 2
    (sealed.folder / "heads" / "00000002.json").write_bytes(b"")
    assert kinds(check()) == [("altered_head", "heads/2"), ("missing_head", "heads/1")]


def test_heads_of_another_history_are_found(sealed, check, tmp_path) -> None:
    for name in "ab":
        sealed.sign(name)
    other = type(sealed)(tmp_path / "other")
    for name in "xy":
        other.sign(name)
    body = other.heads[0].get(1)
    (sealed.folder / "second" / "00000001.json").write_bytes(body)
    assert ("altered_head", "heads/1") in kinds(check())
    (sealed.folder / "heads" / "00000001.json").write_bytes(body)
    assert ("altered_head", "heads/1") in kinds(check())
    assert ("altered_manifest", manifest_key(1)) in kinds(check())


def test_after_a_rotation_the_old_key_signs_nothing_more(sealed, check) -> None:
    sealed.sign("a")
    sealed.seal(note=Note(KEY_ROTATED, "anna", "yearly"), next_key=Ed25519Signer(b"\x01" * 32).public_key)
    sealed.sign("b")
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
    ledger.switches.pause(actor="a", reason="r", now=NOW)
    rows = switch_events(ledger.switches.rows())["sending_paused"]
    sealed.log.append("sending_paused", rows, writer="ledger")
    sealed.ledger = ledger.positions()
    sealed.seal()
    assert sealed.ledger == {"inbound": 0, "switches": 1, "transitions": 0}
    assert kinds(check()) == []
    assert set(kinds(check(None))) == {("ledger_mismatch", "ledger"), ("ledger_mismatch", "ledger/switches")}
    ledger.switches.resume(actor="a", reason="r", now=NOW)
    (finding,) = check().verification.findings
    assert finding.detail.startswith("recorded 1 sending_resumed that the log lacks; run the day again")


def test_models_and_champions_are_compared_with_the_log(sealed, check) -> None:
    sealed.append("a")

    def registered(version: str) -> None:
        table = events("model_registered", {"event_id": version, "model_version": version, "model_name": "m"}, at=NOW)
        sealed.log.append("model_registered", table, writer="registry")

    sealed.lake.put_if_absent("models/v1/manifest.json", b"{}")
    sealed.lake.put_if_absent("models/v2/manifest.json", b"{}")
    registered("v1")
    registered("v3")
    promote(sealed, "v1", "v0")
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
    sealed.sign("a")
    key = data_key("model_promoted", "dt=2026-06-01/hour=01", "registry", "000001", content_hash(b"PAR1 and more"))
    sealed.lake.put_if_absent(key, b"PAR1 and more")
    sealed.lake.put_if_absent("reports/ingest/as_of_date=never/report.json", b"{}")
    found = check()
    assert kinds(found) == [("unlisted_file", key)]
    assert "is in no partition of a day" in " ".join(found.notes)


def test_a_check_that_cannot_be_made_is_said(sealed, check) -> None:
    sealed.append("a")
    promote(sealed, "v1", None)
    sealed.seal()
    key = sealed.lake.list("events/event_type=model_promoted")[0]
    sealed.lake.replace(key, b"")
    found = check()
    assert kinds(found) == [("altered_file", key)]
    assert found.notes[0].startswith(f"Not everything could be compared: {key} does not match")


def test_a_gap_between_champions_is_found_in_each_model(sealed) -> None:
    for name, version, previous in (("a", "v1", None), ("b", "v2", "v0")):
        promote(sealed, version, previous, name)
    details = [finding.detail for finding in registry_findings(sealed.lake, sealed.log)]
    assert sum("followed v0 by its own event, None by the log" in detail for detail in details) == 1
    assert sum("was champion and is gone" in detail for detail in details) == 2


def test_what_a_process_read_before_is_judged_as_it_lies_there_now(sealed) -> None:
    promote(sealed, "v1", None)
    promote(sealed, "v2", "v1", at=NOW + timedelta(hours=1))
    log = sealed.log

    def gaps() -> list[str]:
        return [one.detail for one in registry_findings(sealed.lake, log) if "followed" in one.detail]

    assert gaps() == []
    (sealed.folder / "lake" / log.files("model_promoted")[0].key).unlink()
    assert gaps() == ["followed v1 by its own event, None by the log; restore the log"]
