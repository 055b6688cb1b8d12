"""A whole log, and the same as release 0.1.0 kept it."""

from __future__ import annotations

import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_tests.rows import START, clicks, events
from mlife_tests.stores import in_release_010, new_store


@pytest.fixture(scope="session")
def old_log(whole_log: dict[str, bytes]) -> dict[str, bytes]:
    """The same files as release 0.1.0 left them."""
    return in_release_010(whole_log)


@pytest.fixture(scope="session")
def whole_log() -> dict[str, bytes]:
    """Three days, several hours, four manifests."""
    store = new_store()
    log = ParquetEventLog(store)
    for batch in range(3):
        log.append("click", clicks([(f"{batch}-{n}", n * 8) for n in range(9)]), writer="w")
    log.append("hire", events("hire", {}, at=START), writer="w")
    return {key: store.get(key) for key in store.list("")}
