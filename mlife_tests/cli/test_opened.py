"""`mlife.open`: a home and a project's home, looked at from Python as the commands look at them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

import mlife
from mlife_assets.cli.homes import open_model
from mlife_assets.core.errors import NotFoundError


def written(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.suffix != ".sqlite-shm")  # readers leave their marks in it
    return {path: path.read_bytes() for path in files if path.is_file()}


def test_a_home_says_what_the_commands_say_and_stays_as_it_is(run, home):
    with pytest.raises(NotFoundError, match="nothing was scored in"):
        mlife.open(home.path).scores()
    tables = open_model(home.path, None).model_tables
    for day, probability in ((date(2026, 5, 1), 0.1), (date(2026, 5, 2), 0.2)):
        tables.write("user_job_scores", day, pa.table({"probability": [probability]}))
    before = written(home.path)
    opened = mlife.open(home.path)
    assert opened.champion() == home.champions[-1]
    assert opened.models[0] == "job_applications"
    assert repr(opened).startswith(f"{home.path}: job_applications {home.champions[-1]}")
    assert opened.scores()["probability"].to_pylist() == [0.2], "those of the newest day"
    assert opened.scores(date(2026, 5, 1))["probability"].to_pylist() == [0.1]
    assert opened.status() == orjson.loads(run("status", "--json", "--home", home.path).stdout)
    assert before.items() <= written(home.path).items()
    with pytest.raises(NotFoundError, match="there is no model 'other' here; use one of job_app"):
        opened.champion("other")


def test_a_project_is_opened_by_its_folder_or_its_home(run, project, monkeypatch):
    status = orjson.loads(run("status", "--json").stdout)
    monkeypatch.chdir("/")
    for path in (project, project / "src", project / "var" / "mlife"):
        opened = mlife.open(str(path))
        assert opened.models == ["late_flights"]
        assert opened.status() == status
        assert opened.champion() == status["models"][0]["champion"]
    assert opened.scores().num_rows == status["models"][0]["scored"]


def test_where_nothing_ran_nothing_is_made(tmp_path, project):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dg.toml").write_text('[project]\nroot_module = "other"\n')
    for path in (tmp_path / "none", tmp_path / "other"):
        with pytest.raises(NotFoundError, match=r"nothing (has run|was decided) in"):
            mlife.open(path)
    assert not (tmp_path / "none").exists()
    assert [one.name for one in (tmp_path / "other").iterdir()] == ["dg.toml"]
