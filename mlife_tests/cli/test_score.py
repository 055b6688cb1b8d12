"""The functions that `mlife` promises: one path with the command line, and scores that are those of the gate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import requests

import mlife
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.reasons import strongest_reasons
from mlife_assets.core.study import STUDY
from mlife_assets.core.training import example_training
from mlife_assets.serving.app import create_app
from mlife_assets.studies.frames import source_of

ROWS = 3_000
SPEC = {
    "title": "Who wins",
    "derive": {"day": "make_date(2026, 1, 1) + cast(n // 30 as int)", "known": "day + 1", "strong": "strength * 2"},
    "roles": mlife.Roles(
        entity="who", time="day", label="won", label_time="known", features=["strong"],
        categoricals=["kind", "code", "zip"],
    ),
    "training": {"formulations": ["binary"], "trees_maximum": 12, "minimum_child_examples": 20},
    "promotion": {"bootstrap_resamples": 400},
}  # fmt: skip
FEW = ["strength", "kind", "code", "zip"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    strength = rng.normal(size=ROWS)
    won = rng.random(ROWS) < 1 / (1 + np.exp(1.6 - strength - 3.0 * (strength < -1)))
    return pd.DataFrame({
        "who": np.arange(ROWS), "n": np.arange(ROWS), "won": won,
        "strength": strength, "kind": rng.choice(["a", "b"], ROWS),
        "code": rng.integers(1, 4, ROWS), "zip": rng.choice(["01", "1.50", "X1"], ROWS),
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    frame.to_csv(folder / "rows.csv", index=False)
    record = {**SPEC, "roles": json.loads(SPEC["roles"].to_json())}
    (folder / "spec.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def gate() -> SimpleNamespace:
    return SimpleNamespace()


@pytest.fixture(scope="module")
def model(folder: Path, gate: SimpleNamespace) -> object:
    """The model of the file; `gate` holds the rows that judged it, and its probabilities of them."""
    trained = example_training.train_on_examples

    def kept(*arguments: object, **options: object) -> object:
        found = trained(*arguments, **options)
        gate.rows, gate.probability = found.gate, found.judged.probability
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example_training, "train_on_examples", kept)
        return mlife.train(folder / "rows.csv", folder / "spec.json")


class Capsule:
    """A table of a library that nobody here knows."""

    def __init__(self, table: pa.Table) -> None:
        self.__arrow_c_stream__ = table.__arrow_c_stream__


def test_scores_are_those_that_the_gate_judged_from_file_frame_and_endpoint(
    run, run_json, model, gate, folder, frame, serve, tmp_path
):
    """To the bit, by whatever way rows come: CSV, Parquet, pandas, Arrow, a capsule, HTTP."""
    model.save(tmp_path / "model")
    who = gate.rows["who"].cast("int64").to_pylist()
    judged = dict(zip(who, gate.probability.tolist(), strict=True))
    new = frame[frame.who.isin(who)].drop(columns="won")
    new.to_csv(tmp_path / "new.csv", index=False)
    new.to_parquet(tmp_path / "new.parquet")
    out = tmp_path / "scored.csv"
    asked = ("score", "--model", tmp_path / "model", "--rows")
    said = run_json(*asked, tmp_path / "new.csv", "--out", out)
    assert said == {"model_version": model.model_version, "rows": len(new), "out": str(out)}
    scored = pd.read_csv(out, dtype={"zip": str}, float_precision="round_trip")
    assert scored.who.tolist() == new.who.tolist(), "the rows of the file, in its order"
    assert scored.zip.tolist() == new.zip.tolist(), "as they are written there"
    expected = [judged[one] for one in new.who]
    assert scored.probability.tolist() == expected
    documents = run_json(*asked, tmp_path / "new.parquet")["scores"]
    assert [one["probability"] for one in documents] == expected
    assert run(*asked, tmp_path / "new.csv").stdout == out.read_text()
    assert run(*asked, tmp_path / "new.parquet", "--out", tmp_path / "scored.parquet").exit_code == 0
    assert pa.parquet.read_table(tmp_path / "scored.parquet")["probability"].to_pylist() == expected
    found = mlife.score(model, new.set_index("who", drop=False))
    assert (found.index.tolist(), found.probability.tolist()) == (new.who.tolist(), expected)
    for table in (pa.Table.from_pandas(new), Capsule(pa.Table.from_pandas(new))):
        assert mlife.score(tmp_path / "model", table)["probability"].to_pylist() == expected
    assert mlife.load(tmp_path / "model").predict_proba(new)[:, 1].tolist() == expected
    rows = [
        {"strong": row.strength * 2, "kind": row.kind, "code": str(row.code), "zip": row.zip}
        for row in new.itertuples()
    ]
    with serve(create_app({STUDY: lambda: model.scorer})) as url:
        answer = requests.post(f"{url}/v1/models/{STUDY}/score", data=orjson.dumps({"rows": rows}), timeout=20)
    assert [one["probability"] for one in answer.json()["scores"]] == expected


def test_the_command_writes_what_the_function_saves(run, run_json, model, folder, tmp_path):
    model.save(tmp_path / "function")
    asked = ("train", "--examples", folder / "rows.csv", "--spec", folder / "spec.json", "--out", tmp_path / "command")
    assert run_json(*asked) == model.as_dict()
    one, two = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.*")}
        for out in (tmp_path / "function", tmp_path / "command")
    )
    assert one == two
    again = mlife.load(tmp_path / "command")
    assert (again.files, again.outcome, again.title) == (model.files, "promoted", "Who wins")
    assert set(again.lines) < set(model.lines)
    assert "Promoted" in repr(again)
    assert "&lt;title&gt;" in again._repr_html_()


def test_a_frame_trains_the_model_of_its_file(model, frame):
    assert mlife.train(frame, SPEC).model_version == model.model_version
    found = mlife.check(pa.Table.from_pandas(frame), SPEC)
    assert (found.is_well, found.as_dict()["rows"]) == (True, ROWS)
    assert "nothing is wrong" in found._repr_html_()
    assert not mlife.check(frame.drop(columns="kind"), SPEC).is_well
    with pytest.raises(InvalidInputError, match="lack column kind, the categoricals; add it or change the role"):
        mlife.train(frame.drop(columns="kind"), SPEC)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"kind": "unseen"}, {"kind": None}), ({"kind": ""}, {"kind": None}), ({"zip": "1"}, {"zip": None}),
        ({"code": "2.0"}, {"code": "2"}), ({"code": "02"}, {"code": "2"}), ({"code": "2.5"}, {"code": None}),
        ({"strength": ""}, {"strength": None}), ({"strength": "NA"}, {"strength": None}),
        ({"strength": "3"}, {"strength": "3.0"}),
    ],
)  # fmt: skip
def test_one_row_of_a_file_is_read_as_in_the_training(model, tmp_path, change, seen):
    """Text that looks like a number stays text, whole numbers stay whole; what is new or missing is missing."""
    row = {"strength": "0.5", "kind": "a", "code": "2", "zip": "1.50"}
    values = ({**row, **change}, {**row, **seen})
    for name, one in zip(("given", "seen"), values, strict=True):
        lines = (",".join(one), ",".join(value or "" for value in one.values()))
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    given, same = (model.inputs(tmp_path / f"{name}.csv") for name in ("given", "seen"))
    spec = model.artifact.feature_spec
    assert given["zip"].to_pylist() == [values[0]["zip"]]
    assert np.array_equal(examples_matrix(given, spec), examples_matrix(same, spec), equal_nan=True)
    assert mlife.score(model, tmp_path / "given.csv")["zip"].to_pylist() == [values[0]["zip"]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="kind"), "the table lacks kind; add the column, as the training had it"),
        (lambda rows: rows.drop(columns="strength"), 'lacks strong, which cannot be derived: Referenced column "str'),
        (lambda rows: rows.assign(strength="high"), "lacks strong, which cannot be derived: No function matches"),
        (lambda rows: rows.assign(probability=1), "the rows have a column probability; rename it"),
        (lambda rows: rows.assign(strong=1), "derives strong, which is a column of the table already"),
        (lambda rows: rows.assign(kind=[["a"], 1] * (ROWS // 2)), "the table cannot be read"),
        (lambda rows: rows.to_numpy(), "a ndarray is no table; pass a DataFrame"),
        (lambda _: "none.csv", "there is no file none.csv"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_scored_are_named_with_the_remedy(model, frame, change, said):
    with pytest.raises((InvalidInputError, NotFoundError), match=said):
        mlife.score(model, change(frame[FEW]))


def test_reasons_are_those_of_the_scorer(run_json, model, frame, tmp_path):
    found = mlife.score(model, frame[FEW].head(3), reasons=True)
    matrix = examples_matrix(model.inputs(frame[FEW].head(3)), model.artifact.feature_spec)
    assert found.reasons.tolist() == strongest_reasons(model.scorer, matrix, {})
    model.save(tmp_path)
    frame[FEW].head(3).to_csv(tmp_path / "new.csv", index=False)
    asked = ("score", "--model", tmp_path, "--rows", tmp_path / "new.csv", "--reasons", "--out", tmp_path / "out.csv")
    run_json(*asked)
    assert pd.read_csv(tmp_path / "out.csv").reasons.tolist() == ["; ".join(one) for one in found.reasons]


@pytest.mark.parametrize(
    ("role", "name", "of"),
    [
        ("features", "entity", "entity"), ("features", "(label)", "answer"),
        ("categoricals", "as_of_date", "day"), ("categoricals", "probability", "probability"),
    ],
)  # fmt: skip
def test_no_feature_is_called_as_a_column_of_ours(frame, role, name, of):
    roles = replace(SPEC["roles"], **{role: (name,)})
    said = f"{role} names {name}, under which mlife keeps a row's {of}; rename it in table and spec"
    table = frame.rename(columns={"strength": name})
    checked = mlife.check(table, {**SPEC, "roles": roles, "derive": {**SPEC["derive"], "strong": "0"}})
    assert said in str(checked.as_dict())
    with pytest.raises(InvalidInputError) as refused:
        mlife.load(object(), roles, table=table)
    assert str(refused.value) == said


def test_a_column_that_looks_at_other_rows_needs_them(frame):
    """A window of the new rows alone would differ from the training's; one that no input needs does not count."""
    shares = {
        "share": "avg(cast(won as int)) over (partition by kind order by n rows between 9 preceding and 1 preceding)"
    }
    spec = {**SPEC, "derive": {**SPEC["derive"], "unused": "row_number() over ()", **shares}}
    spec["roles"] = mlife.Roles("who", "day", "won", "known", ["strong", "share"], categoricals=["kind"])
    model = mlife.train(frame, spec)
    with pytest.raises(InvalidInputError, match=r"share is derived from other rows.*--holds-history"):
        model.predict_proba(frame.tail(5))
    whole = model.predict_proba(frame, holds_history=True)
    assert np.array_equal(whole[-5:], model.predict_proba(frame.tail(500), holds_history=True)[-5:])
    assert mlife.train(frame, {**spec, "roles": SPEC["roles"]}).predict_proba(frame.tail(5)).shape == (5, 2)


