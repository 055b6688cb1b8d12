"""The same seed lives the same life, byte for byte: event log, artifacts, tables, reports and summary.

The second life has one core where the first had all, and another lake and ledger: nothing that is written may depend
on it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.running.demo_summary import summarise
from mlife_assets.core.storage_places import Bucket

COMPARED = ("events", "manifests", "models", "tables", "reports", "rejected")
ANOTHER_LIFE = """
import json, os, sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
spec = spec_from_file_location("mlife_lived_world", sys.argv[1])
sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
places = json.loads(sys.argv[3])
sys.modules[spec.name].live(Path(sys.argv[2]), **places)
assert sys.modules[spec.name].open_home(Path(sys.argv[2]), **places).settings.cores == 1
"""


def digests(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a lake that the seed decides."""
    files = (path for name in COMPARED for path in sorted((folder / name).rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.proof
def test_a_second_life_on_one_core_in_a_bucket_and_a_database_is_the_same(
    lived: Any,
    lived_world: ModuleType,
    s3_place: Bucket,
    s3_settings: dict[str, Any],
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    monkeypatch.setenv("MLIFE_DATABASE", postgres_url)  # read by Dagster's storage
    places = {**s3_settings, "database": postgres_url}
    folder = tmp_path / "home"
    told = [str(lived_world.__file__), str(folder), json.dumps(places)]
    subprocess.run([sys.executable, "-c", ANOTHER_LIFE, *told], check=True)
    assert {path.name for path in (folder / "private").iterdir()} & {"ledger.sqlite", "keys"} == {"keys"}
    assert not (folder / "lake").exists()
    assert not (folder / "dagster" / "history").exists()
    bucket = ObstoreObjectStore.in_bucket(s3_place)
    kept = [name for name in bucket.list("") if name.partition("/")[0] in COMPARED]
    first = digests(lived.home.folder / "lake")
    assert len(first) > 500
    assert set(kept) == set(first)
    assert [name for name in kept if hashlib.sha256(bucket.get(name)).hexdigest() != first[name]] == []
    last = lived.days[-1].day
    assert summarise(lived_world.open_home(folder, **places).platform, last, {}) == summarise(
        lived.home.platform, last, {}
    )
