"""The standalone deployment: nothing is made up, nothing falls back to a market, and what is missing is said."""

from __future__ import annotations

import json
import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlife_assets.adapters.backups import Backup
from mlife_assets.adapters.clock import FileClock, SystemClock
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.cli.output import faults_named
from mlife_assets.components.metrics.dashboard import world_of
from mlife_assets.core import errors
from mlife_assets.core.checkup import Finding
from mlife_assets.core.errors import ContentConflictError, IntegrityError, InvalidInputError, MlifeError, NotFoundError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.backup import back_up, put_back
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.places import (
    deployment_in,
    look_at_deployment,
    look_at_places,
    require_places_are_there,
    require_sound_places,
)
from mlife_assets.deployments.standalone import clock_of
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows
from mlife_assets.recruiting.ports import OutboundMessage
from mlife_assets.settings import Settings

FIRST = date(2025, 1, 15)
DAY = date(2025, 6, 2)
STANDALONE = {"DEPLOYMENT": "standalone", "FIRST_DAY": "2025-01-15"}
KEY = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


def settings_of(home: Path, **fields: Any) -> Settings:
    return Settings(home=home, deployment="standalone", first_day=FIRST, **fields)


@pytest.fixture
def platform(tmp_path: Path) -> BoardPorts:
    settings = settings_of(tmp_path / "home")
    return board_ports(settings)


def test_there_is_no_market_to_fall_back_to(platform: BoardPorts) -> None:
    assert (platform.settings.deployment, platform.days.is_simulated, platform.home.intake.source) == (
        "standalone",
        False,
        None,
    )
    platform.home.intake.deliver(DAY)
    assert [path.name for path in platform.settings.home.iterdir()] == ["deployment.json"], "others deliver"
    with pytest.raises(InvalidInputError, match="has no market; unset it"):
        _ = platform.home.intake.world
    assert platform.home.intake.event_of_day(1) == ""


def test_the_console_takes_a_text_hands_it_to_nobody_and_nobody_answers(platform: BoardPorts) -> None:
    now = run_time(DAY)
    for place in range(300):
        platform.home.messengers.texts.send(OutboundMessage(f"m{place}", f"u{place}", "+12125550100", "hi"), now=now)
    later = run_time(date(2025, 6, 9))
    assert {receipt.is_delivered for receipt in platform.home.messengers.texts.receipts(until=later)} == {False}
    assert platform.home.messengers.texts.inbound(until=later) == []


def test_days_begin_where_the_owner_says_and_keys_are_random(platform: BoardPorts, tmp_path: Path) -> None:
    settings = platform.settings
    assert (settings.days.start_date, settings.days.first_partition) == (FIRST, date(2025, 1, 16))
    assert settings.key_seed is None
    other = settings_of(tmp_path / "other")
    assert board_ports(other).home.private.number_key != platform.home.private.number_key


def test_a_home_stays_what_it_was_begun_as(platform: BoardPorts, monkeypatch) -> None:
    """Whoever forgets the variables must not get a market that delivers made-up people into real ones."""
    platform.home.intake.deliver(DAY)
    home = platform.settings.home
    again = Settings(home=home)
    assert (again.deployment, again.days.first_day) == ("standalone", FIRST)
    for name, value in (("MLIFE_DEPLOYMENT", "embedded"), ("MLIFE_FIRST_DAY", "2025-01-16")):
        monkeypatch.setenv(name, value)
        with (
            pytest.raises(InvalidInputError, match="begun with deployment standalone, first day 2025-01-15"),
            faults_named(),
        ):
            Settings(home=home)
        monkeypatch.delenv(name)
    (home / "deployment.json").write_text("{")
    with pytest.raises(IntegrityError, match="does not say which deployment"):
        Settings(home=home)


@pytest.mark.parametrize("left", ["", "market/market_state.npz", "truth/pairs/dt=2025-06-02/a.parquet"])
def test_a_home_with_a_market_becomes_no_other(tmp_path: Path, left: str) -> None:
    """A market that Dagster began under an old release has no world.json, and its files would count as the owner's."""
    (tmp_path / "market").mkdir()
    assert settings_of(tmp_path).deployment == "standalone", "an empty folder is none"
    if left:
        (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / left).write_text("{}")
    else:
        Settings(home=tmp_path).memory.keep_world()
    with pytest.raises(InvalidInputError, match="holds a simulated market; name another folder"), faults_named():
        settings_of(tmp_path)


