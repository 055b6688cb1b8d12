"""Files about people that an owner keeps: read whole or refused with column, row and remedy, and nobody's value."""

from __future__ import annotations

import traceback
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.audit_file import OwnersAuditTable
from mlife_assets.adapters.people_file import OwnersContacts
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotGivenError

BOOK = "user_id,phone_number,mail_address\nu1,+12125550100,a@home.example\nu2,,\n"


def written(folder: Path, text: str, name: str = "book.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_a_book_is_the_same_as_csv_and_as_parquet(tmp_path: Path) -> None:
    csv = written(tmp_path, BOOK)
    columns = {
        "user_id": ["u1", "u2"],
        "phone_number": ["+12125550100", None],
        "mail_address": ["a@home.example", None],
    }
    parquet = tmp_path / "book.parquet"
    pq.write_table(pa.table(columns), parquet)
    parquet.chmod(0o600)
    for path in (csv, parquet):
        book = OwnersContacts(path)
        assert book.phone_numbers(["u1", "u2", "u3"]) == {"u1": "+12125550100", "u2": None, "u3": None}
        assert book.mail_addresses(["u1"]) == {"u1": "a@home.example"}
        assert book.count() == 2


def test_a_book_that_nobody_named_is_no_empty_one(tmp_path: Path) -> None:
    """That somebody has no number is final, so a shell without the variable must not be able to say it."""
    book = OwnersContacts(None)
    for read in (book.phone_numbers, book.mail_addresses):
        with pytest.raises(
            NotGivenError, match=r"^MLIFE_CONTACTS names no contact book, so nobody can be reached; write"
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
    ],
)
def test_a_book_that_is_none_names_what_to_do_and_no_number(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refused(written(tmp_path, text))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            f"{HEADER}u0,\nu1,+1{LEAKED}\xe9\n".encode("latin-1"),
            "row 2 of book.csv (the first of data is row 1) is not UTF-8",
        ),
        (f"{HEADER}u1,+1{LEAKED}\n".encode("utf-16"), "the header of book.csv cannot be read"),
    ],
)
def test_a_book_that_is_not_utf_8_names_its_row(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = written(tmp_path, "")
    path.write_bytes(data)
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


def test_a_byte_order_mark_as_excel_writes_it_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + BOOK.replace("\n", "\r\n"))
    assert OwnersContacts(path).phone_numbers(["u1", "u2"]) == {"u1": "+12125550100", "u2": None}


def test_a_column_that_nobody_reads_may_be_there_twice(tmp_path: Path) -> None:
    path = written(tmp_path, 'user_id,note,phone_number,note\nu1,"a, b",+12125550100,\n')
    assert OwnersContacts(path).phone_numbers(["u1"]) == {"u1": "+12125550100"}


def test_numbers_that_are_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.parquet"
    pq.write_table(pa.table({"user_id": ["u1"], "phone_number": [12125550100]}), path)
    path.chmod(0o600)
    with pytest.raises(InvalidInputError, match=r"column phone_number of book\.parquet is int64; write it as text"):
        OwnersContacts(path).count()


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
