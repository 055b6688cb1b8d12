"""Heads with the witness: each is taken once, and none is replaced."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlife_assets.adapters.aws.log_heads import BucketHeads
from mlife_assets.core.errors import ContentConflictError, NotFoundError

AT = datetime(2026, 6, 10, tzinfo=UTC)


def test_heads_are_kept_in_order_and_read_again(s3_place: Any) -> None:
    heads = BucketHeads(s3_place)
    assert heads.sequences() == []
    for sequence in (1, 0, 12):
        heads.put(sequence, b"head %d" % sequence, at=AT)
    heads.put(1, b"head 1", at=AT)
    assert heads.sequences() == [0, 1, 12]
    assert BucketHeads(s3_place).get(12) == b"head 12"
    with pytest.raises(NotFoundError, match="head 2 is not with the witness"):
        heads.get(2)


@pytest.mark.parametrize("replaces", [False, True])
def test_another_head_of_a_number_is_refused_whoever_asks(s3_place: Any, replaces: bool) -> None:
    heads = BucketHeads(s3_place)
    heads.put(0, b"signed", at=AT)
    with pytest.raises(ContentConflictError, match="write-once"):
        heads.put(0, b"signed anew", at=AT, replaces=replaces)
    assert heads.get(0) == b"signed"
