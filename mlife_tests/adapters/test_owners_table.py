"""Files about people that an owner keeps, the register made of them, and a panel recorded before its outcomes."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obstore.exceptions import GenericError

from mlife_assets.adapters.owners_table import OwnersAuditTable, OwnersContacts, OwnersFile
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.people_register import Contact, PeopleRegister
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core import errors
from mlife_assets.core.errors import GateClosedError, InvalidInputError, MlifeError, NotFoundError, PermanentError
from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_assets.recruiting.ports import LedgerRow
from mlife_tests.rows import Book

BOOK = "user_id,phone_number,mail_address\nu1,+12125550100,a@home.example\nu2,,\n"
SETTING = "MLIFE_CONTACTS"
CHANGED = BOOK.replace("u2,,", "u2,+12125550101,")
Write = Callable[[bytes], None]
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


def written(folder: Path, text: str, name: str = "book.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_book_that_nobody_named_is_no_empty_one(tmp_path: Path) -> None:
    """That somebody has no number is final, so a shell without the variable must not be able to say it."""
    book = OwnersContacts(None)
    for read in (book.phone_numbers, book.mail_addresses):
        with pytest.raises(
            errors.NotGivenError, match=r"^MLIFE_CONTACTS names no contact book, so nobody can be reached; write"
        ):
            read(["u1"])
    assert (book.count(), book.unusable()) == (0, (0, ""))


def test_numbers_that_are_none_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}u1,+1{LEAKED}\nu2,\nu3,nan\nu4,555-0100\n")
    assert OwnersContacts(path).unusable() == (2, "row 3 of book.csv (the first of data is row 1)")
    assert OwnersContacts(written(tmp_path, f"{HEADER}u1,+1{LEAKED}\n")).unusable() == (0, "")


LEAKED = "2125550100"
HEADER = "user_id,phone_number\n"


def refused(path: Path) -> str:
    """Return what is said of a file that is refused, after making sure that nothing chained to it holds a number."""
    from dagster._utils.error import serializable_error_info_from_exc_info

    with pytest.raises(InvalidInputError) as caught:
        OwnersContacts(path).phone_numbers(["u1"])
    error, trace = caught.value, caught.tb
    assert (error.__cause__, error.__context__) == (None, None)
    whole = "".join(traceback.format_exception(error))
    assert LEAKED not in whole
    assert LEAKED not in serializable_error_info_from_exc_info((type(error), error, trace)).to_string()
    assert str(error).startswith("MLIFE_CONTACTS: ")
    return str(error)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"user_id,phone\nu1,+1{LEAKED}\n", "book.csv has no column phone_number; add it"),
        (f"{HEADER},+1{LEAKED}\n", "row 1 of book.csv (the first of data is row 1) has no user_id"),
        (f"{HEADER}u1,1\nu2,2\n\nu1,+1{LEAKED}\n", "row 1 and row 3 of book.csv (the first of data is row 1) have one"),
        ("", "the header of book.csv cannot be read; let the first line name the columns"),
        (f"{HEADER}u1\n", "row 1 of book.csv (the first of data is row 1) has 1 fields and the header 2; correct it"),
        (f"{HEADER}u0,\nu1,+1{LEAKED},foo\n", "row 2 of book.csv (the first of data is row 1) has 3 fields"),
        (
            f"user_id,phone_number,phone_number\nu1,+1{LEAKED},\n",
            "book.csv has the column phone_number twice; keep one",
        ),
        (f"user_id,{'x' * 140_000}\nu1,+1{LEAKED}\n", "the header of book.csv cannot be read"),
        (
            f'{HEADER}u1,\nu2,"+1{LEAKED}\nu3,\n',
            "row 2 of book.csv (the first of data is row 1) cannot be read; look for a",
        ),
        (f"{HEADER}u1,+1{LEAKED}{'0' * 140_000}\n", "row 1 of book.csv (the first of data is row 1) cannot be read"),
        (
            f"{HEADER}u0,\nu1,+1{LEAKED}\xe9\n".encode("latin-1"),
            "row 2 of book.csv (the first of data is row 1) is not UTF-8",
        ),
        (f"{HEADER}u1,+1{LEAKED}\n".encode("utf-16"), "the header of book.csv cannot be read"),
    ],
)
def test_a_book_that_is_none_names_what_to_do_and_no_number(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    path = written(tmp_path, "")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert sentence in refused(path)


def test_a_parquet_file_that_is_damaged_or_has_a_column_twice_is_refused(tmp_path: Path) -> None:
    columns = [pa.array(["u1"]), pa.array([f"+1{LEAKED}"]), pa.array([f"+1{LEAKED}"])]
    path = written(tmp_path, f"PAR1{LEAKED}", name="book.parquet")
    assert "book.parquet cannot be read (Arrow" in refused(path)
    pq.write_table(pa.Table.from_arrays(columns, names=["user_id", "phone_number", "phone_number"]), path)
    assert "book.parquet has the column phone_number twice" in refused(path)
    no_text = pa.Array.from_buffers(pa.string(), 1, pa.array([f"{LEAKED}\xe9".encode("latin-1")]).buffers())
    pq.write_table(pa.table({"user_id": ["u1"], "phone_number": no_text}), path)
    assert "book.parquet cannot be read (ArrowInvalid)" in refused(path)
    pq.write_table(pa.table({"user_id": ["u1"], "phone_number": [12125550100]}), path)
    assert "column phone_number of book.parquet is int64; write it as text" in refused(path)


def test_a_byte_order_mark_is_no_part_of_the_header_and_what_nobody_reads_may_be_there_twice(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + BOOK.replace("\n", "\r\n"))
    assert OwnersContacts(path).phone_numbers(["u1", "u2"]) == {"u1": "+12125550100", "u2": None}
    path = written(tmp_path, 'user_id,note,phone_number,note\nu1,"a, b",+12125550100,\n')
    assert OwnersContacts(path).phone_numbers(["u1"]) == {"u1": "+12125550100"}


def test_an_audit_table_knows_what_was_said_and_nothing_of_others(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,sex,race_ethnicity\nu1,Female,Asian\nu2,,White\n")
    groups = OwnersAuditTable(path).groups_of(["u2", "u1", "u3"])
    assert groups.sex == ("unknown", "Female", "unknown")
    assert groups.race_ethnicity == ("White", "Asian", "unknown")
    assert set(OwnersAuditTable(None).groups_of(["u1"]).sex) == {"unknown"}


def test_an_answer_that_is_none_names_row_and_column_and_not_the_answer(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,sex,race_ethnicity\nu1,Female,Asian\nu2,female,White\n")
    with pytest.raises(
        MlifeError, match=r"row 2 of book\.csv .*, sex: no answer that is known; use one of Female"
    ) as caught:
        OwnersAuditTable(path).count()
    assert "'female'" not in str(caught.value)


@pytest.fixture(params=["file", "object"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path | Bucket, Write, Callable[[], None]]:
    """Return where a book is, what writes it and what removes it: a file, and an object on a real server."""
    if request.param == "file":
        path = tmp_path / "book.csv"

        def write(data: bytes) -> None:
            path.write_bytes(data)
            path.chmod(0o600)

        return path, write, path.unlink
    folder: Bucket = request.getfixturevalue("s3_place")
    store = open_bucket(folder)
    place = replace(folder, prefix=f"{folder.prefix}/book.csv")
    return place, lambda data: obstore.put(store, "book.csv", data) and None, lambda: obstore.delete(store, "book.csv")


def test_a_book_that_was_changed_is_read_anew_and_one_that_is_gone_is_no_empty_one(book) -> None:
    place, write, remove = book
    write(BOOK.encode())
    contacts = OwnersContacts(place)
    assert contacts.phone_numbers(["u2"]) == {"u2": None}
    assert contacts.accounts_with("+12125550101") == []
    write(CHANGED.encode())
    assert contacts.accounts_with("+12125550101") == ["u2"]
    assert contacts.phone_numbers(["u2"]) == {"u2": "+12125550101"}
    remove()
    for _ in range(2):
        with pytest.raises(
            NotFoundError, match=r"^MLIFE_CONTACTS: there is no (file|object) \S+/book\.csv; .+setting$"
        ):
            contacts.phone_numbers(["u2"])


def test_a_book_that_became_none_stays_an_error_until_it_is_one_again_and_is_handed_over_once(book) -> None:
    place, write, _ = book
    write(BOOK.encode())
    contacts = OwnersContacts(place)
    assert contacts.count() == 2
    write(b"user_id,phone_number\nu1,+12125550100,more\n")
    for _ in range(2):
        with pytest.raises(InvalidInputError, match=r"^MLIFE_CONTACTS: row 1 of \S*book\.csv .*has 3 fields"):
            contacts.phone_numbers(["u1"])
    write(BOOK.encode())
    assert contacts.count() == 2
    file = OwnersFile(place, SETTING)
    found = file.changed(None)
    assert found is not None
    state, data = found
    assert data == BOOK.encode()
    assert file.changed(state) is None
    write(CHANGED.encode())
    again = file.changed(state)
    assert again is not None
    assert (again[0] != state, again[1]) == (True, CHANGED.encode())


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_text(BOOK)
    path.chmod(0o640)
    with pytest.raises(InvalidInputError, match=r"others can read or write book\.csv; run `chmod 600` on it"):
        OwnersFile(path, SETTING).changed(None)
    folder = tmp_path / "folder.csv"
    folder.mkdir(mode=0o700)
    with pytest.raises(InvalidInputError, match=r"MLIFE_CONTACTS: folder\.csv cannot be read \(IsADirectoryError\)"):
        OwnersFile(folder, SETTING).changed(None)


def test_an_object_is_a_book_and_an_audit_table_as_csv_and_as_parquet(s3_place: Bucket) -> None:
    columns = {
        "user_id": ["u1", "u2"],
        "phone_number": ["+12125550100", None],
        "mail_address": ["a@home.example", None],
    }
    store = open_bucket(s3_place)
    obstore.put(store, "deep/book.csv", BOOK.encode())
    obstore.put(store, "book.parquet", encode_table(pa.table(columns)))
    for key in ("deep/book.csv", "book.parquet"):
        contacts = OwnersContacts(replace(s3_place, prefix=f"{s3_place.prefix}/{key}"))
        assert contacts.phone_numbers(["u1", "u2", "u3"]) == {"u1": "+12125550100", "u2": None, "u3": None}
        assert contacts.mail_addresses(["u1"]) == {"u1": "a@home.example"}
        assert contacts.count() == 2
    obstore.put(store, "audit.csv", b"user_id,sex,race_ethnicity\nu1,Female,Asian\n")
    table = OwnersAuditTable(replace(s3_place, prefix=f"{s3_place.prefix}/audit.csv"))
    assert table.groups_of(["u1", "u2"]).sex == ("Female", "unknown")
    obstore.put(store, "audit.csv", b"user_id,sex,race_ethnicity\nu2,Male,\n")
    assert table.groups_of(["u1", "u2"]).sex == ("unknown", "Male"), "read anew"
    gone = OwnersAuditTable(replace(s3_place, prefix=f"{s3_place.prefix}/none.csv"))
    with pytest.raises(NotFoundError, match=r"^MLIFE_AUDIT_TABLE: there is no object s3://\S+/none\.csv; upload it"):
        gone.groups_of(["u1"])


def said_of(place: Bucket, kind: type[MlifeError]) -> str:
    """Return what is said of an object that cannot be read, after making sure that no key goes on with it."""
    with pytest.raises(MlifeError) as caught:
        OwnersContacts(place).phone_numbers(["u1"])
    assert type(caught.value) is kind
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert "hidden" not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_a_bucket_that_is_gone_and_a_key_that_is_none_are_for_good(s3: object, s3_place: Bucket) -> None:
    book = replace(s3_place, prefix=f"{s3_place.prefix}/book.csv")
    said = said_of(replace(book, name="no-such-bucket"), PermanentError)
    assert said.startswith("MLIFE_CONTACTS: there is no bucket of s3://no-such-bucket/")
    assert said.endswith("; make it, or correct the setting")
    said = said_of(replace(book, credentials=Credentials("nobody", "hidden-secret")), PermanentError)
    assert said == f"MLIFE_CONTACTS: {book.url} cannot be read: the store does not take the key; correct " + (
        "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
    )


def answers(monkeypatch: pytest.MonkeyPatch, status: int, code: str) -> None:
    """Let the store answer as S3 does; what comes of real answers is held by `test_object_store`."""
    answer = GenericError(f"status code: {status}: <Error><Code>{code}</Code><Message>hidden</Message></Error>")
    monkeypatch.setattr(obstore, "get", Mock(side_effect=answer))


def test_no_right_is_for_good_and_names_the_rights(s3_place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, 403, "AccessDenied")
    said = said_of(replace(s3_place, name="people", prefix="book.csv"), PermanentError)
    assert said == (
        "MLIFE_CONTACTS: s3://people/book.csv may not be read; grant s3:GetObject on it, s3:ListBucket on its bucket "
        "and kms:Decrypt on its key"
    )


def test_what_passes_is_an_error_of_another_kind(s3_place: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    away = replace(s3_place, name="people", prefix="book.csv", endpoint="http://127.0.0.1:1")
    said = said_of(away, errors.TransientError)
    assert "the store does not answer; check its address and the network, and try again" in said
    answers(monkeypatch, 503, "SlowDown")
    said = said_of(away, errors.TransientError)
    assert said.startswith(
        "MLIFE_CONTACTS: s3://people/book.csv cannot be read: the store failed on s3://people/book.csv"
    )
    assert said.endswith("try again")


def register(ledger: SqlLedger, numbers: Mapping[str, str | None] | None, key: bytes = b"k" * 32) -> PeopleRegister:
    return PeopleRegister(ledger, Book(numbers), key=key)


def test_a_contact_is_the_person_and_a_number_that_can_be_called(ledger: SqlLedger) -> None:
    book = {"a": "212-555-0100", "b": "+12125550100", "c": "call me", "d": None}
    assert register(ledger, book).register(["b", "a", "c", "d", "nobody", "a"], now=NOW) == {
        "a": Contact("a", True, "+12125550100"), "b": Contact("a", True, "+12125550100"),
        "c": Contact("c", True, None), "d": Contact("d", False, None), "nobody": Contact("nobody", False, None),
    }  # fmt: skip
    assert "555" not in repr(Contact("a", True, "+12125550100"))


def test_what_is_wrong_with_a_book_is_said_where_the_error_is_ours(ledger: SqlLedger) -> None:
    class Gone(Book):
        def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
            raise NotFoundError("MLIFE_CONTACTS: there is no object s3://people/c.csv; upload it")

        def accounts_with(self, phone_number: str) -> Sequence[str]:
            return list(self.phone_numbers(()))

    people = PeopleRegister(ledger, Gone(None), key=b"k" * 32)
    for asked in (
        lambda: people.register(["a"], now=NOW),
        lambda: people.account_behind("+12125550100", "in1", now=NOW),
    ):
        with pytest.raises(GateClosedError, match=r"there is no object s3://people/c\.csv; upload it"):
            asked()


def test_without_a_book_people_are_who_they_were_and_no_hash_is_lost(ledger: SqlLedger) -> None:
    register(ledger, {"a": "+12125550100", "b": "+12125550100"}).register(["a", "b"], now=NOW)
    without = PeopleRegister(ledger, OwnersContacts(None), key=b"k" * 32)
    found = without.register(["a", "b", "c"], now=NOW)
    assert {user: (one.person_id, one.address) for user, one in found.items()} == {
        "a": ("a", None),
        "b": ("a", None),
        "c": ("c", None),
    }
    for asked in (lambda: found["a"].has_address, without.require_books, lambda: without.rehash(now=NOW)):
        with pytest.raises(GateClosedError, match="MLIFE_CONTACTS names no contact book, so nobody can be reached"):
            asked()
    with ledger.engine.connect() as connection:
        assert len(connection.exec_driver_sql("SELECT number_hash FROM numbers").all()) == 1


def test_the_account_behind_a_number_is_the_one_that_was_last_texted(ledger: SqlLedger) -> None:
    people = register(ledger, {"a": "+12125550100", "b": "+12125550100", "c": "+12125550100"})
    people.register("abc", now=NOW)
    assert people.account_behind("2125550100", "i1", now=NOW) == "a", "the person's first account"
    days = {"b": NOW.date(), "c": NOW.date() - timedelta(days=1)}
    rows = [LedgerRow(f"m-{u}", u, "j", "x", day, "hi", "planned", 0, None, NOW) for u, day in days.items()]
    by_mail = replace(rows[0], message_id="m-a", user_id="a", campaign="mails", channel="email")
    not_yet = replace(rows[0], message_id="m-c2", user_id="c", campaign="y", as_of_date=NOW.date() + timedelta(days=1))
    ledger.plan([*rows, by_mail, not_yet], now=NOW)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sends SET attempts = 1 WHERE campaign <> 'y'")
    assert people.account_behind("2125550100", "i2", now=NOW) == "b"


def test_a_number_that_was_given_up_is_still_its_persons(ledger: SqlLedger) -> None:
    register(ledger, {"a": "+12125550100"}).register(["a"], now=NOW)
    moved = register(ledger, {"a": "+12125550101"})
    moved.register(["a"], now=NOW)
    assert {moved.account_behind(number, "i", now=NOW) for number in ("+12125550100", "+12125550101")} == {"a"}


@pytest.mark.parametrize("written", ["447911123456", "+447911123456", "+44 7911 123456"])
def test_a_number_that_a_provider_writes_without_its_plus_is_the_same(ledger: SqlLedger, written: str) -> None:
    people = register(ledger, {"a": "+447911123456"})
    assert people.account_behind(written, "i1", now=NOW) == "a", "by the book"
    assert register(ledger, {}).account_behind(written, "i2", now=NOW) == "a", "by the ledger"


@pytest.mark.parametrize("number", ["+12125550100", "24273", ""])
def test_a_stranger_is_one_person_whoever_writes(ledger: SqlLedger, number: str) -> None:
    people = register(ledger, {})
    found = [people.account_behind(number, inbound_id, now=NOW) for inbound_id in ("i1", "i1", "i2")]
    assert found[0].startswith("stranger_")
    assert found[0] == found[1]
    assert (found[2] == found[0]) == (number == "+12125550100"), "a short code is no number of one person"


def test_a_book_that_nobody_named_says_of_no_number_whose_it_is(ledger: SqlLedger) -> None:
    without = PeopleRegister(ledger, OwnersContacts(None), key=b"k" * 32)
    with pytest.raises(GateClosedError, match="whose a text is that came in: MLIFE_CONTACTS names no contact book"):
        without.account_behind("+12125550100", "i", now=NOW)
    assert ledger.people.user_ids() == ()
