"""Files about people that an owner keeps: read whole or refused with column, row and remedy, and nobody's value."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.audit_file import OwnersAuditTable
from mlife_assets.adapters.owners_table import read_owners_table
from mlife_assets.adapters.people_file import OwnersContacts
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotFoundError

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


def test_a_book_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    book = OwnersContacts(written(tmp_path, BOOK))
    assert book.phone_numbers(["u2"]) == {"u2": None}
    written(tmp_path, BOOK.replace("u2,,", "u2,+12125550101,"))
    assert book.phone_numbers(["u2"]) == {"u2": "+12125550101"}
    (tmp_path / "book.csv").unlink()
    with pytest.raises(NotFoundError, match="MLIFE_CONTACTS: there is no file"):
        book.phone_numbers(["u2"])


def test_no_book_is_an_empty_one(tmp_path: Path) -> None:
    assert OwnersContacts(None).phone_numbers(["u1"]) == {"u1": None}
    assert OwnersContacts(None).count() == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user_id,phone\nu1,+12125550100\n", "has no column phone_number; add it"),
        ("user_id,phone_number\n,+12125550100\n", "row 0 of book.csv has no user_id"),
        ("user_id,phone_number\nu1,1\nu2,2\nu1,+12125550100\n", "rows 0 and 2 of book.csv have one user_id"),
        ("", "cannot be read"),
        ("user_id,phone_number\nu1\n", "cannot be read"),
    ],
)
def test_a_book_that_is_none_names_what_to_do_and_no_number(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        OwnersContacts(written(tmp_path, text)).phone_numbers(["u1"])
    assert str(caught.value).startswith("MLIFE_CONTACTS: ")
    assert sentence in str(caught.value)
    assert "2125550100" not in str(caught.value)


def test_numbers_that_are_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.parquet"
    pq.write_table(pa.table({"user_id": ["u1"], "phone_number": [12125550100]}), path)
    path.chmod(0o600)
    with pytest.raises(InvalidInputError, match=r"column phone_number of book\.parquet is int64; write it as text"):
        OwnersContacts(path).count()


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, BOOK)
    path.chmod(0o640)
    with pytest.raises(InvalidInputError, match=r"others can read or write book\.csv; run `chmod 600` on it"):
        read_owners_table(path, "MLIFE_CONTACTS", ("phone_number",))


def test_an_audit_table_knows_what_was_said_and_nothing_of_others(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,sex,race_ethnicity\nu1,Female,Asian\nu2,,White\n")
    groups = OwnersAuditTable(path).groups_of(["u2", "u1", "u3"])
    assert groups.sex == ("unknown", "Female", "unknown")
    assert groups.race_ethnicity == ("White", "Asian", "unknown")
    assert set(OwnersAuditTable(None).groups_of(["u1"]).sex) == {"unknown"}


def test_an_answer_that_is_none_names_row_and_column_and_not_the_answer(tmp_path: Path) -> None:
    path = written(tmp_path, "user_id,sex,race_ethnicity\nu1,Female,Asian\nu2,female,White\n")
    with pytest.raises(MlifeError, match="row 1, sex: no answer that is known; use one of Female, Male") as caught:
        OwnersAuditTable(path).count()
    assert "'female'" not in str(caught.value)
