"""What lies elsewhere is looked at before work starts; a folder of the home is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables
from mlife_assets.components.platform.places import (
    look_at_places,
    require_places_are_there,
    require_sound_places,
)
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


def test_a_folder_that_holds_the_log_of_another_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "manifests").mkdir(parents=True)
    ours = Settings(home=tmp_path / "home", lake=str(tmp_path / "theirs"))
    for look in (require_sound_places, require_places_are_there):
        with pytest.raises(InvalidInputError, match=r"^MLIFE_LAKE: the lake holds the log of another home; name"):
            look(ours)
    assert [one.part for one in look_at_places(ours) if one.is_fault] == ["MLIFE_LAKE"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["manifests", "theirs"]
    (tmp_path / "home" / "private" / "heads").mkdir(parents=True)
    require_sound_places(ours)


def test_a_home_with_nothing_of_its_own_takes_no_log_of_another(
    tmp_path: Path, s3_place: Bucket, s3_settings: dict[str, Any]
) -> None:
    ObstoreObjectStore.in_bucket(s3_place).put_if_absent("manifests/chain/000000/0", b"")
    ours = Settings(home=tmp_path, **s3_settings)
    for look in (require_sound_places, require_places_are_there):
        with pytest.raises(InvalidInputError, match="another home; name a place of its own in MLIFE_LAKE"):
            look(ours)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "contacts.csv").write_text("user_id,phone_number\n")
    for look in (require_sound_places, require_places_are_there):
        with pytest.raises(InvalidInputError, match="another home; name a place of its own in MLIFE_LAKE"):
            look(ours)
    (tmp_path / "private" / "keys").mkdir()
    require_sound_places(ours)
    require_places_are_there(ours)
    with pytest.raises(InvalidInputError, match="correct AWS_ACCESS_KEY_ID"):
        require_places_are_there(Settings(home=tmp_path, **s3_settings | {"s3_secret_access_key": "wrong"}))
