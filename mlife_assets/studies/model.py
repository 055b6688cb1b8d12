"""The model of a table as a folder: artifact, verdict, card, plots, and how its rows are read.

Concept: a model is the content of its folder, so one that was saved and opened again is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.scoring.artifact import MANIFEST_FILE, ModelArtifact, file_names
from mlife_assets.core.scoring.scorer import StagedScorer, scorer_of
from mlife_assets.core.study import Study
from mlife_assets.recruiting.released_names import POLICY_FIELDS
from mlife_assets.studies.answers import framed
from mlife_assets.studies.frames import Table, source_of

if TYPE_CHECKING:
    from mlife_assets.core.scoring.feature_spec import Array

MODEL_FOLDER, PLOTS_FOLDER = "model", "plots"
RESULT_FILE, CARD_FILE, TRIALS_FILE = "result.json", "card.html", "search.journal"
READING_FILE, ROWS_FILE = "reading.json", "rows.parquet"
JSON = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
Spec: TypeAlias = ExampleSpec | Mapping[str, Any] | Path | str
"""Roles, or a spec: the path of a file or its content, whose `roles` may be `Roles`."""


@dataclass(frozen=True)
class Reading:
    """How rows become a model's inputs: the text of the spec, and the type of each column of its examples."""

    spec: str
    types: Mapping[str, str]

    @cached_property
    def study(self) -> Study:
        """The study of the spec."""
        return Study.from_json(self.spec, POLICY_FIELDS)


def spec_text(spec: Spec) -> str:
    """Return the text of a spec, as JSON.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: a file `.yaml` is none.
    """
    if isinstance(spec, str | Path):
        path = Path(spec)
        if not path.is_file():
            raise NotFoundError(f"there is no file {path}; name the spec of the examples")
        text = path.read_bytes().decode()
        return text if path.suffix not in (".yaml", ".yml") else _json_of_yaml(text, path)
    record = dict(spec) if isinstance(spec, Mapping) else {"roles": spec}
    if isinstance(roles := record.get("roles"), ExampleSpec):
        record["roles"] = json.loads(roles.to_json())
    return json.dumps(record, sort_keys=True)


def _json_of_yaml(text: str, path: Path) -> str:
    import yaml

    try:
        return json.dumps(yaml.safe_load(text))
    except (yaml.YAMLError, TypeError) as error:
        raise InvalidInputError(
            f"{path} is no spec in YAML: {error}; quote dates, see the files in examples/"
        ) from error


