"""Rotating the key of number hashes from the command line; what it means for people is tested in `attacks`."""

from __future__ import annotations

import pytest


def test_in_the_embedded_world_there_is_nothing_to_rotate(run, home):
    result = run("keys", "rotate-numbers", "--home", home.path)
    assert result.exit_code == 1
    assert "derives from the seed of the embedded world" in result.stderr


@pytest.mark.parametrize("has_setting", [False, True])
def test_every_hash_is_of_the_new_key_afterwards(run_json, home, monkeypatch, has_setting):
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "prod")
    platform = home.platform
    users = ["usr_0000001", "usr_0000002", "nobody"]
    before = platform.people.register(users, now=platform.sending_time(home.newest_day))
    old = platform.number_key
    if has_setting:
        monkeypatch.setenv("MLIFE_HASH_KEY", "0123456789abcdeffedcba9876543210")
    document = run_json("keys", "rotate-numbers", "--home", home.path)
    mails = [one for one in platform.world.mail_book().mail_addresses(users).values() if one is not None]
    assert document["numbers"] == 2 + len(mails) == 4, "phone numbers and mail addresses"
    renewed = home.platform
    assert renewed.number_key != old
    with renewed.ledger.engine.connect() as connection:
        count = "SELECT count(*) FROM numbers"
        assert connection.exec_driver_sql(count).scalar() == 4
        after = renewed.people.register(users, now=renewed.sending_time(home.newest_day))
        assert connection.exec_driver_sql(count).scalar() == 4, "the stored hashes are of the new key"
    assert after == before
