"""What lies elsewhere is looked at before work starts; a folder of the home is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.event_log.layout import manifest_key
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables
from mlife_assets.components.conversion_model import platform_of
from mlife_assets.components.platform.home_keys import MANIFEST_KEY
from mlife_assets.components.platform.places import look_at_places, require_places_are_there, require_sound_places
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.home_settings import HomeSettings
from mlife_assets.settings import Settings


def test_a_bucket_is_tried_out_with_what_reads_it(tmp_path: Path, s3_settings: dict[str, Any]) -> None:
    found = look_at_places(Settings(home=tmp_path, **s3_settings))
    assert [one.says for one in found if one.is_fault] == []
    assert {one.part for one in found} == {"MLIFE_HOME", "MLIFE_LAKE", "DuckDB"}
    require_sound_places(Settings(home=tmp_path, **s3_settings))
    of_a_project = HomeSettings(
        **Settings(home=tmp_path, **s3_settings).model_dump(include=set(HomeSettings.model_fields))
    )
    assert {one.part for one in look_at_places(of_a_project)} == {"MLIFE_HOME", "MLIFE_LAKE"}
    assert list(tmp_path.iterdir()) == []


def test_work_does_not_start_on_a_bucket_that_cannot_be_written(tmp_path: Path, s3_settings: dict[str, Any]) -> None:
    reader = Settings(
        home=tmp_path, **s3_settings | {"s3_access_key_id": "READER", "s3_secret_access_key": "reader-secret"}
    )
    with pytest.raises(InvalidInputError, match=r"^MLIFE_LAKE: access to .* was refused.*; grant read and write"):
        require_sound_places(reader)


def test_a_database_is_looked_at_and_stops_work_where_it_cannot_be_used(tmp_path: Path, postgres_url: str) -> None:
    found = look_at_places(Settings(home=tmp_path, database=postgres_url))
    assert {one.part for one in found} == {"MLIFE_HOME", "MLIFE_LAKE", "MLIFE_DATABASE"}
    assert not [one for one in found if one.is_fault]
    require_sound_places(Settings(home=tmp_path / "new", database=postgres_url))
    assert not (tmp_path / "new").exists()
    with pytest.raises(InvalidInputError, match=r"^MLIFE_DATABASE: .*cannot be reached.*; see that its server runs"):
        require_sound_places(Settings(home=tmp_path, database="postgresql://u:hidden@127.0.0.1:1/d"))


def test_a_folder_of_the_home_is_not_asked(tmp_path: Path) -> None:
    require_sound_places(HomeSettings(home=tmp_path / "new"))
    require_sound_places(Settings(home=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_what_is_loaded_again_and_again_reads_alone(
    tmp_path: Path, s3_place: Bucket, s3_settings: dict[str, Any], postgres_url: str
) -> None:
    require_places_are_there(Settings(home=tmp_path / "home", database=postgres_url, **s3_settings))
    assert ObstoreObjectStore.in_bucket(s3_place).list("") == []
    assert not holds_tables(postgres_url, LEDGER_SCHEMA)
    assert not (tmp_path / "home").exists()
    with pytest.raises(InvalidInputError, match=r"^MLIFE_LAKE: .*correct AWS_ACCESS_KEY_ID"):
        require_places_are_there(Settings(home=tmp_path, **s3_settings | {"s3_secret_access_key": "wrong"}))
    nowhere = sa.make_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)
    with pytest.raises(InvalidInputError, match=r"^MLIFE_DATABASE: .*create it with createdb"):
        require_places_are_there(Settings(home=tmp_path, database=nowhere))


def test_what_passes_by_itself_does_not_keep_the_graph_from_loading(
    tmp_path: Path, s3_settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    away = Settings(
        home=tmp_path,
        database="postgresql://u:hidden@127.0.0.1:1/d",
        **s3_settings | {"s3_endpoint": "http://127.0.0.1:1"},
    )
    require_places_are_there(away)
    assert [record.args[0] for record in caplog.records] == ["MLIFE_LAKE", "MLIFE_DATABASE"]
    assert "hidden" not in caplog.text


def chain_in(lake: ObstoreObjectStore, key: bytes) -> None:
    """Write the first manifest of a log with a key."""
    Chain(lake, key=lambda: key).start()


def contents(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("place", ["folder", "bucket"])
@pytest.mark.parametrize("has_key", [True, False])
def test_a_home_that_signed_nothing_takes_no_log_of_another(
    tmp_path: Path, request: pytest.FixtureRequest, place: str, has_key: bool
) -> None:
    said = {"lake": str(tmp_path / "theirs")}
    if place == "bucket":
        said = request.getfixturevalue("s3_settings")
    ours = Settings(home=tmp_path / "home", environment="prod", **said)
    chain_in(ObstoreObjectStore.at(ours.lake_place), b"t" * 32)
    ours.private_folder.mkdir(parents=True)
    (ours.private_folder / "contacts.csv").write_text("user_id,phone_number\n")
    if has_key:
        Keyring(ours.private_folder / "keys").key(MANIFEST_KEY)
    before = contents(tmp_path)
    for look in (require_sound_places, require_places_are_there):
        with pytest.raises(InvalidInputError, match=r"MLIFE_LAKE: the lake holds the log of another home; name a"):
            look(ours)
    (fault,) = (one for one in look_at_places(ours) if one.is_fault)
    assert fault.part == "MLIFE_LAKE"
    assert contents(tmp_path) == before


@pytest.mark.parametrize("environment", ["prod", "dev"])
def test_a_home_that_began_to_write_and_signed_nothing_yet_keeps_its_lake(tmp_path: Path, environment: str) -> None:
    ours = Settings(home=tmp_path / "home", lake=str(tmp_path / "lake"), environment=environment)  # type: ignore[arg-type]
    lake = ObstoreObjectStore.at(ours.lake_place)
    chain_in(lake, Keyring(ours.private_folder / "keys", seed=ours.key_seed).key(MANIFEST_KEY))
    require_sound_places(ours)
    require_places_are_there(ours)
    lake.put_if_absent(manifest_key(1), b"of a power cut")
    require_places_are_there(ours)


def test_a_home_that_signed_is_asked_by_its_heads(tmp_path: Path) -> None:
    ours = Settings(home=tmp_path / "home", lake=str(tmp_path / "lake"), environment="prod")
    chain_in(ObstoreObjectStore.at(ours.lake_place), b"t" * 32)
    heads = ours.private_folder / "heads"
    heads.mkdir(parents=True)
    with pytest.raises(InvalidInputError, match="another home"):
        require_places_are_there(ours)
    (heads / "00000000.json").write_text("{}")
    require_places_are_there(ours)


def test_a_project_takes_no_lake_of_another_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLIFE_LAKE", str(tmp_path / "theirs"))
    chain_in(ObstoreObjectStore.local(tmp_path / "theirs"), b"t" * 32)
    with pytest.raises(InvalidInputError, match="MLIFE_LAKE: the lake holds the log of another home"):
        platform_of(object(), tmp_path / "project", None)  # type: ignore[arg-type]
    assert not (tmp_path / "project").exists()


def test_a_key_that_opens_nothing_is_said_first(tmp_path: Path, s3_settings: dict[str, Any]) -> None:
    wrong = Settings(home=tmp_path, **s3_settings | {"s3_secret_access_key": "wrong"})
    with pytest.raises(InvalidInputError, match="correct AWS_ACCESS_KEY_ID"):
        require_places_are_there(wrong)