@dataclass(frozen=True, eq=False, repr=False)
class StudyModel:
    """A model of a table.

    Attributes:
        artifact: what scores.
        files: content of each file of its folder, by path below it.
        lines: training and verdict in words.
    """

    artifact: ModelArtifact
    files: Mapping[str, bytes]
    lines: tuple[str, ...]

    @property
    def model_version(self) -> str:
        """Content hash of the artifact."""
        return self.artifact.model_version

    @property
    def title(self) -> str:
        """The model's question, for people."""
        return str(self.as_dict()["title"])

    @property
    def outcome(self) -> str:
        """The gate's verdict: "promoted", "refused" or "not_enough_evidence"."""
        return str(self.as_dict()["outcome"])

    @cached_property
    def reading(self) -> Reading:
        """How its rows are read. Raises NotFoundError for a folder of mlife 0.1, IntegrityError for a changed file."""
        try:
            return Reading(**json.loads(self._file(READING_FILE)))
        except (TypeError, ValueError) as error:
            raise IntegrityError(
                f"{READING_FILE} of {self.model_version} was changed or cut off; restore it"
            ) from error

    @cached_property
    def usual_rows(self) -> pa.Table:
        """The newest rows that it was trained and judged on (`drifting`). Raises as of `reading`."""
        from mlife_assets.adapters.parquet_bytes import decode_table

        try:
            return decode_table(self._file(ROWS_FILE))
        except (pa.ArrowException, OSError) as error:
            raise IntegrityError(f"{ROWS_FILE} of {self.model_version} was changed; restore it") from error

    def _file(self, name: str) -> bytes:
        if name not in self.files:
            raise NotFoundError(
                f"the folder of {self.model_version} has no {name}, which new rows need: mlife wrote none when it was "
                "trained; train it again"
            )
        return self.files[name]

    @property
    def scorer(self) -> StagedScorer:
        """What scores, on one thread."""
        return scorer_of(self.artifact, threads=1)

    def as_dict(self) -> dict[str, Any]:
        """Return what `mlife train --json` prints."""
        return dict(orjson.loads(self.files[RESULT_FILE]))

    def inputs(self, rows: Table, *, holds_history: bool = False) -> pa.Table:
        """Return the model's inputs for each row. Raises as of `read_inputs`."""
        from mlife_assets.adapters.example_files import read_inputs

        reading, spec = self.reading, self.artifact.feature_spec
        kinds = {name: "varchar" if name in spec.categorical else "double" for name in spec.names}
        return read_inputs(source_of(rows), reading.study, kinds, reading.types, holds_history=holds_history)

    def predict_proba(self, rows: Table, *, holds_history: bool = False) -> Array:
        """Return the probabilities of no and of the outcome for each of n rows, float64 (n, 2), as scikit-learn does.

        Arguments and errors are those of `score`.
        """
        probability = self.probabilities(self.inputs(rows, holds_history=holds_history))
        return np.column_stack([1 - probability, probability])

    def probabilities(self, inputs: pa.Table) -> npt.NDArray[np.float64]:
        """Return the calibrated probability of n rows of `inputs`, float64 (n,)."""
        from mlife_assets.core.scoring.scorer import score_table

        return np.asarray(score_table(self.scorer, inputs).probability)

    def save(self, folder: Path | str) -> None:
        """Write the folder that `mlife train --out` writes; files of an earlier training in it go."""
        out = Path(folder)
        is_ours = (out / RESULT_FILE).is_file()
        for name in (MODEL_FOLDER, PLOTS_FOLDER):
            (out / name).mkdir(parents=True, exist_ok=True)
            for earlier in (out / name).iterdir() if is_ours else ():
                earlier.unlink()
        for name in (READING_FILE, ROWS_FILE) if is_ours else ():
            (out / name).unlink(missing_ok=True)
        for name, data in self.files.items():
            (out / name).write_bytes(data)

    def __repr__(self) -> str:
        return "\n  ".join([self.model_version, *self.lines])

    def _repr_html_(self) -> str:
        return framed(self.files[CARD_FILE].decode())


@dataclass(frozen=True, eq=False, repr=False)
class AdoptedModel:
    """A model that mlife did not train, known by what it said of rows (`adopting.load`).

    Attributes:
        model_version: its name: of the column of its predictions, or of the class of its estimator.
        reading: how its rows are read; `roles.prediction` is a column of theirs.
        source: from a table to what is read: the table with the predictions, or a file.
        known: rows that it is known by, with their answers, in canonical order.
        usual_rows: the newest of them (`drifting`).
    """

    model_version: str
    reading: Reading
    source: Callable[[Table], Path | pa.Table]
    known: pa.Table = None
    usual_rows: pa.Table = None

    @property
    def roles(self) -> ExampleSpec:
        """Roles of its columns."""
        return self.reading.study.model.roles

    def inputs(self, rows: Table, *, holds_history: bool = False) -> pa.Table:
        """Return its inputs and its prediction for each row. Raises as of `read_inputs`."""
        from mlife_assets.adapters.example_files import read_inputs

        numbers = (*self.roles.features, str(self.roles.prediction))
        kinds = dict.fromkeys(numbers, "double") | dict.fromkeys(self.roles.categoricals, "varchar")
        study, types = self.reading.study, self.reading.types
        return read_inputs(self.source(rows), study, kinds, types, holds_history=holds_history)

    def probabilities(self, inputs: pa.Table) -> npt.NDArray[np.float64]:
        """Return what it said of n rows, float64 (n,). Raises InvalidInputError when that is no probability."""
        name = str(self.roles.prediction)
        found: npt.NDArray[np.float64] = inputs[name].to_numpy().astype(np.float64)
        if len(wrong := np.flatnonzero(~((found >= 0) & (found <= 1)))):
            value = f"{found[wrong[0]]:g} in row {wrong[0]}"
            raise InvalidInputError(f"{name} is {value}; a prediction is a probability from 0 to 1")
        return found

    def simple_scores(self, rows: pa.Table) -> Array | None:
        """Return the scores of rows by the simple rule of known rows that were answered before, (n,); None if few."""
        from mlife_assets.core.scoring.feature_spec import examples_matrix, fit_feature_spec
        from mlife_assets.core.training.simple_rule import fit_simple_rule

        roles = self.roles
        before = self.known.filter(pc.less_equal(self.known[roles.label_time], pc.min(rows[roles.time])))
        if len(before[roles.label].unique()) < 2:
            return None
        spec, outcome = fit_feature_spec(before, roles), before[roles.label].to_numpy(zero_copy_only=False)
        rule = fit_simple_rule(spec.expanded(examples_matrix(before, spec)), outcome, spec)
        return rule.score(examples_matrix(rows, spec), spec)

    def __repr__(self) -> str:
        first, last = (end(self.known[self.roles.time]).as_py() for end in (pc.min, pc.max))
        return f"{self.model_version}, known by {self.known.num_rows:,} rows of {first} to {last}"