def test_a_home_that_was_lost_comes_back_as_what_it_was(platform: BoardPorts, tmp_path: Path) -> None:
    """In a shell without a variable the restored home would be a market's, and made-up people real ones."""
    platform.home.intake.deliver(DAY)
    backup = back_up(platform.home, tmp_path / "backup", now=run_time(DAY), has_lake=False)
    new = Settings(home=tmp_path / "new")
    assert new.deployment == "embedded"
    put_back(board_ports(new).home, backup)
    again = Settings(home=tmp_path / "new")
    assert (again.deployment, again.days.first_day) == ("standalone", FIRST)


def test_a_backup_of_the_owners_is_not_put_into_a_home_with_a_market(tmp_path: Path) -> None:
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "market_state.npz").touch()
    settings = Settings(home=tmp_path)
    backup = Backup(tmp_path / "backup", run_time(DAY), {"deployment.json": "0"}, {})
    with pytest.raises(ContentConflictError, match="holds a simulated market and the backup none"):
        put_back(board_ports(settings).home, backup)


def begun(home: Path) -> dict[str, str]:
    return dict(json.loads((home / "deployment.json").read_text()))


@pytest.mark.parametrize("use", ["deliver", "keyring", "ledger", "texts"])
def test_a_home_says_what_it_is_before_it_holds_anything_and_only_looking_says_nothing(
    platform: BoardPorts, use: str
) -> None:
    home = platform.settings.home
    _ = platform.deployment, platform.home.messengers.contacts, look_at_deployment(platform.settings)
    assert not home.exists(), "asking leaves no trace"
    {
        "deliver": lambda: platform.home.intake.deliver(DAY),
        "keyring": lambda: platform.home.private.keyring,
        "ledger": lambda: platform.ledger,
        "texts": lambda: platform.home.messengers.texts,
    }[use]()
    assert begun(home) == {"deployment": "standalone", "first_day": "2025-01-15", "history_days": "60"}
    assert not list(home.glob("*.partial"))


def test_what_was_named_once_holds_in_a_shell_without_variables(tmp_path: Path) -> None:
    """A shell that lacks the contact book would otherwise say of everybody that they have no number."""
    settings_of(tmp_path, contacts="c.csv", audit_table="a.csv", history_days=30).memory.keep_deployment()
    again = Settings(home=tmp_path)
    assert again.places.contacts == tmp_path / "private" / "c.csv"
    assert again.places.audit_table == tmp_path / "private" / "a.csv"
    assert again.days.history_days == 30
    moved = Settings(home=tmp_path, contacts="moved.csv")
    assert moved.places.contacts == tmp_path / "private" / "moved.csv", "a variable comes first"
    moved.memory.keep_deployment()
    assert begun(tmp_path)["contacts"] == "c.csv", "for its own process: the daemon's book stays"
    with pytest.raises(ValidationError, match=r"begun with deployment standalone, first day .*, history days 30"):
        Settings(home=tmp_path, history_days=60)
    for name in ("contacts", "audit_table"):
        with pytest.raises(ValidationError, match="is set to nothing"):
            Settings(home=tmp_path, **{name: ""})


def test_tables_about_people_may_lie_in_a_bucket_which_the_home_remembers_with_its_store(tmp_path: Path) -> None:
    places = {"contacts": "s3://people/contacts/book.csv", "audit_table": "s3://people/audit.parquet"}
    settings_of(tmp_path, **places, s3_endpoint="http://127.0.0.1:9000").memory.keep_deployment()
    assert begun(tmp_path).items() >= {**places, "s3_endpoint": "http://127.0.0.1:9000"}.items()
    again = Settings(home=tmp_path, s3_access_key_id="k", s3_secret_access_key="s")
    assert isinstance(again.places.contacts, Bucket)
    assert (again.places.contacts.url, again.places.contacts.endpoint) == (places["contacts"], "http://127.0.0.1:9000")
    assert isinstance(again.places.audit_table, Bucket)
    own = Settings(home=tmp_path, contacts="moved.csv", audit_table="moved.csv")
    assert own.buckets.s3_endpoint is None, "what is remembered of a store goes with its buckets"
    without_key = Settings(home=tmp_path)
    for name, place in (("CONTACTS", "contacts"), ("AUDIT_TABLE", "audit_table")):
        with pytest.raises(InvalidInputError, match=f"MLIFE_{name} is a bucket, which needs a key; set AWS_ACCESS"):
            getattr(without_key.places, place)
    faults = {one.part for one in look_at_deployment(without_key) if one.is_fault}
    assert {"MLIFE_CONTACTS", "MLIFE_AUDIT_TABLE"} <= faults, "each part is looked at whatever the others say"


