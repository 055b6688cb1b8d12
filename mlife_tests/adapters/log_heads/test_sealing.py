"""Sealing: each head pins what is new, follows the one before, is kept twice, and never signs what others wrote."""

from __future__ import annotations

import stat
from datetime import UTC, date, datetime

import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.layout import content_hash, manifest_key
from mlife_assets.adapters.log_heads.folder import FolderHeadStore, KeyPins
from mlife_assets.adapters.log_heads.head import Note, read_head
from mlife_assets.adapters.log_heads.sealing import KEY_ROTATED, newest_head
from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.core.errors import ContentConflictError, IntegrityError, InvalidInputError, NotFoundError

ROTATED = Note(KEY_ROTATED, "anna", "yearly")


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
        sealed.append(name)
        sealed.seal()
    (sealed.folder / "second" / "00000002.json").unlink()
    sealed.append("g")
    log = sealed.log
    log.chain.end()
    listed, read = list[str](), list[tuple[str, int]]()
    listing, reading = FolderHeadStore.sequences, FolderHeadStore.get
    monkeypatch.setattr(FolderHeadStore, "sequences", lambda store: (listed.append(store.name), listing(store))[1])
    monkeypatch.setattr(
        FolderHeadStore, "get", lambda store, number: (read.append((store.name, number)), reading(store, number))[1]
    )

    def sealed_again() -> None:
        listed.clear()
        read.clear()
        sealed.sealer.seal(log.chain, now=datetime(2026, 6, 1, tzinfo=UTC), ledger={})
        assert sorted(listed) == ["heads", "second"]

    sealed_again()
    assert {number for _, number in read} == {2, 5, 6}, "the gap, the newest, the new one"
    assert read.count(("heads", 2)) == 1
    assert reading(sealed.heads[1], 2) == reading(sealed.heads[0], 2)
    sealed_again()
    assert set(read) == {("heads", 6), ("second", 6)}


def test_heads_are_private_and_kept_twice(sealed) -> None:
    sealed.append("a")
    sealed.seal()
    first, second = sealed.heads
    assert first.get(0) == second.get(0)
    for path in (sealed.folder / "heads" / "00000000.json", sealed.folder / "keys" / "log_heads.pub"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [None, b""])
@pytest.mark.parametrize("place", [0, 1])
def test_a_lost_or_emptied_head_comes_back_from_the_other_place(sealed, place: int, damage: bytes | None) -> None:
    sealed.append("a")
    sealed.seal()
    path = sealed.folder / ("heads", "second")[place] / "00000000.json"
    whole = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    assert newest_head(sealed.heads, sealed.pins).body == whole
    assert sealed.seal() is None
    assert path.read_bytes() == whole


def test_a_head_that_is_damaged_everywhere_is_named(sealed) -> None:
    sealed.append("a")
    sealed.seal()
    for name in ("heads", "second"):
        (sealed.folder / name / "00000000.json").write_bytes(b"")
    with pytest.raises(IntegrityError, match="second/0 is no head of the event log; restore it from a copy"):
        sealed.seal()


def test_two_signed_heads_of_one_number_are_refused(sealed, tmp_path) -> None:
    sealed.append("a")
    sealed.seal()
    other = type(sealed)(tmp_path / "other")
    other.append("b")
    other.seal()
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
    sealed.append("a")
    sealed.seal()
    sealed.ledger = {"transitions": 4, "inbound": 2}
    sealed.append("b")
    assert sealed.seal().ledger == {"transitions": 9, "switches": 1, "inbound": 2}


def test_a_new_key_is_introduced_by_the_old_one(sealed) -> None:
    sealed.append("a")
    sealed.seal()
    following = Ed25519Signer(b"\x01" * 32).public_key
    assert sealed.seal(note=ROTATED, next_key=following).next_key == following.hex()
    sealed.append("b")
    sealed.seal()
    old, new = sealed.pins.by_id()
    keys = [read_head(n, sealed.heads[0].get(n), sealed.pins.by_id(), "here").key for n in range(3)]
    assert keys == [old, old, new]


def test_a_rotation_that_died_before_the_key_was_pinned_is_completed(sealed) -> None:
    sealed.append("a")
    sealed.seal()
    pins = (sealed.folder / "keys" / "log_heads.pub").read_bytes()
    following = Ed25519Signer(b"\x01" * 32).public_key
    sealed.seal(note=ROTATED, next_key=following)
    (sealed.folder / "keys" / "log_heads.pub").write_bytes(pins)
    sealed.append("b")
    assert sealed.seal().sequence == 2
    assert sealed.pins.keys()[1] == following


def test_a_key_that_is_not_pinned_signs_nothing(sealed) -> None:
    sealed.append("a")
    sealed.seal()
    sealed.append("b")
    stranger = sealed.sealer
    stranger = type(stranger)(stranger.stores, stranger.pins, lambda generation: Ed25519Signer(b"s" * 32))
    with pytest.raises(IntegrityError, match="not the one that is pinned"):
        stranger.seal(sealed.log.chain, now=sealed.log.read("click")["observed_at"][0].as_py(), ledger={})
    assert sealed.heads[0].sequences() == [0]


def test_the_loser_of_a_race_signs_what_is_left(sealed) -> None:
    sealed.append("a")
    sealed.seal()
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