Known: TypeAlias = StudyModel | AdoptedModel | Path | str
"""A model, or its folder."""


def opened(model: Known) -> StudyModel | AdoptedModel:
    """Return a model, that of a folder too. Raises as of `load_folder`."""
    return load_folder(model) if isinstance(model, str | Path) else model


def mature_rows(known: StudyModel | AdoptedModel, table: Table) -> tuple[pa.Table, Mapping[str, str]]:
    """Return labelled rows in canonical order, and the types that they were read as. Raises as of `judge`."""
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import examine_examples, sound_rows
    from mlife_assets.core.training.example_training import canonical, require_complete

    study = known.reading.study
    read = examine_examples(known.source(table) if isinstance(known, AdoptedModel) else source_of(table), study)
    rows = sound_rows(read, study)
    require_complete(rows, study.model.roles, SystemClock().now().date())
    if not rows.num_rows:
        raise InvalidInputError("the table has no examples to judge by; pass rows whose label is known")
    return canonical(rows, study.model.roles), read.types


def load_folder(folder: Path | str) -> StudyModel:
    """Return the model that `mlife train --out` or `save` wrote into a folder.

    Raises:
        NotFoundError: there is no trained model.
        InvalidInputError: a file is missing.
        IntegrityError: a file was changed.
    """
    folder = Path(folder)
    manifest = folder / MODEL_FOLDER / MANIFEST_FILE
    if not is_trained_folder(folder):
        raise NotFoundError(f"{folder} holds no trained model; name the --out of an earlier training")
    names = file_names(manifest.read_bytes())
    missing = [name for name in names if not (folder / MODEL_FOLDER / name).is_file()]
    if missing:
        raise InvalidInputError(f"the model in {folder} lacks {missing[0]}; train it again")
    files = {name: (folder / MODEL_FOLDER / name).read_bytes() for name in names}
    result = _result_of(folder)
    artifact = ModelArtifact.from_files(result["model_version"], files)
    plots = [f"{PLOTS_FOLDER}/{path.name}" for path in sorted((folder / PLOTS_FOLDER).glob("*.png"))]
    beside = [name for name in (RESULT_FILE, CARD_FILE, READING_FILE, ROWS_FILE, *plots) if (folder / name).is_file()]
    kept = {f"{MODEL_FOLDER}/{name}": data for name, data in files.items()}
    kept |= {name: (folder / name).read_bytes() for name in beside}
    return StudyModel(artifact, kept, tuple(result.get("sentences", ())))


def is_trained_folder(folder: Path) -> bool:
    """Return whether a folder is one that `mlife train` wrote."""
    return (folder / MODEL_FOLDER / MANIFEST_FILE).is_file() and (folder / RESULT_FILE).is_file()


def _result_of(folder: Path) -> dict[str, Any]:
    """Return the result of an earlier training. Raises IntegrityError when it does not say which model it is of."""
    try:
        result = orjson.loads((folder / RESULT_FILE).read_bytes())
        is_said = isinstance(result["model_version"], str)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        is_said = False
    if not is_said:
        raise IntegrityError(
            f"{folder / RESULT_FILE} does not say which model it is of, so it was changed or cut off; restore the "
            f"file, or train the champion again with --out {folder}"
        )
    return dict(result)