def test_people_who_cannot_be_read_now_keep_no_code_location_from_loading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = {"s3_access_key_id": "k", "s3_secret_access_key": "s"}
    settings = settings_of(tmp_path, contacts="s3://people/c.csv", s3_endpoint="http://127.0.0.1:9", **key)
    require_places_are_there(settings)
    assert "MLIFE_CONTACTS: s3://people/c.csv cannot be read: the store does not answer" in caplog.text
    with pytest.raises(errors.TransientError, match="MLIFE_CONTACTS: s3://people/c"):
        require_sound_places(settings)


def test_people_in_a_bucket_are_counted_as_those_of_a_file(tmp_path: Path, s3_place: Bucket) -> None:
    key = s3_place.credentials
    assert key is not None
    settings = settings_of(
        tmp_path, contacts=f"{s3_place.url}/contacts.csv", audit_table=f"{s3_place.url}/audit.csv",
        s3_endpoint=s3_place.endpoint, s3_access_key_id=key.access_key_id, s3_secret_access_key=key.secret_access_key,
    )  # fmt: skip
    with pytest.raises(NotFoundError, match=r"MLIFE_CONTACTS: there is no object s3://.*/contacts\.csv; upload it"):
        deployment_in(settings).require()
    store = ObstoreObjectStore.at(s3_place)
    store.replace("contacts.csv", b"user_id,phone_number\nu1,+12125550100\nu2,nan\n")
    store.replace("audit.csv", b"user_id,sex,race_ethnicity\n")
    deployment_in(settings).require()
    people = [one for one in look_at_deployment(settings) if one.part in {"MLIFE_CONTACTS", "MLIFE_AUDIT_TABLE"}]
    assert [(one.says, one.is_fault) for one in people] == [
        ("people in it: 2", False),
        (
            "1 of its numbers are no phone number and reach nobody, the first in row 2 of "
            f"{s3_place.url}/contacts.csv (the first of data is row 1)",
            True,
        ),
        (f"{s3_place.url}/audit.csv holds nobody yet", True),
    ]
    platform = board_ports(settings)
    assert platform.home.messengers.contacts.phone_numbers(["u1"]) == {"u1": "+12125550100"}
    assert platform.home.private.audit_attributes.groups_of(["u1"]).sex == ("unknown",)


def test_a_home_that_became_another_meanwhile_is_not_written_to(tmp_path: Path) -> None:
    late = [settings_of(tmp_path), Settings(home=tmp_path)]
    Settings(home=tmp_path, deployment="standalone", first_day=DAY).memory.keep_deployment()
    for one in late:
        with pytest.raises(InvalidInputError, match="begun with deployment standalone, first day 2025-06-02"):
            one.memory.keep_deployment()


def test_of_two_processes_that_begin_a_home_the_later_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, other = os.link, DAY + timedelta(days=1)

    def link_late(source: str, target: Path) -> None:
        monkeypatch.setattr("mlife_assets.deployment_settings.os.link", link)
        Settings(home=tmp_path, deployment="standalone", first_day=other).memory.keep_deployment()
        link(source, target)

    mine = Settings(home=tmp_path, deployment="standalone", first_day=DAY)
    monkeypatch.setattr("mlife_assets.deployment_settings.os.link", link_late)
    with pytest.raises(InvalidInputError, match=f"first day {other}"):
        mine.memory.keep_deployment()
    assert begun(tmp_path)["first_day"] == str(other)
    assert [path.name for path in tmp_path.iterdir()] == ["deployment.json"]


def test_a_crash_while_it_is_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_: int) -> None:
        raise OSError("no power")

    monkeypatch.setattr("mlife_assets.deployment_settings.os.fsync", dies)
    with pytest.raises(OSError, match="no power"):
        settings_of(tmp_path, contacts="c.csv").memory.keep_deployment()
    assert not list(tmp_path.iterdir())


def in_bucket(place: Bucket, **changed: Any) -> dict[str, Any]:
    key = {"s3_access_key_id": "READER", "s3_secret_access_key": "reader-secret"}
    return {"landing": place.url, "s3_endpoint": place.endpoint, **key, **changed}


