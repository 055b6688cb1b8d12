"""A version of a model goes from one environment to another, with the verdict of the gate that judged it.

Concept: importing registers and never promotes. The other environment's verdict is kept under its name and does not
count as one of the gate here. The bundle includes the reference, without which a champion's daily checks stop, and the
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
    """An imported version. `outcome` is the last verdict of the gate at its origin with its date, if any."""

    model_version: str
    outcome: str
    judged_at: datetime | None
    sentences: tuple[str, ...]
    is_new: bool


def export_model(platform: ModelPorts, version: str, store: ObstoreObjectStore, *, actor: str) -> tuple[Bundle, bool]:
    """Write a registered version to a place, signed; returns the bundle and whether it is new.

    Raises:
        IntegrityError, ContentConflictError: the artifact, or the content of the place, was changed.
        InvalidInputError: this environment has signed nothing yet, so its key is unknown.
    """
    signer = present_signer(platform.home)
    bundle = Bundle(
        model_name=platform.model_name,
        model_version=version,
        environment=getattr(platform.settings, "environment", "project"),
        exported_by=kept_words("actor", actor),
        exported_at=operator_time(platform),
        signed_by=signer.public_key.hex(),
        files=_files(platform, version),
    )
    return write_bundle(store, bundle, signer)


def bundled_verdict(bundle: Bundle) -> dict[str, Any]:
    """Return the last verdict in a bundle: its outcome, sentences and, if there is a verdict, `observed_at`."""
    judged = orjson.loads(bundle.files[VERDICTS_FILE])
    return dict(judged[-1]) if judged else {"outcome": NOT_JUDGED, "sentences": []}


def import_model(platform: ModelPorts, bundle: Bundle, *, actor: str, reason: str) -> Imported:
    """Register the version of a bundle and record its origin; the same bundle again is a no-op.

    Everything is checked before the first write. The record of the other gate's verdict comes last.

    Raises:
        InvalidInputError: it is another model, or has other columns or steps than are declared here.
        IntegrityError: a file's content does not match its name.
        ContentConflictError: the version belongs to another model here.
        NewerVersionError: the other gate's verdict is unknown to this mlife.
        GateClosedError: no declaration here states the model's inputs.
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
    """Keep a bundle's files that are not stored here yet, and replace damaged ones."""
    for name, data in sorted(bundle.files.items()):
        if name == CARD_FILE or name.split("/")[0] in (ARTIFACT, FOLDS):
            continue
        try:
            platform.lake.put_if_absent(f"{folder}{name}", data)
        except ContentConflictError:  # the folder is named by its content
            platform.lake.replace(f"{folder}{name}", data)
    if not platform.lake.exists(f"{folder}{BUNDLE_FILE}"):  # else it may be from an earlier export of the version
        platform.lake.put_if_absent(f"{folder}{BUNDLE_FILE}", bundle.listing)


def _event(platform: ModelPorts, bundle: Bundle, said: Mapping[str, Any]) -> tuple[pa.Table, bool]:
    """Return the event of an import, and whether it is new."""
    identity = event_id(IMPORTED, bundle.model_version, bundle.bundle_id)
    (rows,) = platform.event_log.remembered(IMPORTED, anew=True)  # files that a crash left unlisted count, too
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
        if report["model_version"] == version:  # the gate may have judged another one that day since
            key = tables.report_key(PROMOTION_REPORT, day)
            files[key.removeprefix(tables.folder)] = lake.get(key)
    return files | _reference_files(platform, version)


def _reference_files(platform: ModelPorts, version: str) -> dict[str, bytes]:
    """Return the reference of a version, with the models that scored it; empty without one."""
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
    """Raise InvalidInputError if a model has inputs or steps that are not declared here.

    A project's home holds no declarations; there the newest recorded version defines the inputs.
    """
    if platform.model_name in platform.home.model_names:
        roles = platform.model.roles
        columns, steps = roles.columns, roles.steps
    elif versions := platform.registry.versions():
        known = platform.registry.load(versions[-1]["model_version"])
        columns, steps = known.feature_spec.names, tuple(stage.step for stage in known.stages)
    else:
        raise GateClosedError(
            f"{platform.model_name} has no version here yet, so its permitted features are unknown; train one first"
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
