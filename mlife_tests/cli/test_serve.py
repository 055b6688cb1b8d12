"""Deployments at the command line: `serve`, `infra`, and settings that cannot work.

Shown: the commands, end to end, with clients of an emulator. Not shown: the tasks of an environment, whose containers
nobody runs here.

Each case runs `mlife demo`, which makes everything that a deployment has, unless the case is of a deployment without a
market. Nothing of it is there afterwards.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE
from types import ModuleType
from typing import Any

import obstore
import orjson
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.testing import CliRunner

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.delivery import stacks
from mlife_assets.adapters.delivery.smoke import CHECKS, NOT_YET, Ended, RunTasks
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import versions
from mlife_assets.cli.app import app
from mlife_assets.cli.serve import champion_providers, endpoint_token, serving_versions
from mlife_assets.core.errors import IntegrityError, NotFoundError, PermanentError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.mime import unsubscribe_token
from mlife_assets.settings import Settings
from mlife_tests.sql import run_sql

USER = "usr_0000001"
STACKS = """
stacks:
  - {stack: mlife-place, template: place, account: environment}
  - {stack: mlife-dagster, template: dagster, account: environment}
given: {}
"""
PLACE = """
Resources:
  Place: {Type: AWS::SSM::Parameter, Properties: {Name: /mlife/place, Type: String, Value: home}}
"""
DAGSTER = """
Parameters:
  Image: {Type: String}
  Place: {Type: "AWS::SSM::Parameter::Value<String>", Default: /mlife/place}
Resources:
  ImageParameter: {Type: AWS::SSM::Parameter, Properties: {Name: /mlife/dagster/image, Type: String, Value: !Ref Image}}
"""
ACCOUNTS = """
region: us-east-1
accounts:
  dev: "811111111111"
  staging: "822222222222"
  prod: "833333333333"
  delivery: "844444444444"
  witness: "855555555555"