def test_files_are_taken_from_a_bucket_by_a_key_that_may_only_read(tmp_path: Path, s3_place: Bucket) -> None:
    exported = encode_table(example_rows(EVENT_TYPES["click"], FIRST))
    ObstoreObjectStore.in_bucket(s3_place).put_if_absent(f"click/dt={FIRST}/a.parquet", exported)
    settings = settings_of(tmp_path / "home", **in_bucket(s3_place))
    platform = board_ports(settings)
    first = settings.days.first_partition
    assert platform.home.intake.area.delivered({FIRST}) == {FIRST: [f"click/dt={FIRST}/a.parquet"]}
    report = platform.home.intake.ingest_at(first).ingest(FIRST)
    assert (report.accepted, report.rejected) == (3, 0)
    assert platform.event_log.read("click").num_rows == 3
    assert not settings.places.landing_folder.exists()


def test_a_landing_bucket_is_looked_at_and_its_trouble_stops_no_reading_of_replies(
    tmp_path: Path, s3_place: Bucket
) -> None:
    def said(**changed: Any) -> Finding:
        settings = settings_of(tmp_path, **in_bucket(s3_place, **changed))
        require_places_are_there(settings)
        (found,) = [one for one in look_at_places(settings) if one.part == "MLIFE_LANDING"]
        return found

    assert said().says == f"files are delivered to {s3_place.url}; nothing lies there yet"
    ObstoreObjectStore.in_bucket(s3_place).put_if_absent(f"click/dt={FIRST}/a.parquet", b"1")
    assert said().says.endswith(f"click/dt={FIRST}/a.parquet can be read")
    assert not said().is_fault
    nowhere = said(landing="s3://nowhere-at-all/in")
    assert (nowhere.is_fault, "make it, or correct" in nowhere.remedy) == (True, True)
    keyless = said(s3_access_key_id=None)
    assert keyless.is_fault
    assert "AWS_ACCESS_KEY_ID" in f"{keyless.says} {keyless.remedy}"


def test_where_others_deliver_is_remembered(tmp_path: Path) -> None:
    bucket = {"landing": "s3://exports/in", "s3_endpoint": "http://127.0.0.1:9000"}
    settings_of(tmp_path / "bucket", **bucket).memory.keep_deployment()
    assert Settings(home=tmp_path / "bucket").buckets.s3_endpoint == bucket["s3_endpoint"]
    elsewhere = tmp_path / "exports"
    settings_of(tmp_path / "home", landing=str(elsewhere)).memory.keep_deployment()
    again = Settings(home=tmp_path / "home")
    assert again.places.landing == elsewhere
    platform = board_ports(again)
    with pytest.raises(NotFoundError, match="is gone; restore it"):
        platform.home.intake.area.look(FIRST)
    assert not elsewhere.exists(), "a folder that was named is its owner's"


def test_the_doctor_names_what_is_not_there(tmp_path: Path) -> None:
    found = {one.part: one for one in look_at_deployment(settings_of(tmp_path))}
    assert {name for name, one in found.items() if one.is_fault} == {
        "MLIFE_CONTACTS",
        "MLIFE_AUDIT_TABLE",
        "MLIFE_LANDING",
    }
    assert "nobody is sent anything" in found["MLIFE_CONTACTS"].says
    assert "the gate promotes no model" in found["MLIFE_AUDIT_TABLE"].says
    private = tmp_path / "private"
    private.mkdir()
    (tmp_path / "landing").mkdir()
    for name, text in (("c.csv", "user_id,phone_number\nu1,\n"), ("a.csv", "user_id,sex,race_ethnicity\nu1,Male,\n")):
        (private / name).write_text(text)
        (private / name).chmod(0o600)
    settings = settings_of(tmp_path, contacts="c.csv", audit_table="a.csv")
    deployment_in(settings).require()
    assert not any(one.is_fault for one in look_at_deployment(settings))
    (private / "a.csv").write_text("user_id,sex,race_ethnicity\n")
    (fault,) = (one for one in look_at_deployment(settings) if one.is_fault)
    assert (fault.part, fault.says) == ("MLIFE_AUDIT_TABLE", "a.csv holds nobody yet")


