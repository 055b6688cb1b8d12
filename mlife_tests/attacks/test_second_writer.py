"""A lake in a bucket with a second writer of the same rights: what they add, change and remove is found or refused.

The home's process is open meanwhile. Whoever rewrites the whole log: `test_rewritten_log.py`, here on a real S3 server.
"""

from __future__ import annotations

from typing import Any

import obstore
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import CHAIN, manifest_key
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.sealing import audit_log

SENT = "events/event_type=message_submitted"


def another_file(store: Any, chain: list[str]) -> None:
    store.replace(f"{store.list(SENT)[-1][:-15]}0123456789.parquet", store.get(store.list(SENT)[-1]))


def forged_event(store: Any, chain: list[str]) -> None:
    log = ParquetEventLog(store)
    row = log.read("message_submitted").slice(0, 1).set_column(0, "event_id", pa.array(["forged"]))
    log.append("message_submitted", row.cast(log.read("message_submitted").schema), writer="ledger")


def everything_removed(store: Any, chain: list[str]) -> None:
    for key in store.list(""):
        obstore.delete(store._backend, key)


ACTS = {
    "a file overwritten": lambda store, chain: store.replace(store.list(SENT)[-1], store.get(chain[-1])),
    "a file removed": lambda store, chain: obstore.delete(store._backend, store.list(SENT)[-1]),
    "a file added": another_file,
    "the newest manifest removed": lambda store, chain: obstore.delete(store._backend, chain[-1]),
    "the newest manifest is the one before": lambda store, chain: store.replace(chain[-1], store.get(chain[-2])),
    "the next manifest is there": lambda store, chain: store.replace(manifest_key(len(chain)), b"{}"),
    "a manifest far ahead": lambda store, chain: store.replace(manifest_key(len(chain) + 1_000), b"{}"),
    "an event well chained": forged_event,
    "everything removed": everything_removed,
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_a_second_writer_does_is_found_and_texts_nobody_twice(open_home, sending_home, s3_settings, s3_place, act):
    home, store = open_home(stated={**sending_home.MARKET, **s3_settings}), ObstoreObjectStore.at(s3_place)
    home.live()
    assert audit_log(home.platform.home).verification.findings == ()
    act(store, store.list(CHAIN))
    for _ in range(2):
        assert audit_log(home.platform.home).verification.findings
        try:
            home.live(add_days(sending_home.DAY, 1))
        except IntegrityError:
            assert len(home.requests()) == 30
        assert max(home.requests().values()) == 1
    assert audit_log(home.platform.home).verification.findings, "no honest head signs it away"
