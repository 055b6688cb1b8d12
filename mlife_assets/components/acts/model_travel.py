"""A version of a model goes from one environment to another, with the verdict of the gate that judged it.

Concept: importing registers and never promotes. What the gate of the other environment said is kept as that, and is no
verdict of the gate here. The reference goes along, since without one the daily checks of a champion stop, and so do the
models that scored it; its rows are of people of the other environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
import pyarrow as pa

from mlife_assets.adapters.model_bundles import BUNDLE_FILE, Bundle, imported_folder, write_bundle
from mlife_assets.adapters.model_registry import CARD_FILE, FOLDS, WRITER
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.monitoring.inputs import REFERENCE_REPORT, REFERENCE_TABLE, reference_source
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.errors import (
    ContentConflictError,
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    NewerVersionError,
)
from mlife_assets.core.ids import event_id
from mlife_assets.core.model_events import IMPORTED, MODEL_NAME, NOT_JUDGED, OUTCOMES
from mlife_assets.core.quoting import quoted
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.deployments.sealing import present_signer, seal
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.kept_words import kept_words

ARTIFACT = "artifact"
REGISTRATION_FILE, VERDICTS_FILE = "registration.json", "verdicts.json"

REMEDY = "deploy the declaration that it was learned under first"


@dataclass(frozen=True)
class Imported:
    """What came. `outcome` is the last verdict of the gate where it comes from, and when, or that there is none."""

    model_version: str
    outcome: str
    judged_at: datetime | None
    sentences: tuple[str, ...]
    is_new: bool


def export_model(platform: ModelPorts, version: str, store: ObstoreObjectStore, *, actor: str) -> tuple[Bundle, bool]:
    """Write a registered version to a place, signed; returns the bundle and whether it is new.

    Raises:
        IntegrityError, ContentConflictError: the artifact, or what lies at the place, was changed.
        InvalidInputError: nothing was signed here yet, so nobody knows this environment's key.
    """
    signer = present_signer(platform.home)
    bundle = Bundle(
        model_name=platform.model_name,
        model_version=version,
        environment=platform.home.environment,
        exported_by=kept_words("actor", actor),
        exported_at=operator_time(platform),
        signed_by=signer.public_key.hex(),
        files=_files(platform, version),
    )
    return write_bundle(store, bundle, signer)


def bundled_verdict(bundle: Bundle) -> dict[str, Any]:
    """Return the last verdict that a bundle holds: its outcome, sentences and, if anybody judged it, `observed_at`."""
    judged = orjson.loads(bundle.files[VERDICTS_FILE])
    return dict(judged[-1]) if judged else {"outcome": NOT_JUDGED, "sentences": []}


def import_model(platform: ModelPorts, bundle: Bundle, *, actor: str, reason: str) -> Imported:
    """Register what a bundle holds, and record where it came from; the same bundle again is a no-op.

    Nothing is written before everything fits. The record comes last: until then nothing says that a gate promoted it.

    Raises:
        InvalidInputError: it is another model, or was learned for other columns or steps than are declared here.
        IntegrityError: a file does not hold what its name says.
        ContentConflictError: the version is one of another model here.
        NewerVersionError: the gate there said what this mlife does not know.
        GateClosedError: nothing says here what the model may look at.
    """
    actor, reason = kept_words("actor", actor), kept_words("reason", reason)
    version = bundle.model_version
    if bundle.model_name != platform.model_name:
        raise InvalidInputError(
            f"{version} is a version of {bundle.model_name} and not of {platform.model_name}; name its model by --model"
        )
    artifact = _artifact(bundle, ARTIFACT, version)
    scorers = [
        _artifact(bundle, f"{FOLDS}/{one}", one)
        for one in sorted({name.split("/")[1] for name in bundle.files if name.startswith(f"{FOLDS}/")})
    ]
    _require_fit(platform, artifact)
    folder, now = imported_folder(version, bundle.bundle_id), operator_time(platform)
    try:
        as_of = date.fromisoformat(orjson.loads(bundle.files[REGISTRATION_FILE])["as_of_date"])
        verdict = bundled_verdict(bundle)
        outcome, sentences = verdict["outcome"], tuple(verdict["sentences"])
        if isinstance(verdict["sentences"], str) or not all(isinstance(one, str) for one in sentences):
            raise TypeError("sentences are no list of text")
        judged_at = None if outcome == NOT_JUDGED else datetime.fromisoformat(verdict["observed_at"])
        said = {"outcome": outcome, "judged_at": judged_at, "sentences": list(sentences)}
        said |= {"actor": actor, "reason": reason}
        event, is_new = _event(platform, bundle, {"occurred_at": now, "observed_at": now, **said})
        platform.registry.registration(artifact, as_of=as_of, now=now)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"the records of {version} in its bundle cannot be read ({error}); export it again"
        ) from error
    if judged_at is not None and outcome not in OUTCOMES:
        raise NewerVersionError(
            f"the gate said {quoted(outcome)} of {version}, which this mlife does not know; upgrade mlife"
        )
    _keep(platform, bundle, folder)
    for one in scorers:
        platform.registry.keep_fold(one)
    platform.registry.register(artifact, as_of=as_of, now=now)
    card = platform.registry.card_key(version)
    if CARD_FILE in bundle.files and not platform.lake.exists(card):
        platform.lake.put_if_absent(card, bundle.files[CARD_FILE])
    platform.event_log.append(IMPORTED, event, writer=WRITER)
    seal(platform.home, platform.days)
    return Imported(version, outcome, judged_at, sentences, is_new)


def _keep(platform: ModelPorts, bundle: Bundle, folder: str) -> None:
    """Keep what lies nowhere else here, and write again what was damaged since it came."""
    for name, data in sorted(bundle.files.items()):
        if name == CARD_FILE or name.split("/")[0] in (ARTIFACT, FOLDS):
            continue
        try:
            platform.lake.put_if_absent(f"{folder}{name}", data)
        except ContentConflictError:  # the name is of a folder that is named by its content
            platform.lake.replace(f"{folder}{name}", data)
    if not platform.lake.exists(f"{folder}{BUNDLE_FILE}"):  # else it may be of an earlier export of the same
        platform.lake.put_if_absent(f"{folder}{BUNDLE_FILE}", bundle.listing)


def _event(platform: ModelPorts, bundle: Bundle, said: Mapping[str, Any]) -> tuple[pa.Table, bool]:
    """Return what is recorded of an import, and whether it is new."""
    identity = event_id(IMPORTED, bundle.model_version, bundle.bundle_id)
    (rows,) = platform.event_log.remembered(IMPORTED, anew=True)  # what a crash left unlisted counts, too
    recorded = next((dict(row) for row in rows if row["event_id"] == identity), None)
    row = recorded or {
        "event_id": identity,
        "model_version": bundle.model_version,
        "bundle_id": bundle.bundle_id,
        "environment": bundle.environment,
        "signed_by": bundle.signed_by,
        MODEL_NAME: bundle.model_name,
        **said,
    }
    return pa.Table.from_pylist([row], schema=EVENT_TYPES[IMPORTED].schema), recorded is None


def _files(platform: ModelPorts, version: str) -> dict[str, bytes]:
    lake, tables = platform.lake, platform.model_tables
    registered = next(row for row in platform.registry.versions() if row["model_version"] == version)
    judged = [row for row in platform.registry.events("promotion_decided") if row["model_version"] == version]
    files = {
        **_in_folder(ARTIFACT, platform.registry.load(version)),
        REGISTRATION_FILE: orjson.dumps(registered, option=orjson.OPT_SORT_KEYS),
        VERDICTS_FILE: orjson.dumps(judged, option=orjson.OPT_SORT_KEYS),
    }
    if lake.exists(card := platform.registry.card_key(version)):
        files[CARD_FILE] = lake.get(card)
    if judged and tables.has_report(PROMOTION_REPORT, day := judged[-1]["as_of_date"]):
        report = tables.read_report(PROMOTION_REPORT, day)
        if report["model_version"] == version:  # the gate of a day may have judged another one since
            key = tables.report_key(PROMOTION_REPORT, day)
            files[key.removeprefix(tables.folder)] = lake.get(key)
    return files | _reference_files(platform, version)


def _reference_files(platform: ModelPorts, version: str) -> dict[str, bytes]:
    """Return the reference of a version, with the models that scored it; nothing where it has none."""
    found = reference_source(platform, version)
    if found is None:
        return {}
    source, day, facts = found
    names = [f"{REFERENCE_TABLE}_{name}" for name in facts.get("tables", ())]
    keys = [source.report_key(REFERENCE_REPORT, day), *(source.key(name, day) for name in names)]
    files = {key.removeprefix(source.folder): platform.lake.get(key) for key in keys}
    for one in sorted({one for counts in facts.get("scored_by", {}).values() for one in counts} - {version}):
        files |= _in_folder(f"{FOLDS}/{one}", platform.registry.load(one))
    return files


def _in_folder(folder: str, artifact: ModelArtifact) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in artifact.files().items()}


def _artifact(bundle: Bundle, folder: str, version: str) -> ModelArtifact:
    files = {
        name.removeprefix(f"{folder}/"): data for name, data in bundle.files.items() if name.startswith(f"{folder}/")
    }
    return ModelArtifact.from_files(version, files)


def _require_fit(platform: ModelPorts, artifact: ModelArtifact) -> None:
    """Raise InvalidInputError where a model looks at columns, or says steps, that are not declared here.

    A project's home holds no declarations; there the newest version on record says what the model looks at.
    """
    if platform.model_name in platform.home.model_names:
        roles = platform.model.roles
        columns, steps = roles.columns, roles.steps
    elif versions := platform.registry.versions():
        known = platform.registry.load(versions[-1]["model_version"])
        columns, steps = known.feature_spec.names, tuple(stage.step for stage in known.stages)
    else:
        raise GateClosedError(
            f"{platform.model_name} has no version here yet, so nothing says what it may look at; train one first"
        )
    unknown = [name for name in artifact.feature_spec.names if name not in columns]
    said = [stage.step for stage in artifact.stages]
    if unknown:
        raise InvalidInputError(
            f"{artifact.model_version} looks at {unknown[0]}, which is no column of {platform.model_name} here; "
            f"{REMEDY}"
        )
    if said[-1] != steps[-1] or not set(said) <= set(steps):
        raise InvalidInputError(
            f"{artifact.model_version} predicts {', '.join(said)}, {platform.model_name} here {', '.join(steps)}; "
            f"{REMEDY}"
        )