def test_what_was_named_and_is_not_there_stops_the_start(tmp_path: Path) -> None:
    for fields, sentence in (
        ({"contacts": "c.csv"}, "MLIFE_CONTACTS: there is no file"),
        ({"audit_table": "a.csv"}, "MLIFE_AUDIT_TABLE: there is no file"),
        ({"clock_file": tmp_path / "present"}, "MLIFE_CLOCK_FILE: "),
    ):
        settings = settings_of(tmp_path, **fields)
        with pytest.raises(MlifeError, match=sentence):
            deployment_in(settings).require()
        with pytest.raises(MlifeError, match=sentence):
            require_places_are_there(settings)
    assert look_at_deployment(settings)[-2].is_fault, "and the doctor goes on to the next part"


def test_the_clock_is_the_machines_or_that_of_a_file(tmp_path: Path) -> None:
    assert isinstance(clock_of(None), SystemClock)
    assert isinstance(clock_of(tmp_path / "present"), FileClock)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"DEPLOYMENT": "standalone"}, "MLIFE_DEPLOYMENT is standalone and MLIFE_FIRST_DAY says nothing; set it to"),
        ({"FIRST_DAY": "2025-01-15"},
         "MLIFE_FIRST_DAY is set and the simulated market has a first day of its own; unset"),
        ({"CONTACTS": "book.csv"}, "MLIFE_CONTACTS or MLIFE_AUDIT_TABLE is set and the simulated market has both"),
        ({"DEPLOYMENT": "standalone", "FIRST_DAY": "January"}, "MLIFE_FIRST_DAY: "),
        ({"DEPLOYMENT": "standalone", "FIRST_DAY": "2025-01-15", "CLOCK_FILE": "/now", "ENVIRONMENT": "prod"},
         "MLIFE_CLOCK_FILE sets the present of a standalone deployment in MLIFE_ENVIRONMENT dev alone; unset it"),
        ({"CLOCK_FILE": "/now"}, "MLIFE_CLOCK_FILE sets the present of a standalone deployment"),
        ({"LANDING": "/exports"}, "MLIFE_LANDING is set and the simulated market delivers to the home; unset it"),
        ({**STANDALONE, "LANDING": "exports"}, "MLIFE_LANDING: "),
        ({**STANDALONE, "LANDING": "/data/in", "LAKE": "/data"}, "MLIFE_LANDING lies in the lake, or holds it"),
        ({**STANDALONE, "LANDING": "s3://data/lake/in", "LAKE": "s3://data/lake", **KEY},
         "MLIFE_LANDING lies in the lake, or holds it"),
        ({**STANDALONE, "CONTACTS": "s3://people/book.txt"},
         "MLIFE_CONTACTS: the address is not s3://bucket/key.parquet"),
        ({**STANDALONE, "CONTACTS": "S3://people/a.csv"}, "MLIFE_CONTACTS: the address is not s3://bucket/key.parquet"),
        ({**STANDALONE, "AUDIT_TABLE": "s3://people"}, "MLIFE_AUDIT_TABLE: the address is not s3://bucket/key.parquet"),
        ({"CONTACTS": "s3://people/a.csv"}, "MLIFE_CONTACTS or MLIFE_AUDIT_TABLE is set and the simulated market has"),
        ({**STANDALONE, "CONTACTS": "s3://data/people/a.csv", "LAKE": "s3://data/lake", **KEY},
         "MLIFE_CONTACTS lies in the bucket of MLIFE_LAKE, which others read; name a bucket for people's data alone"),
        ({**STANDALONE, "AUDIT_TABLE": "s3://data/a.csv", "LANDING": "s3://data/in", **KEY},
         "MLIFE_AUDIT_TABLE lies in the bucket of MLIFE_LANDING"),
        ({**STANDALONE, "LANDING": "/", **KEY}, "MLIFE_LANDING lies in the private folder of the home, or holds it"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_field_and_remedy(tmp_path: Path, monkeypatch, fields, sentence) -> None:
    for name, value in fields.items():
        monkeypatch.setenv(name if name.startswith("AWS_") else f"MLIFE_{name}", value)
    with pytest.raises(InvalidInputError, match=re.escape(sentence)), faults_named():
        Settings(home=tmp_path)


def test_the_dashboard_says_whose_data_it_shows(platform: BoardPorts, tmp_path: Path) -> None:
    assert world_of(platform) == "standalone, data that others deliver"
    settings = Settings(home=tmp_path / "market")
    market = board_ports(settings)
    assert world_of(market) == f"simulated market, seed {settings.market.seed}"