parameters: {}
"""
SECRET = "a-hidden-secret"
KEY = "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
RIGHTS = "grant read and write on the store"
ADDRESS = "postgresql://user:password@host:port/database"


def test_the_endpoint_follows_a_rollback_and_stops_with_0(run, home, listening):
    with listening("serve", "--port", "0") as (started, session):
        versions = [session.get(f"{started['url']}/v1/model", timeout=20).json()["model_version"]]
        run("models", "rollback", "--reason", "worse")
        versions.append(session.get(f"{started['url']}/v1/model", timeout=20).json()["model_version"])
    assert versions == [home.champions[1], home.champions[0]]
    assert started["model_version"] == home.champions[1]
    assert started["models"] == {"job_applications": home.champions[1], "churn_risk": None}
    assert started["token"] is None


def test_beyond_this_machine_the_token_that_was_made_is_needed(home, listening):
    command = ("serve", "--host", "0.0.0.0", "--port", "0", "--make-token")
    with listening(*command) as (started, session):
        path = Path(started["token"])
        token = path.read_text(encoding="ascii").strip()
        url = started["url"].replace("0.0.0.0", "127.0.0.1") + "/v1/model"
        given = {"Authorization": f"Bearer {token}"}
        answers = [session.get(url, timeout=20), session.get(url, headers=given, timeout=20)]
    assert [answer.status_code for answer in answers] == [401, 200]
    assert path.is_relative_to(home.path / "private")
    assert (S_IMODE(path.stat().st_mode), S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    assert token not in orjson.dumps(started).decode()


def test_where_the_token_comes_from(tmp_path):
    settings = Settings(home=tmp_path)
    assert endpoint_token(settings, makes_token=False) == (None, None)
    made, path = endpoint_token(settings, makes_token=True)
    assert endpoint_token(settings, makes_token=False) == endpoint_token(settings, makes_token=True) == (made, path)
    assert len(made) == 64
    other, _ = endpoint_token(Settings(home=tmp_path / "other"), makes_token=True)
    assert other != made, "random in the embedded world, too: its seed is known to everybody"
    given = Settings(home=tmp_path, endpoint_token=SecretStr("0123456789abcdeffedcba9876543210"))
    assert endpoint_token(given, makes_token=True) == ("0123456789abcdeffedcba9876543210", "MLIFE_ENDPOINT_TOKEN")


def test_a_taken_port_is_reported(run, lived_home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        result = run("serve", "--port", taken.getsockname()[1], "--home", lived_home.path)
    assert result.exit_code == 1
    assert "choose another --port" in result.stderr


def test_without_a_champion_nothing_is_served(refusal_of, home):
    shutil.rmtree(home.path / "lake" / "events" / "event_type=model_promoted")
    with pytest.raises(NotFoundError, match="no model was promoted yet as job_applications"):
        next(iter(champion_providers(home.platform.home).values()))()
    assert "no model was promoted yet" in refusal_of("serve", "--port", "0")


def test_what_another_model_lacks_keeps_nobody_from_serving(home):
    def damaged():
        raise IntegrityError("a file was changed; restore it")

    def nobody():
        raise NotFoundError("no model was promoted yet")

    def unreadable():
        raise PermanentError("LightGBM cannot score: it reads no trees")

    first = champion_providers(home.platform.home)["job_applications"]
    found = serving_versions({"young": nobody, "hurt": damaged, "odd": unreadable, "first": first})
    assert found == {"young": None, "hurt": None, "odd": None, "first": home.champions[1]}
    with pytest.raises(IntegrityError, match="restore it"):
        serving_versions({"hurt": damaged, "young": nobody})


def test_a_click_is_in_the_ledger_when_the_page_says_so_and_ends_mails_alone(home, listening):
    settings = Settings(home=home.path)
    platform = board_ports(settings)
    before = platform.ledger.replies.rows().num_rows
    known = platform.ledger.replies.known()
    token = unsubscribe_token(USER, "email_digest", platform.home.private.mail_key)
    with listening("messages", "one-click", "--port", "0") as (started, session):
        url = started["url"]
        shown = session.get(url + token, timeout=20)
        assert platform.ledger.replies.known() == known, "looking changes nothing"
        strange = session.post(url + "a" * len(token), timeout=20)
        done = [session.post(url + token, data={"List-Unsubscribe": "One-Click"}, timeout=20) for _ in range(2)]
    assert [answer.status_code for answer in (shown, strange, *done)] == [200, 404, 200, 200]
    assert "You get no more mails from Northstar Jobs." in done[0].text
    (row,) = platform.ledger.replies.rows().to_pylist()[before:]
    assert (row["user_id"], row["keyword"], row["channel"]) == (USER, "STOP", "email")
    at = row["received_at"]
    ends = {one: platform.ledger.people.suppressed_people(at=at, channel=one) for one in (Channel.EMAIL, Channel.SMS)}
    assert (USER in ends[Channel.EMAIL], USER in ends[Channel.SMS]) == (True, False)
    platform.ledger.close()


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """Return a folder with two small stacks, the second of which reads what the first writes."""
    folder = tmp_path / "infra"
    for name, text in {
        "stacks.yaml": STACKS,
        "templates/place.yaml": PLACE,
        "templates/dagster.yaml": DAGSTER,
        "parameters/accounts.yaml": ACCOUNTS,
        **{f"parameters/{name}.yaml": "parameters: {}\n" for name in ("dev", "staging", "prod")},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_without_the_extra_the_command_names_it(infra: Path) -> None:
    """In a process of its own, into which no test of `make aws` has brought boto3."""
    code = f"import sys; sys.argv = ['mlife', 'infra', 'plan', 'dev', '--infra', {str(infra)!r}]; "
    code += "from mlife_assets.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "mlife: boto3 is not installed; run: pip install 'mlife[aws]'\n"


def test_a_folder_without_stacks_and_an_unknown_environment_are_named(
    refusal_of: Callable[..., Any], tmp_path: Path
) -> None:
    assert "--infra" in refusal_of("infra", "drift", "dev", "--infra", str(tmp_path))
    assert "no check is named no_check" in refusal_of("infra", "smoke", "dev", "--inside", "no_check", "--places", "{}")


def test_teardown_says_what_stays_and_asks_no_account(run: Callable[..., Any], repository: Path) -> None:
    asked = ("infra", "teardown", "prod", "--infra", str(repository / "infra"))
    shown, first = run(*asked).stdout, json.loads(run(*asked, "--json").stdout)["stacks"][0]
    assert shown.startswith(f"{first['stack']} in {first['account']}, by {first['by']}\n  first: aws cloudtrail delete")
    assert (
        "  stays, and costs: TrailBucket (AWS::S3::Bucket): COMPLIANCE, objects written today are locked until" in shown
    )
    assert shown.splitlines()[-1].startswith("mlife-bootstrap in ")


@pytest.mark.aws
class TestOnAnEmulator:
    """Commands against accounts that answer."""

    @pytest.fixture
    def on_emulator(
        self, aws_accounts: ModuleType, repository: Path, tmp_path: Path, monkeypatch: Any
    ) -> Iterator[Any]:
        """Give the commands clients of the emulator, with the credentials of one account."""
        with aws_accounts.running_emulator(repository, tmp_path / "emulator") as address:
            account = aws_accounts.accounts(address)
            monkeypatch.setattr(stacks, "clients", lambda _: account("811111111111"))
            monkeypatch.setattr("time.sleep", lambda _: None)
            yield account

    def test_from_nothing_to_an_update_and_back(self, run: Callable[..., Any], infra: Path, on_emulator: Any) -> None:
        plan, of = infra / "plan.json", ("--infra", str(infra))
        shown = run("infra", "plan", "dev", "--image", "one", "--out", str(plan), *of)
        assert shown.exit_code == 0, shown.stderr
        assert "mlife-dagster: new, waits for /mlife/place" in shown.stdout
        assert run("infra", "apply", str(plan), *of).stdout == "mlife-place: made\nmlife-dagster: made\n"
        planned = run("infra", "plan", "dev", "--json", *of)
        assert planned.exit_code == 0, planned.stderr
        again = json.loads(planned.stdout)
        assert [one["change_set"] for one in again["stacks"]] == [None, None]
        assert again["image"] == again["image_before"] == "one"
        for kept, more in ((0, ()), (1, ("--out", str(plan)))):
            run("infra", "plan", "dev", "--image", "two", *more, *of)
            left = on_emulator("811111111111")("cloudformation").list_change_sets(StackName="mlife-dagster")
            assert sum(one["ExecutionStatus"] == "AVAILABLE" for one in left["Summaries"]) == kept
        applied = run("infra", "apply", str(plan), "--json", *of)
        assert json.loads(applied.stdout) == {"stacks": {"mlife-dagster": "updated", "mlife-place": "nothing differs"}}
        assert run("infra", "apply", str(plan), *of).exit_code == 1
        back = run("infra", "rollback", "dev", *of)
        assert "image: two -> one" in back.stdout
        assert json.loads(run("infra", "plan", "dev", "--json", *of).stdout)["image"] == "one"
        assert run("infra", "drift", "dev", *of).exit_code == 0
        on_emulator("811111111111")("ssm").put_parameter(
            Name="/mlife/place", Value="by hand", Type="String", Overwrite=True
        )
        drifted = run("infra", "drift", "dev", *of)
        assert drifted.exit_code == 1
        assert "mlife-place: drifted\n  changed: Place (AWS::SSM::Parameter)\n" in drifted.stdout

    def test_what_aws_refuses_is_one_sentence(self, run: Callable[..., Any], infra: Path, on_emulator: Any) -> None:
        other = run("infra", "plan", "prod", "--image", "one", "--infra", str(infra))
        assert (other.exit_code, "are of account 811111111111" in other.stderr) == (1, True)
        (infra / "templates" / "place.yaml").write_text("Resources: {Place: {Type: AWS::No::Thing}}", encoding="utf-8")
        refused = run("infra", "plan", "dev", "--image", "one", "--infra", str(infra))
        assert refused.exit_code == 1
        assert refused.stderr.splitlines()[-1].startswith("mlife: AWS: ")

    def test_smoke_runs_every_check_and_fails_with_one(
        self, run: Callable[..., Any], repository: Path, on_emulator: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = on_emulator("811111111111")
        for name in ("event-log/bucket", "lake/bucket", "people/bucket", "people/key-arn", "catalog/workgroup"):
            of("ssm").put_parameter(Name=f"/mlife/{name}", Value="x", Type="String")
        started: dict[str, Any] = {}

        def ended(self: RunTasks, commands: dict[str, Any]) -> dict[str, Ended]:
            started.update(commands)
            return {name: Ended(codes.get(name, 0), "", f"stream of {name}") for name in commands}

        monkeypatch.setattr(RunTasks, "run", ended)
        red, waits = "athena_answers", "log_is_put_once"
        codes = {red: 1, waits: NOT_YET}
        result = run("infra", "smoke", "dev", "--infra", str(repository / "infra"))
        assert result.exit_code == 1
        assert result.stdout.splitlines() == [
            f"FAILED  {name}  exit code 1 ; stream of {name}"
            if name == red
            else f"{'not yet' if name == waits else 'ok':<8}{name}"
            for name in CHECKS
        ]
        assert started[red][:6] == ["mlife", "infra", "smoke", "dev", "--places", started[red][5]]
        assert json.loads(started[red][5])["event_log"] == "x"
        del codes[red]
        assert run("infra", "smoke", "dev", "--infra", str(repository / "infra")).exit_code == 0
        assert run("infra", "migrate", "dev", "--infra", str(repository / "infra")).exit_code == 0
        assert started["run"] == ["dagster", "instance", "migrate"]
        command = ["mlife", "models", "export", "--to", "s3://mlife-bundles-844444444444/dev", "--", "0123"]
        asked = ("infra", "run", "dev", "--infra", str(repository / "infra"), "--", *command)
        assert run(*asked).stdout == "ok: stream of run \n"
        assert started["run"] == command
        codes["run"] = 1
        assert run(*asked).exit_code == 1

    def test_a_check_runs_where_it_is_asked_for(self, run: Callable[..., Any], on_emulator: Any) -> None:
        places: dict[str, Any] = {
            "environment": "dev", "region": "us-east-1", "ui": "", "log_in": "", "event_log": "log", "lake": "log",
            "made": SystemClock().now().isoformat(),
        }  # fmt: skip
        places |= {"log_heads": "", "people": "", "people_key": "", "workgroup": "", "alerts": "", "runs_days": True}
        asked = ("infra", "smoke", "dev", "--places", json.dumps(places), "--inside")
        assert run(*asked, "stop_flag_is_read").stdout == "ok: stop_flag_is_read: nothing was ever stopped\n"
        on_emulator("811111111111")("s3").create_bucket(Bucket="log")
        red = run(*asked, "log_refuses_deletion")
        assert (red.exit_code, "and not with AccessDenied" in red.stderr) == (1, True)
        waits = run(*asked, "log_is_put_once")
        assert (waits.exit_code, waits.stdout[:34]) == (NOT_YET, "not yet: log_is_put_once: this is ")


@dataclass
class Place:
    """Where a case is set up: a bucket and a database of its own, a home that is not there yet."""

    home: Path
    bucket: Bucket
    s3: Any
    patch: pytest.MonkeyPatch
    request: pytest.FixtureRequest
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> str:
        return str(self.request.getfixturevalue("postgres_url"))

    def in_bucket(self, **changed: str) -> None:
        """Name the bucket as the lake, with some variables changed; an empty one is unset."""
        stated = {**self.s3.variables(self.bucket.url), **changed}
        self.variables |= {name: value for name, value in stated.items() if value}

    def in_database(self, **changed: Any) -> None:
        url = sa.make_url(self.database).set(**changed)
        self.variables["MLIFE_DATABASE"] = url.render_as_string(hide_password=False)


def stated(**variables: str) -> Callable[[Place], None]:
    return lambda place: place.variables.update(variables)


def in_bucket(**changed: str) -> Callable[[Place], None]:
    return lambda place: place.in_bucket(**changed)


def in_bucket_that_holds(key: str) -> Callable[[Place], None]:
    return lambda place: (ObstoreObjectStore.in_bucket(place.bucket).put_if_absent(key, b""), place.in_bucket())


def in_database(**changed: Any) -> Callable[[Place], None]:
    return lambda place: place.in_database(**changed)


def takes_a_second_put(place: Place) -> None:
    put = obstore.put
    place.patch.setattr(obstore, "put", lambda *given, mode, **kept: put(*given, mode="overwrite", **kept))
    place.in_bucket()


def clock_is_off(place: Place) -> None:
    place.patch.setattr(SystemClock, "now", lambda _: datetime.now(UTC) + timedelta(hours=1))
    place.in_bucket()


def no_extension(place: Place) -> None:
    place.patch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    place.in_bucket()


def extension_of_another_version(place: Place) -> None:
    place.patch.setattr("duckdb.__version__", "1.0.0")
    place.in_bucket()


def standby(place: Place) -> None:
    run_sql(
        place.database, f"ALTER DATABASE {sa.make_url(place.database).database} SET default_transaction_read_only = on"
    )
    place.in_database()


def wrong_password(place: Place) -> None:
    user = f"wrong_{sa.make_url(place.database).database}"
    run_sql(place.database, f"CREATE ROLE {user} LOGIN PASSWORD 'right' IN ROLE passworded")
    place.in_database(username=user, password=SECRET)


def no_rights(place: Place) -> None:
    user = f"closed_{sa.make_url(place.database).database}"
    run_sql(place.database, f"CREATE ROLE {user} LOGIN")
    place.in_database(username=user)


def newer_ledger(place: Place) -> None:
    engine = open_schema(place.database, LEDGER_SCHEMA)
    SqlLedger(engine)
    with engine.begin() as connection:
        connection.execute(sa.update(versions).values(version_num="0999"))
    engine.dispose()
    place.in_database()


def ledger_of_another(place: Place) -> None:
    SqlLedger(open_schema(place.database, LEDGER_SCHEMA)).close()
    place.in_database()


CASES: Mapping[str, tuple[Callable[[Place], None], str, str]] = {
    "another kind of bucket": (stated(MLIFE_LAKE="gs://lake"), "MLIFE_LAKE", "s3://bucket/prefix"),
    "a key in the address": (stated(MLIFE_LAKE=f"s3://me:{SECRET}@lake"), "MLIFE_LAKE", "s3://bucket/prefix"),
    "a lake without a name": (stated(MLIFE_LAKE=" "), "MLIFE_LAKE", "the whole path of a folder"),
    "a lake that holds the keys": (lambda place: place.variables.update(MLIFE_LAKE=str(place.home)), "MLIFE_LAKE",
        "name another folder"),
    "a key with the end of its line": (in_bucket(AWS_SECRET_ACCESS_KEY=f"{SECRET}\n"), "AWS_SECRET_ACCESS_KEY",
        "correct"),
    "a standby": (standby, "MLIFE_DATABASE", "name the primary server"),
    "a lake of another home": (in_bucket_that_holds("manifests/chain/000000/0"), "MLIFE_LAKE",
        "name a place of its own"),
    "no key": (in_bucket(AWS_ACCESS_KEY_ID=""), "AWS_ACCESS_KEY_ID", "set AWS_ACCESS_KEY_ID"),
    "no secret": (in_bucket(AWS_SECRET_ACCESS_KEY=""), "AWS_SECRET_ACCESS_KEY", "and AWS_SECRET_ACCESS_KEY"),
    "an endpoint and no bucket": (stated(MLIFE_S3_ENDPOINT="http://127.0.0.1:1"), "MLIFE_S3_ENDPOINT",
        "set MLIFE_LAKE"),
    "an endpoint that is no address": (in_bucket(MLIFE_S3_ENDPOINT="127.0.0.1:9000"), "MLIFE_S3_ENDPOINT", "correct"),
    "a wrong secret": (in_bucket(AWS_SECRET_ACCESS_KEY=SECRET), "MLIFE_LAKE", KEY),
    "an unknown key": (in_bucket(AWS_ACCESS_KEY_ID="NOBODY"), "MLIFE_LAKE", KEY),
    "a key that may only read": (in_bucket(AWS_ACCESS_KEY_ID="READER", AWS_SECRET_ACCESS_KEY="reader-secret"),
        "MLIFE_LAKE", RIGHTS),
    "a bucket that is not there": (in_bucket(MLIFE_LAKE="s3://nowhere-at-all/x"), "MLIFE_LAKE",
        "make it, or correct MLIFE_LAKE"),
    "a store that does not answer": (in_bucket(MLIFE_S3_ENDPOINT="http://127.0.0.1:1"), "MLIFE_LAKE",
        "check its address and the network"),
    "a store that takes a second put": (takes_a_second_put, "MLIFE_LAKE", "honours If-None-Match"),
    "a clock an hour off": (clock_is_off, "MLIFE_LAKE", "set this machine's clock by NTP"),
    "no extension for buckets": (no_extension, "DuckDB", "pip install 'mlife[server]'"),
    "an extension of another version": (extension_of_another_version, "DuckDB", "install the same version of both"),
    "a lake that holds a log": (in_bucket_that_holds("events/event_type=click/file"), "MLIFE_LAKE",
        "name an empty place"),
    "another kind of database": (stated(MLIFE_DATABASE=f"mysql://u:{SECRET}@h/d"), "MLIFE_DATABASE", ADDRESS),
    "a server and no database": (stated(MLIFE_DATABASE=f"postgresql://u:{SECRET}@h"), "MLIFE_DATABASE", ADDRESS),
    "a server that is not there": (stated(MLIFE_DATABASE=f"postgresql://u:{SECRET}@127.0.0.1:1/d"), "MLIFE_DATABASE",
        "see that its server runs"),
    "a wrong password": (wrong_password, "MLIFE_DATABASE", "correct them in MLIFE_DATABASE"),
    "a user that is not there": (in_database(username="nobody_at_all"), "MLIFE_DATABASE", "create the role"),
    "a database that is not there": (in_database(database="nowhere"), "MLIFE_DATABASE", "create it with createdb"),
    "a user without rights": (no_rights, "MLIFE_DATABASE", "grant CREATE on the database"),
    "a ledger of a newer release": (newer_ledger, "MLIFE_DATABASE", "run the release that wrote it"),
    "a database that holds a ledger": (ledger_of_another, "MLIFE_DATABASE", "name an empty database"),
    "an unknown environment": (stated(MLIFE_ENVIRONMENT="production"), "MLIFE_ENVIRONMENT",
        "'dev', 'staging' or 'prod'"),
    "too short a history": (stated(MLIFE_HISTORY_DAYS="10"), "MLIFE_HISTORY_DAYS", "or more"),
    "a key of hashes that is easy to guess": (stated(MLIFE_HASH_KEY=SECRET), "MLIFE_HASH_KEY", "openssl rand -hex 32"),
    "a webhook that is no address": (stated(MLIFE_ALERT_WEBHOOK=SECRET), "MLIFE_ALERT_WEBHOOK",
        "correct the environment"),
    "a short token": (stated(MLIFE_ENDPOINT_TOKEN=SECRET), "MLIFE_ENDPOINT_TOKEN",
        "32 or more printable ASCII characters"),
    "a relay in a simulated market": (stated(MLIFE_MAIL_RELAY=f"smtp://u:{SECRET}@h"), "MLIFE_MAIL_RELAY", "unset it"),
    "two events on one day": (stated(MLIFE_DEMO_EVENT_DAYS="[1,1,2]"), "MLIFE_DEMO_EVENT_DAYS", "a day of its own"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, s3: Any, s3_place: Bucket, monkeypatch: Any, request: pytest.FixtureRequest) -> Place:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLIFE_LAKE", "MLIFE_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return Place(tmp_path / "home", s3_place, s3, monkeypatch, request)


@pytest.mark.parametrize("case", CASES)
def test_it_fails_before_any_effect_with_setting_and_remedy(place: Place, case: str) -> None:
    arrange, setting, remedy = CASES[case]
    arrange(place)
    for name, value in place.variables.items():
        place.patch.setenv(name, value)
    held = ObstoreObjectStore.in_bucket(place.bucket).list("")
    result = CliRunner().invoke(app, ["demo", "--home", str(place.home)])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    (said,) = result.stderr.splitlines()
    assert setting in said
    assert remedy in said
    assert SECRET not in result.output
    assert not place.home.exists()
    left = [key for key in ObstoreObjectStore.in_bucket(place.bucket).list("") if not key.startswith("checkup/")]
    assert left == held
