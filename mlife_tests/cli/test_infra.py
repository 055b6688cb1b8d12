"""`mlife infra`: from a plan in a file to an account of the emulator, and what is said where AWS is not to be had.

Shown: the commands, end to end, with clients of an emulator. Not shown: the tasks of an environment, whose containers
nobody runs here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.delivery import aws
from mlife_assets.adapters.delivery.run_tasks import Ended, RunTasks
from mlife_assets.adapters.delivery.smoke import CHECKS, NOT_YET

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


def test_a_folder_without_stacks_and_an_unknown_environment_are_named(run: Callable[..., Any], tmp_path: Path) -> None:
    result = run("infra", "drift", "dev", "--infra", str(tmp_path))
    assert (result.exit_code, "--infra" in result.stderr) == (1, True)
    result = run("infra", "smoke", "dev", "--inside", "no_check", "--places", "{}")
    assert result.exit_code == 1
    assert "no check is named no_check" in result.stderr


def test_teardown_says_what_stays_and_asks_no_account(run: Callable[..., Any], repository: Path) -> None:
    asked = ("infra", "teardown", "prod", "--infra", str(repository / "infra"))
    shown, first = run(*asked).stdout, json.loads(run(*asked, "--json").stdout)["stacks"][0]
    assert shown.startswith(f"{first['stack']} in {first['account']}, by {first['by']}\n  first: aws cloudtrail delete")
    assert (
        "  stays, and costs: TrailBucket (AWS::S3::Bucket): COMPLIANCE, what is written today is locked until" in shown
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
            monkeypatch.setattr(aws, "clients", lambda _: account("811111111111"))
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
