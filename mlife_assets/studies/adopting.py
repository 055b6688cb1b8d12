"""Adopt a model that mlife did not train: what it says of rows is a column of theirs, or its estimator says it now.

Concept: judging and watching a model need its probabilities and the rows that they are of, and nothing else of it. So
what an estimator says becomes the column that logged predictions are, and from there on both are one. No pickle is
opened here: it would run what somebody wrote into it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.studies.drifting import name_faults, usual_rows
from mlife_assets.studies.frames import Table, source_of, with_columns
from mlife_assets.studies.model import AdoptedModel, Reading, Spec, StudyModel, load_folder, mature_rows, spec_text

PREDICTION, UNNAMED = "prediction", "Column_"
"""Column that an estimator's probabilities become, and how LightGBM calls unnamed ones."""


@overload
def load(model: Path | str) -> StudyModel: ...
@overload
def load(model: Any = None, spec: Spec = ..., *, table: Table) -> AdoptedModel: ...
def load(model: Any = None, spec: Spec | None = None, *, table: Table = None) -> StudyModel | AdoptedModel:
    """Return the model of a folder that `mlife train --out` or `save` wrote, or adopt one that serves already.

    Args:
        model: the folder. To adopt, with a spec: a fitted classifier of scikit-learn or LightGBM, or a text file of
            LightGBM (`.txt`); nothing where `roles.prediction` names the column of the probabilities that it gave.
        spec: roles of the columns of its rows, or a spec: a file or its content.
        table: rows that it is known by, with their answers, or a file; new rows are held against them.

    Raises:
        NotFoundError: there is no such file, or no trained model.
        InvalidInputError: a file is missing, the table has faults, or the model gives no probability of its rows.
        IntegrityError: a file was changed.
    """
    if spec is None:
        return load_folder(model)
    text = spec_text(spec)
    roles = Reading(text, {}).study.model.roles
    if (model is None) == (roles.prediction is None):
        raise InvalidInputError("pass a model, or name the column of its predictions as roles.prediction: one of them")
    if faults := [*name_faults(roles)]:
        raise InvalidInputError("\n".join(faults))
    name, predicted = str(roles.prediction), source_of
    if model is not None:
        estimator, record = _opened(model), json.loads(text)
        name, names = type(estimator).__name__, [*roles.features, *roles.categoricals]
        predicted = partial(_predicted, estimator, names)
        text = json.dumps({**record, "roles": {**record["roles"], "prediction": PREDICTION}})
    adopted = AdoptedModel(name, Reading(text, {}), predicted)
    known, types = mature_rows(adopted, table)
    usual = usual_rows(known, adopted.roles, [*roles.features, *roles.categoricals], adopted.probabilities, True)
    return replace(adopted, reading=Reading(text, types), known=known, usual_rows=usual)


def _opened(model: Any) -> Any:
    """Return an estimator as it is, or the booster of a file."""
    import lightgbm

    if not isinstance(model, str | Path):
        return model
    path = Path(model)
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; name the file of a model")
    if path.suffix != ".txt":
        raise InvalidInputError(
            f"{path.name} is no text file of LightGBM (.txt). A pickle runs what is written in it: open one that you "
            f"trust yourself, and pass the estimator: mlife.load(joblib.load({path.name!r}), spec, table=table)"
        )
    try:
        return lightgbm.Booster(model_file=str(path))
    except lightgbm.basic.LightGBMError as error:
        raise InvalidInputError(f"{path.name} is no model of LightGBM: {error}; save it again") from error


def _predicted(estimator: Any, names: Sequence[str], table: Table) -> pa.Table:
    """Return a table with `PREDICTION`. The estimator sees columns as the table has them: its own, else `names`."""
    import lightgbm

    from mlife_assets.adapters.example_files import read_sample

    source, kind = source_of(table), type(estimator).__name__
    rows = source if isinstance(source, pa.Table) else read_sample(source, None)
    frame = table if hasattr(table, "iloc") else rows.to_pandas()
    booster = getattr(estimator, "booster_", estimator)
    is_booster = isinstance(booster, lightgbm.Booster)
    known = list(booster.feature_name() if is_booster else getattr(estimator, "feature_names_in_", ()))
    has_names = bool(known) and not all(name.startswith(UNNAMED) for name in known)
    wanted = known if has_names else names
    if missing := [name for name in wanted if name not in frame.columns]:
        raise InvalidInputError(f"the table lacks {missing[0]}, which the {kind} looks at; add it")
    if not (is_booster or hasattr(estimator, "predict_proba")):
        raise InvalidInputError(f"a {kind} has no predict_proba; pass a classifier")
    seen = frame[wanted]
    words = [name for name in wanted if seen[name].dtype.kind not in "iufb"]
    try:
        if is_booster:
            said = np.asarray(booster.predict(seen.astype(dict.fromkeys(words, "category"))))
        else:
            said = np.asarray(estimator.predict_proba(seen if has_names else seen.to_numpy()))
    except (TypeError, ValueError, lightgbm.basic.LightGBMError) as error:
        raise InvalidInputError(f"the {kind} cannot read the table: {error}; pass what it was fitted on") from error
    said = said[:, 1] if said.ndim == 2 and said.shape[1] == 2 else said
    if said.ndim != 1:
        raise InvalidInputError(f"the {kind} tells more than two classes apart; pass one of two")
    found: pa.Table = with_columns(rows, rows, {PREDICTION: pa.array(said, pa.float64())})
    return found
