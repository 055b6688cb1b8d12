"""Names in the event log: what is built can be parsed, what is ambiguous is refused, the rest is none of ours."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.adapters.event_log.layout import (
    LogFile,
    content_hash,
    data_key,
    hour_manifest_key,
    hour_of,
    hour_of_key,
    manifest_key,
    parse_data_key,
    parse_day,
    parse_hour_manifest_key,
    parse_manifest_key,
)
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.events import EVENT_TYPES

DIGEST = "0123456789abcdef"
HOUR = "dt=2026-06-01/hour=23"
KEY = f"events/event_type=job_posted/{HOUR}/ingest_1-000002-{DIGEST}.parquet"
MANIFEST = f"manifests/{HOUR}/00000012.json"


def test_a_key_says_type_time_writer_batch_and_digest() -> None:
    assert data_key("job_posted", HOUR, "ingest_1", "000002", DIGEST + "f" * 48) == KEY
    assert parse_data_key(KEY) == LogFile(KEY, "job_posted", date(2026, 6, 1), 23, "ingest_1", "000002", DIGEST)
    assert hour_of_key(KEY) == HOUR


@given(
    event_type=st.sampled_from(sorted(EVENT_TYPES)),
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    writer=st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True),
    batch=st.from_regex(r"[a-z0-9]+", fullmatch=True),
    content=st.binary(max_size=8),
)
def test_every_key_that_can_be_built_can_be_parsed(
    event_type: str, moment: datetime, writer: str, batch: str, content: bytes
) -> None:
    hour = hour_of(int(moment.timestamp()) * 1_000_000 + moment.microsecond)
    key = data_key(event_type, hour, writer, batch, content_hash(content))
    file = parse_data_key(key)
    assert file is not None
    assert (file.key, file.event_type, file.writer, file.batch) == (key, event_type, writer, batch)
    assert (file.day, file.hour) == (moment.date(), moment.hour)
    assert content_hash(content).startswith(file.digest)
    assert hour_of_key(key) == hour


@pytest.mark.parametrize(
    "writer", ["", "a-b", "A", "1a", "_a", "a b", "a/b", "a.b", "ä", "a\n"], ids=lambda name: repr(name)
)
def test_writers_that_would_make_a_key_ambiguous_are_refused(writer: str) -> None:
    with pytest.raises(InvalidInputError, match=r"writer .* is not valid; use lower case"):
        data_key("click", HOUR, writer, "000001", DIGEST)


@pytest.mark.parametrize("batch", ["", "b-1", "B", "a_b", "../x", "1 ", "1\n"], ids=lambda name: repr(name))
def test_batches_that_would_make_a_key_ambiguous_are_refused(batch: str) -> None:
    with pytest.raises(InvalidInputError, match=r"batch .* is not valid; use lower case"):
        data_key("click", HOUR, "w", batch, DIGEST)


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("events/", "rejected/"), ("events/", "x/events/"), ("event_type=", "type="), ("job_posted", "Job"),
        ("06-01", "6-1"), ("hour=23", "hour=7"), ("/hour=23", ""), ("ingest_1-", ""), ("-000002", ""),
        (DIGEST, DIGEST[1:]), (DIGEST, DIGEST + "0"), (DIGEST, DIGEST.upper()), (".parquet", ".parquet.tmp"),
        (".parquet", "_parquet"), (".parquet", ".parquet\n"),
    ],
)  # fmt: skip
def test_other_names_are_no_data_files(part: str, other: str) -> None:
    assert part in KEY
    assert parse_data_key(KEY.replace(part, other)) is None


@pytest.mark.parametrize(
    ("microseconds", "hour"),
    [
        (0, "dt=1970-01-01/hour=00"),
        (3_599_999_999, "dt=1970-01-01/hour=00"),
        (3_600_000_000, "dt=1970-01-01/hour=01"),
        (86_399_999_999, "dt=1970-01-01/hour=23"),
        (86_400_000_000, "dt=1970-01-02/hour=00"),
        (253_402_300_799_999_999, "dt=9999-12-31/hour=23"),
    ],
)
def test_a_partition_is_an_hour_of_utc(microseconds: int, hour: str) -> None:
    assert hour_of(microseconds) == hour


def test_the_folder_of_a_day_says_the_day_and_no_other_folder_does() -> None:
    assert parse_day("dt=2026-06-01") == date(2026, 6, 1)
    for other in ("", "2026-06-01", "dt=2026-06-31", "dt=2026-6-1", "dt=20260601", "dt=2026-06-01x", "hour=01"):
        assert parse_day(other) is None, other


def test_manifest_keys_of_an_hour_sort_by_number_and_can_be_parsed() -> None:
    assert hour_manifest_key(HOUR, 12) == MANIFEST
    numbers = [0, 2, 9, 10, 99, 100, 12_345_678]
    keys = [hour_manifest_key(HOUR, number) for number in numbers]
    assert keys == sorted(keys)
    assert [parse_hour_manifest_key(key) for key in keys] == [(HOUR, number) for number in numbers]


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("manifests/", "events/"), ("manifests/", "x/manifests/"), ("hour=23/", ""), ("00000012", "12"),
        ("00000012", "000000012"), ("00000012", "0000001a"), (".json", ".json.tmp"), (".json", "-json"),
    ],
)  # fmt: skip
def test_other_names_are_no_manifests_of_an_hour(part: str, other: str) -> None:
    assert part in MANIFEST
    assert parse_hour_manifest_key(MANIFEST.replace(part, other)) is None


def test_a_content_hash_is_sha256() -> None:
    assert content_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("partition", ["dt=2026-06-31/hour=23", "dt=2026-06-30/hour=24", "dt=2026-06-30/hour=99"])
def test_a_day_or_hour_that_does_not_exist_is_no_data_file(partition: str) -> None:
    key = f"events/event_type=click/{partition}/landing-abc-{'0' * 16}.parquet"
    assert parse_data_key(key) is None
    assert parse_data_key(key.replace(partition, "dt=2026-06-30/hour=23")) is not None


def test_manifest_keys_of_the_chain_sort_by_number_and_can_be_parsed() -> None:
    numbers = [0, 9, 10, 999, 1_000, 1_001, 123_456_789_012]
    keys = [manifest_key(number) for number in numbers]
    assert keys == sorted(keys)
    assert [parse_manifest_key(key) for key in keys] == numbers
    assert keys[4] == "manifests/chain/000000001/000000001000.json"


@pytest.mark.parametrize(
    "key",
    [
        "manifests/chain/000000000/000000001000.json",
        "manifests/chain/000000000/00000000001.json",
        "manifests/chain/000000000000.json",
        "x/manifests/chain/000000000/000000000001.json",
        "manifests/chain/000000000/000000000001.json\n",
        MANIFEST,
    ],
)
def test_other_names_are_no_manifests_of_the_chain(key: str) -> None:
    assert parse_manifest_key(key) is None
