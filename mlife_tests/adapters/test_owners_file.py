"""Where tables about people lie: what was changed is read anew, what was not is not, and what is gone is not empty."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import obstore
import pyarrow as pa
import pytest

from mlife_assets.adapters.audit_file import OwnersAuditTable
from mlife_assets.adapters.owners_file import OwnersFile
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.people_file import OwnersContacts
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotFoundError, PermanentError, TransientError
from mlife_assets.core.storage_places import Bucket, Credentials

SETTING = "MLIFE_CONTACTS"
BOOK = "user_id,phone_number,mail_address\nu1,+12125550100,a@home.example\nu2,,\n"
CHANGED = BOOK.replace("u2,,", "u2,+12125550101,")
Write = Callable[[bytes], None]


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


def test_a_book_that_became_none_stays_an_error_until_it_is_one_again(book) -> None:
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


def test_what_is_unchanged_is_not_handed_over_again(book) -> None:
    place, write, _ = book
    write(BOOK.encode())
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


@contextmanager
def answering(status: int, code: str) -> Iterator[str]:
    """Run a store that answers everything with one code of S3's, and return its address."""

    class Store(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>hidden</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Store) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_no_right_is_for_good_and_names_the_rights(s3_place: Bucket) -> None:
    with answering(403, "AccessDenied") as endpoint:
        said = said_of(Bucket("people", "book.csv", s3_place.credentials, endpoint=endpoint), PermanentError)
    assert said == (
        "MLIFE_CONTACTS: s3://people/book.csv may not be read; grant s3:GetObject on it, s3:ListBucket on its bucket "
        "and kms:Decrypt on its key"
    )


def test_what_passes_is_an_error_of_another_kind(s3_place: Bucket) -> None:
    with answering(503, "SlowDown") as endpoint:
        place = Bucket("people", "book.csv", s3_place.credentials, endpoint=endpoint)
        said = said_of(place, TransientError)
    assert said.startswith(
        "MLIFE_CONTACTS: s3://people/book.csv cannot be read: the store failed on s3://people/book.csv"
    )
    assert said.endswith("try again")
    said = said_of(place, TransientError)
    assert "the store does not answer; check its address and the network, and try again" in said
