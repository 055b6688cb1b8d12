"""Files of instances: read without Dagster, as Dagster reads them, or the error names the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlife_assets.adapters.instance_files import FILE, instance_files, instances_of, named_function, read_declared
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.instances import models_of
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DEFS_FOLDER

JOBS = """
type: mlife_assets.components.PlatformModel
attributes:
  name: job_applications
  declaration: mlife_assets.recruiting.job_applications.job_applications
"""
CHURN = """
type: mlife_assets.components.PlatformModel
attributes:
  name: churn_risk
  declaration: mlife_assets.recruiting.churn_risk.churn_risk
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_deployment_declares_its_models_and_the_first_application() -> None:
    declared = read_declared(DEFS_FOLDER)
    assert [model.name for model in models_of(Policies(), declared.models)] == ["job_applications", "churn_risk"]
    (texts,) = (one(Policies()) for one in declared.applications if one.name == "job_of_the_day")
    assert (texts.model_name, texts.channel, texts.items, texts.holdout_share) == ("job_applications", "sms", 1, 0.0)
    assert texts.policy == Policies().messaging, "what the file states is what was decided before it was there"


def test_reading_imports_no_dagster() -> None:
    asked = (
        "import sys\nfrom mlife_assets.components.platform.resources import Platform\n"
        "from mlife_assets.settings import Settings\nsettings = Settings()\n"
        "platform = Platform(settings=settings, policies=settings.policies())\n"
        "print([model.name for model in platform.models], 'dagster' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['job_applications', 'churn_risk'] False"


def test_files_are_found_as_dagster_finds_them(tmp_path: Path) -> None:
    below = [written(tmp_path, name, JOBS) for name in ("b", "a", "nested/c")]
    for name in ("a/inner", ".hidden", "__pycache__"):
        written(tmp_path, name, JOBS)
    assert instance_files(tmp_path) == sorted(below)


def test_a_file_may_declare_several_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    written(tmp_path, "both", f"{JOBS}---{CHURN}---\ntype: dagster.DefsFolderComponent\nattributes: {{}}\n---\n")
    assert [model.name for model in read_declared(tmp_path).models] == ["job_applications", "churn_risk"]


def test_dates_stay_text_as_dagster_leaves_them(tmp_path: Path) -> None:
    path = written(tmp_path, "dates", "type: x\nattributes: {day: 2026-04-03, number: 3, share: 0.5, is_on: true}\n")
    ((_, instance),) = instances_of(path)
    assert instance.attributes == {"day": "2026-04-03", "number": 3, "share": 0.5, "is_on": True}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type: [", "is no YAML: "),
        ("attributes: {}", "has a document without a type; write `type:`"),
        ("- a", "has a document without a type"),
        (f"{CHURN}\npromotion: {{gate_weeks: 2}}", "has an unknown key 'promotion'; indent it below attributes"),
        ("type: x\nattributes: [a]", "has attributes that are no names and values"),
        (f"{CHURN}  name: again\n", "is no YAML: the key 'name' stands twice"),
        (f"{CHURN}  training: {{leaves: 9, leaves: 8}}\n", "is no YAML: the key 'leaves' stands twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    written(tmp_path, "sound", JOBS)
    path = written(tmp_path, "broken", text)
    with pytest.raises(InvalidInputError) as caught:
        read_declared(tmp_path)
    assert str(caught.value).startswith(f"{path} {says}")


def test_a_file_of_other_bytes_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "latin", JOBS)
    path.write_bytes(b"type: caf\xe9\n")
    with pytest.raises(InvalidInputError, match="is no YAML"):
        read_declared(tmp_path)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "mlife_assets.recruiting.lost.model",
            "and No module named 'mlife_assets.recruiting.lost'; name a function as",
        ),
        ("churn_risk", "and Empty module name; name a function as module.function"),
        ("mlife_assets.recruiting.churn_risk.lost", "has no function 'lost'; name one that takes Policies"),
        ("mlife_assets.recruiting.churn_risk.RULE_NAME", "has no function 'RULE_NAME'"),
    ],
)
def test_python_that_is_not_there_is_named(name: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        named_function(name)
    assert named_function("mlife_assets.recruiting.churn_risk.churn_risk") is churn_risk
