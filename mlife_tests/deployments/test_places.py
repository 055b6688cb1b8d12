"""Places and ports of a home: looked at before work starts, made once, of the settings, with mails written as files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.event_log.manifests import manifest_key
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.mailboxes.folder import FolderMailbox, MailFaults
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables
from mlife_assets.components.conversion_model import platform_of
from mlife_assets.components.messages.sending import read_plan
from mlife_assets.core.errors import (
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    TransientError,
    UpstreamMismatchError,
)
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import FIRST_PARTITION, add_days, day_start, run_time
from mlife_assets.deployments.board_ports import BoardHome, BoardPorts, board_ports
from mlife_assets.deployments.embedded import delivered_messages
from mlife_assets.deployments.keys import MANIFEST_KEY
from mlife_assets.deployments.landed_days import INGEST_REPORT, require_landed, require_previous
from mlife_assets.deployments.places import look_at_places, require_places_are_there, require_sound_places
from mlife_assets.deployments.ports import head_stores
from mlife_assets.deployments.sealing import audit_log, seal
from mlife_assets.home_settings import HomeSettings
from mlife_assets.market.texts import POSITION
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.mail.mime import Stationery, read_unsubscribe_token, unsubscribe_token, use_of_link
from mlife_assets.recruiting.messaging.replies import STOP
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings
from mlife_tests.rows import events

TODAY, NEXT, LATER = date(2026, 6, 2), date(2026, 6, 3), date(2026, 6, 5)
DAYS = SimpleNamespace(first_lived_date=TODAY, first_partition=FIRST_PARTITION)
DAY = date(2026, 6, 2)
EVE = add_days(DAY, -1)
NAME = "mails"


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
    chain_in(ObstoreObjectStore.at(ours.places.lake), b"t" * 32)
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
    lake = ObstoreObjectStore.at(ours.places.lake)
    chain_in(lake, Keyring(ours.private_folder / "keys", seed=ours.key_seed).key(MANIFEST_KEY))
    require_sound_places(ours)
    require_places_are_there(ours)
    lake.put_if_absent(manifest_key(1), b"of a power cut")
    require_places_are_there(ours)


def test_a_home_that_signed_is_asked_by_its_heads(tmp_path: Path) -> None:
    ours = Settings(home=tmp_path / "home", lake=str(tmp_path / "lake"), environment="prod")
    chain_in(ObstoreObjectStore.at(ours.places.lake), b"t" * 32)
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


def test_what_has_landed_may_be_worked_with():
    require_landed(DAYS, TODAY)
    require_landed(DAYS, TODAY, TODAY)
    require_previous(DAYS, [TODAY], NEXT)
    require_previous(DAYS, [TODAY], TODAY.replace(day=3))
    require_previous(DAYS, [], FIRST_PARTITION)


@pytest.mark.parametrize("ask", [partial(require_landed, DAYS, None), partial(require_previous, DAYS, [], TODAY)])
def test_on_an_empty_home_the_jobs_of_a_beginning_are_named_in_order(ask):
    with pytest.raises((NotFoundError, UpstreamMismatchError)) as caught:
        ask()
    why = str(caught.value)
    assert "nothing has landed yet" in why
    assert "(2026-04-04 to 2026-06-01)" in why
    places = [why.index(job) for job in ("history_job", "retraining_job", "daily_lifecycle_job")]
    assert places == sorted(places)


def test_a_day_that_comes_too_early_names_the_next():
    with pytest.raises(NotFoundError, match=f"{LATER} has not landed yet: the next day that can run is {NEXT}"):
        require_landed(DAYS, TODAY, LATER)
    with pytest.raises(UpstreamMismatchError, match=f"the next one is {NEXT}; choose {NEXT}, or backfill {NEXT} to"):
        require_previous(DAYS, [TODAY], LATER)


def opened_platform(home: Path, database: str, seed: int = 1) -> BoardPorts:
    settings = Settings(home=home, seed=seed, database=SecretStr(database))
    return board_ports(settings, policies=Policies())


def pause(platform: BoardPorts) -> None:
    """Append an event and sign it: the ledger holds the head, too."""
    platform.event_log.append("sending_paused", events("sending_paused", {}, at=run_time(DAY)), writer="test")
    seal(platform.home)


def test_the_ledger_of_a_home_with_a_database_is_there_for_the_next_process(tmp_path: Path, postgres_url: str) -> None:
    first = opened_platform(tmp_path, postgres_url)
    first.ledger.people.suppress("u1", now=run_time(DAY), reason="asked by post")
    pause(first)
    first.ledger.close()
    again = opened_platform(tmp_path, postgres_url)
    assert again.ledger.people.is_suppressed("u1", at=run_time(DAY))
    assert [store.name for store in head_stores(again.home)] == [again.home.private.heads.store.name, "ledger"]
    assert again.ledger.heads.sequences() == again.home.private.heads.store.sequences() == [0]
    assert audit_log(again.home).verification.is_intact
    assert not list(tmp_path.rglob("ledger.sqlite*"))
    again.ledger.close()


def test_asking_makes_no_ledger(tmp_path: Path, postgres_url: str) -> None:
    platform = opened_platform(tmp_path, postgres_url)
    assert platform.home.ledger_if(is_made=False) is None
    assert list(head_stores(platform.home)) == [platform.home.private.heads.store]
    assert not holds_tables(postgres_url, "mlife")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_home_is_not_the_ledger_of_a_home_with_a_database(tmp_path: Path, postgres_url: str) -> None:
    in_files = board_ports(Settings(home=tmp_path), policies=Policies())
    assert in_files.home.ledger_if(is_made=False) is None
    in_files.ledger.close()
    assert in_files.home.ledger_if(is_made=False) is not None
    assert opened_platform(tmp_path, postgres_url).home.ledger_if(is_made=False) is None


def test_a_database_that_cannot_be_reached_is_no_home_without_a_ledger(tmp_path: Path) -> None:
    platform = opened_platform(tmp_path, "postgresql:///mlife?host=/nowhere")
    pause(board_ports(Settings(home=tmp_path, seed=1), policies=Policies()))
    asked = (
        lambda: platform.home.ledger_if(is_made=False),
        lambda: head_stores(platform.home),
        lambda: seal(platform.home),
        lambda: audit_log(platform.home),
    )
    for ask in asked:
        with pytest.raises(TransientError, match="MLIFE_DATABASE"):
            ask()


@pytest.mark.parametrize("ran_before", [False, True], ids=["a new home", "a home that ran on files"])
def test_a_second_home_on_the_database_of_another_is_refused(
    tmp_path: Path, postgres_url: str, ran_before: bool
) -> None:
    first = opened_platform(tmp_path / "first", postgres_url)
    pause(first)
    if ran_before:
        pause(board_ports(Settings(home=tmp_path / "second", seed=2), policies=Policies()))
    second = opened_platform(tmp_path / "second", postgres_url, seed=2)
    says = "is another home's" if ran_before else "ledger/0 is not signed by a key that is pinned"
    for ask in (lambda: pause(second), lambda: seal(second.home)):
        with pytest.raises(IntegrityError, match=rf"{says}.*MLIFE_DATABASE"):
            ask()
    assert first.ledger.heads.sequences() == [0]
    assert audit_log(first.home).verification.is_intact
    first.ledger.close()
    if not ran_before:
        second.ledger.close()


@pytest.mark.parametrize(("was_scored", "known_at"), [(False, day_start(EVE)), (True, run_time(DAY))])
def test_a_file_that_lands_after_its_day_was_scored_is_known_since_then(platform, was_scored, known_at) -> None:
    """Known earlier, the rows that the day logged are not what the log says, and the row recompute blocks the next."""
    platform.tables.write_report(INGEST_REPORT, DAY, {"day": EVE, "types": []})
    if was_scored:
        platform.event_log.append("prediction", events("prediction", {}, at=run_time(DAY)), writer="scorer")
    click = events("click", {}, at=day_start(EVE), source="organic")
    platform.home.intake.folder.put_if_absent(f"click/dt={EVE}/late.parquet", encode_table(click))
    assert platform.home.intake.ingest_at(DAY).ingest(EVE).accepted == 1
    assert platform.event_log.read("click")["observed_at"].to_pylist() == [known_at]


def test_models_share_the_home_and_have_things_of_their_own(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoardHome, "warehouse", property(lambda _: pytest.fail("nobody asked for rows")))
    first, other = platform.of_model(), platform.of_model("churn_risk")
    assert (first.model.name, other.model.name) == ("job_applications", "churn_risk")
    assert not list(platform.settings.home.iterdir()), "asking for a model opens nothing that it has"
    assert first is platform.of_model("job_applications") is platform.of_application(NAME).of_model()
    assert first.event_log is other.event_log is platform.event_log
    assert first.lake is other.lake
    for one, name, group, job in (
        (first, "job_applications", "model", "retraining_job"),
        (other, "churn_risk", "churn_risk", "churn_risk_retraining_job"),
    ):
        assert (one.model_name, one.registry.model_name, one.group, one.retraining_job) == (name, name, group, job)


def test_a_run_keeps_rows_of_its_own_until_another_asks(platform: BoardPorts) -> None:
    one = platform.in_run("one").of_model()
    churn = platform.of_model("churn_risk").in_run("one")
    with patch.object(one.warehouse, "rest") as rest:
        assert platform.of_model().in_run("one").warehouse is one.warehouse
    rest.assert_called_once_with()
    assert (churn.model_name, one.model_name) == ("churn_risk", "job_applications")
    assert platform.in_run("one").warehouse is one.warehouse
    assert one.registry is platform.of_model().registry
    assert one.warehouse is not churn.warehouse
    kept = one.warehouse
    made = kept.once("made", dict)
    other = platform.of_model().in_run("other")
    assert other.warehouse is not kept
    assert kept.once("made", dict) is not made
    assert platform.of_model().in_run("one").warehouse is not kept


def mails(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name=NAME, title="Mails", channel=Channel.EMAIL, items=2)


def calls(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name="calls", title="Calls", channel=Channel.CALL)


@pytest.fixture
def home(open_home, sending_home) -> Any:
    contact = replace(sending_home.CONTACT, minimum_days_between_messages=0)
    found = open_home(declared=(job_of_the_day, mails), contact=contact)
    stationery = Stationery(found.platform.policies.letterhead, found.platform.home.private.mail_key)
    box = FolderMailbox(found.private / "mail", stationery, seed=1, faults=MailFaults(delivered_share=0.8))
    vars(found.platform.home.messengers)["mails"] = box
    found.prepare(sending_home.DAY)
    found.made = found.plan(application=NAME)
    return found


def test_a_mail_has_the_jobs_of_its_reader_and_goes_to_their_address(home, sending_home) -> None:
    platform, day = home.platform, sending_home.DAY
    plan = read_plan(platform.of_application(NAME), day).planned.to_pylist()
    shown = home.made.metadata["sample_texts"].value
    assert "Mail: Registered Nurse" in shown
    assert "html" not in shown
    assert home.made.metadata["audience"] == "Everybody who can be reached."
    assert home.made.metadata["planned_spend_usd"].value == 0
    home.send(application=NAME)
    files = {path.stem: path for path in (home.private / "mail" / "sent").glob("*.eml")}
    sent = {row.message_id: row for row in platform.ledger.sends.rows(campaign=NAME)}
    # Some have no address and some mistyped it: nothing is sent to them, which the ledger says.
    assert {key for key, row in sent.items() if row.provider_message_id} == set(files)
    assert len(plan) == sending_home.USERS > len(files) > sending_home.USERS * 0.7
    book = platform.home.intake.world.mail_book()
    for row in plan:
        if row["message_id"] not in files:
            continue
        mail = message_from_bytes(files[row["message_id"]].read_bytes(), policy=default)
        assert mail["To"] == book.mail_addresses([row["user_id"]])[row["user_id"]]
        said = read_mail_body(row["body"])
        assert mail.get_body(("html",)).get_content().split() == said.html.split()
        assert row["items"][0]["job_id"] == row["job_id"]
        assert said.text.count("about 3 miles away") == len(row["items"]) == 2
        token = unsubscribe_token(row["user_id"], NAME, platform.home.private.mail_key)
        assert token in mail["List-Unsubscribe"]
        assert read_unsubscribe_token(token, platform.home.private.mail_key).application == NAME


def test_the_market_is_told_of_each_job_in_a_mail_that_arrived(home, sending_home) -> None:
    home.plan()
    home.send()
    home.send(application=NAME)
    shared = home.platform.home
    rows = delivered_messages(shared.private, sending_home.DAY, *shared.messengers.gateways.values()).to_pylist()
    in_mails = [row for row in rows if row[POSITION] is not None]
    texts = [row for row in rows if row[POSITION] is None]
    assert texts
    plan = {
        row["message_id"]: row
        for row in read_plan(home.platform.of_application(NAME), sending_home.DAY).planned.to_pylist()
    }
    arrived = {row["message_id"] for row in in_mails}
    sent = home.platform.home.messengers.mails.sent_messages(sending_home.DAY).to_pylist()
    assert arrived == {row["message_id"] for row in sent if row["is_delivered"]}
    assert len(arrived) < len(sent), "some did not arrive"
    expected = {(key, item["job_id"], item["position"]) for key in arrived for item in plan[key]["items"]}
    assert {(row["message_id"], row["job_id"], row[POSITION]) for row in in_mails} == expected


def test_the_market_is_told_of_the_plan_that_was_sent_and_not_of_an_earlier_one(home, sending_home) -> None:
    home.change_job("j1", "Cook at evil.example")
    home.plan(application=NAME)
    home.send(application=NAME)
    shared = home.platform.home
    rows = delivered_messages(shared.private, sending_home.DAY, *shared.messengers.gateways.values()).to_pylist()
    assert rows
    assert "j1" not in {row["job_id"] for row in rows}


def test_a_mail_whose_words_were_changed_in_the_lake_is_not_sent(home, sending_home) -> None:
    home.change_job("j1", "Another Title")
    with pytest.raises(GateClosedError, match="worded otherwise than the facts of their jobs give"):
        home.send(application=NAME)
    assert not list((home.private / "mail" / "sent").glob("*.eml"))


def test_one_click_ends_mails_and_no_texts(home, sending_home) -> None:
    platform = home.platform
    home.send(application=NAME)
    first = platform.ledger.sends.rows(campaign=NAME)[0]
    token = unsubscribe_token(first.user_id, NAME, platform.home.private.mail_key)
    at = platform.home.times.outcomes(sending_home.DAY)
    asked = use_of_link(read_unsubscribe_token(token, platform.home.private.mail_key), token, at)
    platform.ledger.replies.record(asked.inbound_id, asked.user_id, STOP, received_at=at, now=at, channel=Channel.EMAIL)
    person = platform.home.messengers.people.register([first.user_id], now=at)[first.user_id].person_id
    later = at + timedelta(hours=1)
    assert person in platform.ledger.people.suppressed_people(at=later, channel=Channel.EMAIL)
    assert person not in platform.ledger.people.suppressed_people(at=later, channel=Channel.SMS)


def test_each_channel_has_a_provider_and_mails_a_key_of_their_own(home) -> None:
    platform = home.platform
    assert platform.home.providers == {"sms": "console", "email": "folder"}
    assert platform.home.private.mail_key != platform.home.private.link_key
    assert platform.home.private.stamps.mail_key == platform.home.private.mail_key
    assert platform.home.private.stamps.letterhead == platform.home.private.letterhead == platform.policies.letterhead


def test_two_homes_of_one_seed_mail_and_list_the_same_byte_for_byte(open_home, sending_home) -> None:
    found = []
    for name in ("one", "other"):
        home = open_home(name, declared=(job_of_the_day, mails, calls))
        home.prepare(sending_home.DAY)
        home.plan(application="calls")
        home.plan(application=NAME)
        home.send(application=NAME)
        home.evening(application=NAME)
        folders = (home.folder / "lake", home.private / "mail" / "sent")
        files = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
        found.append({str(path.relative_to(home.folder)): path.read_bytes() for path in files})
    assert found[0] == found[1]
    assert any("calls/calls/" in name for name in found[0])
    assert sum(name.endswith(".eml") for name in found[0]) > 10