def test_judged_rows_have_the_numbers_of_the_gate(model, gate, frame):
    found = mlife.judge(model, frame[frame.who.isin(gate.rows["who"].cast("int64").to_pylist())])
    ours = {one["against"]: one["delta"] for one in found.as_dict()["comparisons"]}
    assert ours == {one["against"]: one["delta"] for one in model.as_dict()["gate"]["comparisons"]}
    assert found.as_dict()["calibration"] == model.as_dict()["calibration"]
    assert "learned from" not in repr(found)
    assert "needed" in repr(mlife.judge(model, frame.tail(40)))
    assert "The model learned from days up to 2026-03-21" in repr(mlife.judge(model, frame))
    with pytest.raises(InvalidInputError, match="lack column won, the label"):
        mlife.judge(model, frame.drop(columns="won"))
    with pytest.raises(InvalidInputError, match="no examples to judge"):
        mlife.judge(model, frame.head(0))


def test_columns_that_moved_are_named_with_the_scores_and_others_are_not(model, frame, tmp_path):
    model.save(tmp_path)
    assert set(pa.parquet.read_schema(tmp_path / "rows.parquet").names).isdisjoint(["who", "day", "won"])
    still = mlife.drift(tmp_path, frame.sample(400, random_state=1))
    assert (still.is_well, len(still.lines)) == (True, 1)
    moved = frame.assign(strength=frame.strength + 0.8, zip=None).tail(400)
    found = mlife.drift(model, moved)
    assert found.lines[0].endswith(": 3 of 5 columns moved.")
    named = {one["column"]: one["importance_share"] for one in found.as_dict()["findings"] if one["has_moved"]}
    assert set(named) == {"strong", "zip", "probability"}
    assert named["strong"] > 0.5
    assert "of the model's importance" in repr(found)
    with pytest.raises(NotEnoughEvidenceError, match="99 new rows and 1,680 kept ones, 100 and 800 needed"):
        mlife.drift(model, frame.tail(99))


