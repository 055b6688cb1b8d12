"""The story of the demo: what happens in the market, on which days, and that the words and the market agree."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from mlife_assets.components.platform.resources import Platform
from mlife_assets.settings import Settings


def platform_of(folder, **fields) -> Platform:
    settings = Settings(home=folder, **fields)
    return Platform(settings=settings, policies=settings.policies())


def test_the_world_changes_on_the_days_that_are_said(tmp_path):
    for fields, days in ({}, (2, 7, 11)), ({"demo_event_days": (1, 4, 7)}, (1, 4, 7)):
        platform = platform_of(tmp_path, **fields)
        first = platform.settings.first_lived_date
        shift, city, fault = platform.world.config.injections
        assert [one.name for one in (shift, city, fault)] == ["pay_elasticity", "new_city", "pay_in_cents"]
        assert [shift.day, city.day] == [first + timedelta(days=day - 1) for day in days[:2]]
        assert fault.day == first + timedelta(days=days[2] - 2), "its day lands the export of the eve"
        assert list(platform.world.story.events) == list(days)


def test_a_world_that_no_demo_began_goes_on_as_it_was_in_the_next_process(tmp_path):
    begun = platform_of(tmp_path, market_users=60, market_jobs=25, history_days=3)
    begun.deliver(begun.settings.start_date)
    following = platform_of(tmp_path)
    assert following.world.config == begun.world.config
    following.deliver(begun.settings.start_date + timedelta(days=1))


def test_a_world_without_events_tells_none(tmp_path):
    platform = platform_of(tmp_path, demo_faults=False)
    assert platform.world.config.injections == ()
    assert platform.world.story.events == {}


@pytest.mark.parametrize("days", [(3, 3, 14), (0, 4, 7), (1, 2), (1, 2, 121)])
def test_days_that_cannot_be_are_refused(tmp_path, days):
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, demo_event_days=days)


def test_mail_addresses_are_private_and_written_when_they_are_asked_for(tmp_path):
    world = platform_of(tmp_path, market_users=300, market_jobs=60).world
    assert not list(tmp_path.rglob("mail_addresses*"))
    assert set(world.mail_book().mail_addresses(["usr_0000001", "nobody"])) == {"usr_0000001", "nobody"}
    (path,) = tmp_path.rglob("mail_addresses*")
    assert path.parent == world.private_folder
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
