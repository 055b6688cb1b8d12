"""A model that served before mlife knew it: one path for its estimator, its file and what it said in a log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlife
from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError, NotFoundError

SEEN = ["price", "region"]
ROLES: dict[str, Any] = {
    "entity": "who", "time": "day", "label": "bought", "label_time": "known", "features": ["price"],
    "categoricals": ["region"],
}  # fmt: skip


def quotes(seed: int, count: int, start: str, *, mean_price: float = 100) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = pd.Timestamp(start) + pd.to_timedelta(np.arange(count) // 60, unit="D")
    rows = pd.DataFrame({"who": rng.integers(0, 900, count), "day": day, "known": day + pd.Timedelta(days=7)})
    rows["price"], rows["region"] = rng.gamma(2, mean_price / 2, count), rng.choice(["north", "south"], count)
    odds = np.where(rows.region == "south", 1.0, -1.0) - rows.price / 60
    return rows.assign(bought=rng.random(count) < 1 / (1 + np.exp(-odds)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    trained, folder = quotes(1, 3_000, "2025-09-01"), tmp_path_factory.mktemp("adopted")
    columns = make_column_transformer((StandardScaler(), ["price"]), (OneHotEncoder(), ["region"]))
    pipeline = make_pipeline(columns, LogisticRegression()).fit(trained[SEEN], trained.bought)
    trees = lightgbm.LGBMClassifier(n_estimators=30, learning_rate=0.05, verbose=-1)
    trees.fit(trained[SEEN].astype({"region": "category"}), trained.bought)
    trees.booster_.save_model(folder / "trees.txt")
    known, new = quotes(2, 3_000, "2026-01-01"), quotes(3, 1_500, "2026-03-01")
    known.to_csv(folder / "known.csv", index=False)
    return SimpleNamespace(trained=trained, known=known, new=new, folder=folder, pipeline=pipeline, trees=trees)


@pytest.mark.parametrize("way", ["pipeline", "trees", "file", "file of a file"])
def test_an_estimator_its_file_and_its_log_are_one(world: SimpleNamespace, way: str) -> None:
    """To the bit, and none needs answers to say what moved."""
    table = world.folder / "known.csv" if way == "file of a file" else world.known
    given = {"pipeline": world.pipeline, "trees": world.trees}.get(way, world.folder / "trees.txt")
    model = mlife.load(given, mlife.Roles(**ROLES), table=table)
    estimator, kind = (world.pipeline, "object") if way == "pipeline" else (world.trees, "category")
    said = [estimator.predict_proba(rows[SEEN].astype({"region": kind}))[:, 1] for rows in (world.known, world.new)]
    log = mlife.load(spec=mlife.Roles(**ROLES, prediction="probability"), table=world.known.assign(probability=said[0]))
    assert (mlife.score(model, world.new).probability == said[1]).all()
    found, expected = mlife.judge(model, world.new), mlife.judge(log, world.new.assign(probability=said[1]))
    assert found.lines == expected.lines
    asked = world.new.drop(columns=["bought", "known"])
    assert mlife.drift(model, asked).lines == mlife.drift(log, asked.assign(probability=said[1])).lines
    assert repr(log) == "probability, known by 3,000 rows of 2026-01-01 to 2026-02-19"
    assert repr(model).startswith(type(estimator).__name__ if given is estimator else "Booster")


def test_it_is_judged_beside_chance_and_a_simple_rule_of_earlier_answers(world: SimpleNamespace) -> None:
    model = mlife.load(world.pipeline, mlife.Roles(**ROLES), table=world.known)
    found, probability = mlife.judge(model, world.new), mlife.score(model, world.new).probability
    assert (found.is_well, found.as_dict()["verdict"]) == (True, "it holds")
    simple, chance = found.as_dict()["comparisons"]
    assert (simple["against"], chance["against"]) == ("simple", "random")
    assert chance["challenger_map"] == pytest.approx(average_precision_score(world.new.bought, probability))
    assert chance["other_map"] == pytest.approx(world.new.bought.mean())
    assert "simple rule that was fitted on the known rows: average precision" in repr(found)
    assert "simple" not in repr(mlife.judge(model, world.known)), "the rule knows these answers"
    assert mlife.judge(model, world.new.head(120)).as_dict()["verdict"] == "not enough evidence"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one[::-1], "Against a random ranking: .*, not shown to be better"),
        (lambda one: one**0.2, r"The calibration level 0\.\d+ .* lies outside of"),
        (lambda one: 1 / (1 + (1 / one - 1) ** 4), r"The calibration slope 0\.2\d .* lies outside of"),
    ],
    ids=["another row's", "too high", "too sure"],
)  # fmt: skip
def test_one_that_does_not_hold_is_named_with_what_does_not(world: SimpleNamespace, change: Any, said: str) -> None:
    probability = change(world.pipeline.predict_proba(world.new[SEEN])[:, 1])
    rows = world.new.assign(said=probability)
    found = mlife.judge(mlife.load(spec=mlife.Roles(**ROLES, prediction="said"), table=rows), rows)
    assert (found.is_well, found.as_dict()["verdict"]) == (False, "it does not hold")
    assert any(pd.Series(found.lines).str.contains(said))


def test_what_is_estimated_before_answers_comes_true_and_a_fall_alarms(world: SimpleNamespace) -> None:
    model = mlife.load(world.pipeline, mlife.Roles(**ROLES), table=world.known)
    later = quotes(5, 9_000, "2026-03-01")
    for rows, has_fallen in ((later, False), (later[later.region == "north"], True)):
        found = mlife.drift(model, rows.drop(columns=["bought", "known"]))
        estimates = {one["metric"]: one for one in found.as_dict()["estimates"]}
        probability = world.pipeline.predict_proba(rows[SEEN])[:, 1]
        for metric, of in (("roc_auc", roc_auc_score), ("average_precision", average_precision_score)):
            assert estimates[metric]["estimated"] == pytest.approx(of(rows.bought, probability), abs=0.04)
        assert estimates["log_loss"]["estimated"] == pytest.approx(log_loss(rows.bought, probability), abs=0.03)
        assert estimates["positive_share"]["estimated"] == pytest.approx(rows.bought.mean(), abs=0.02)
        assert (estimates["average_precision"]["has_fallen"], found.is_well) == (has_fallen, not has_fallen)
        assert ("below the limit" in repr(found)) == has_fallen
    same = mlife.drift(model, world.known).as_dict()["estimates"]
    assert [one["estimated"] for one in same] == pytest.approx([one["known"] for one in same]), "nothing moved"
    with pytest.raises(NotEnoughEvidenceError, match="99 new rows"):
        mlife.drift(model, world.new.head(99))
    with pytest.raises(InvalidInputError, match="Pipeline gives no reasons"):
        mlife.score(model, world.new, reasons=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": None}, r"pass a model, or name the column of its predictions as roles\.prediction"),
        ({"prediction": "score"}, r"pass a model, or name the column of its predictions"),
        ({"model": None, "prediction": "score"}, r"score is 1\.5 in row 0; a prediction is a probability from 0 to 1"),
        ({"model": None, "prediction": "region2"}, "lack column region2, the prediction"),
        ({"model": "none.txt"}, "there is no file .*none.txt"),
        ({"model": "known.csv"}, r"no text file of LightGBM .*open one that you trust yourself.*mlife\.load\(joblib"),
        ({"model": "broken.txt"}, "broken.txt is no model of LightGBM"),
        ({"model": LinearRegression()}, "a LinearRegression has no predict_proba; pass a classifier"),
        ({"table": lambda rows: rows.drop(columns="price")}, "the table lacks price, which the Pipeline looks at"),
        ({"table": lambda rows: rows.assign(prediction=1)}, "the rows have a column prediction; rename it"),
        ({"table": lambda rows: rows.assign(known=pd.Timestamp("2100-01-01"))}, "is after today"),
        ({"table": lambda rows: rows.assign(price="dear")}, "the Pipeline cannot read the table: .*; pass what"),
        ({"classes": 3}, "tells more than two classes apart"),
    ],
)  # fmt: skip
def test_what_cannot_be_adopted_is_named_with_the_remedy(world: SimpleNamespace, change: Any, said: str) -> None:
    (world.folder / "broken.txt").write_text("tree\n")
    model = change.get("model", world.pipeline)
    if "classes" in change:
        model = LogisticRegression().fit(world.trained[["price"]], np.arange(len(world.trained)) % change["classes"])
    if isinstance(model, str):
        model = world.folder / model
    roles = mlife.Roles(**ROLES, prediction=change.get("prediction"))
    table = change.get("table", lambda rows: rows)(world.known.assign(score=1.5))
    with pytest.raises((InvalidInputError, NotFoundError), match=said):
        mlife.load(model, roles, table=table)