def test_a_folder_of_an_earlier_release_says_what_it_lacks_and_a_changed_one_is_refused(model, frame, tmp_path):
    model.save(tmp_path)
    (tmp_path / "reading.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"reading\.json of mdl_\w+ was changed"):
        mlife.score(tmp_path, frame)
    (tmp_path / "reading.json").unlink()
    earlier = mlife.load(tmp_path)
    for one in (model, earlier):  # no file of the later model stays
        one.save(tmp_path)
    with pytest.raises(NotFoundError, match=r"has no reading\.json, .*; train it again"):
        mlife.score(tmp_path, frame)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match=r"rows\.parquet of mdl_\w+ was changed"):
        _ = mlife.load(tmp_path).usual_rows
    assert mlife.load(tmp_path).scorer.model_version == model.model_version


def test_a_verdict_may_be_required(run, frame, folder, tmp_path):
    spec = {**SPEC, "roles": json.loads(SPEC["roles"].to_json()), "where": "n < 450"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    asked = ("train", "--examples", folder / "rows.csv", "--out", tmp_path / "out", "--require", "promoted", "--spec")
    assert run(*asked, folder / "spec.json").exit_code == 0
    refused = run(*asked, tmp_path / "spec.json")
    assert (refused.exit_code, "Card: " in refused.stdout) == (4, True), "the folder is written all the same"


def test_a_trained_folder_is_served_and_is_no_home(refusal_of, model, tmp_path):
    model.save(tmp_path)
    said = " ".join(refusal_of("serve", "--home", tmp_path).split())
    assert f"is a model of `mlife train` and no home; run `mlife serve --model {tmp_path}`" in said
    assert "which is no home" in refusal_of("serve", "--model", tmp_path, "--make-token")
    assert "there is no token" in refusal_of("serve", "--model", tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert "holds no trained model" in refusal_of("serve", "--model", tmp_path / "none")
    assert source_of(str(tmp_path)) == tmp_path
