"""What lies elsewhere is looked at before work starts; a folder of the home is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlife_assets.components.platform.places import look_at_places, require_sound_places
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.home_settings import HomeSettings
from mlife_assets.settings import Settings


def settings(home: Path, place: Bucket, **changed: Any) -> Settings:
    key = place.credentials
    stated = {
        "lake": place.url,
        "s3_endpoint": place.endpoint,
        "s3_access_key_id": key.access_key_id,
        "s3_secret_access_key": key.secret_access_key,
    }
    return Settings(home=home, **(stated | changed))


def test_a_bucket_is_tried_out_with_what_reads_it(tmp_path: Path, s3_place: Bucket) -> None:
    found = look_at_places(settings(tmp_path, s3_place))
    assert [one.says for one in found if one.is_fault] == []
    assert {one.part for one in found} == {"MLIFE_HOME", "MLIFE_LAKE", "DuckDB"}
    require_sound_places(settings(tmp_path, s3_place))
    of_a_project = HomeSettings(**settings(tmp_path, s3_place).model_dump(include=set(HomeSettings.model_fields)))
    assert {one.part for one in look_at_places(of_a_project)} == {"MLIFE_HOME", "MLIFE_LAKE"}
    assert list(tmp_path.iterdir()) == []


def test_work_does_not_start_on_a_bucket_that_cannot_be_written(tmp_path: Path, s3_place: Bucket) -> None:
    reader = settings(tmp_path, s3_place, s3_access_key_id="READER", s3_secret_access_key="reader-secret")
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
