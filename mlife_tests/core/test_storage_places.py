"""Addresses of buckets and databases: what they may say."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import (
    Bucket,
    Credentials,
    bucket_name_and_prefix,
    require_database_url,
    require_table_url,
)

KEY = Credentials("AKIA", "hidden", "token")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://lake", ("lake", "")),
        ("s3://lake/", ("lake", "")),
        ("s3://my.lake-1/a/b=c", ("my.lake-1", "a/b=c")),
        ("s3://lake/a/b/", ("lake", "a/b")),
    ],
)
def test_address_of_a_bucket(url: str, expected: tuple[str, str]) -> None:
    assert bucket_name_and_prefix(url) == expected
    assert Bucket(*expected, KEY).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "gs://lake", "s3:/lake", "s3://", "s3://ab", "s3://Lake", "s3://-lake", "s3://lake//a", "s3://lake/a/../b",
        "s3://lake/./b", "s3://lake?x=1", "s3://key:hidden@lake/a", "s3://lake/a b",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_bucket_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match="neither s3://bucket/prefix nor the whole path of a folder") as caught:
        bucket_name_and_prefix(url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@host:5432/mlife",
        "postgresql://u:p%40%2Fss?#@host/mlife",
        "postgresql://u@[::1]:5432/mlife",
        "postgresql:///mlife?host=/run/pg",
        "postgresql://u:p@/mlife?host=/run/pg",
        "postgresql://host/mlife?sslmode=require",
    ],
)
def test_address_of_a_database(url: str) -> None:
    require_database_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://u:hidden@h/d",
        "postgres://u:hidden@h/d",
        "postgresql://u:hidden@h",
        "postgresql://h/ d",
        "postgresql://u:p@hidden@h/d",  # what drivers take for the host, and say in errors, is half of a password
        "postgresql://u:p/hidden@h/d",
        "postgresql://u:p/hidden@h",
        "postgresql://u:p@h:hidden/d",
        "postgresql://u:p@h:123456/d",
    ],
)
def test_what_is_no_address_of_a_database_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(InvalidInputError, match="postgresql://user:password@host:port/database") as caught:
        require_database_url(url)
    assert "hidden" not in str(caught.value)


def test_a_key_does_not_print() -> None:
    assert "hidden" not in repr(Bucket("lake", "", KEY))
    assert "AKIA" not in repr(KEY)


@pytest.mark.parametrize("url", ["s3://people/book.csv", "s3://people/a/b.parquet"])
def test_address_of_a_table(url: str) -> None:
    require_table_url(url)


@pytest.mark.parametrize(
    "url",
    ["s3://people", "s3://people.csv", "s3://people/a.txt", "s3://people/a.csv/", "s3://people/../a.csv", "a.csv"],
)
def test_an_address_that_names_no_table_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match=r"not s3://bucket/key\.parquet, or one that ends in \.csv"):
        require_table_url(url)
