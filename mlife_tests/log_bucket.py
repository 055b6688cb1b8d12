"""The log's bucket as `20-event-log` renders it, made on an S3 server of this machine, for tests and benchmarks.

Concept: what sets a bucket up is a few signed requests, so that it needs no package of AWS, which the laptop's set
does without.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from infra.gate.environments import Sources, rendered

KEPT = ("NobodyDeletesOrShortens", "OnlyThePlacesOfTheLog")
"""Statements that the server enforces over plain HTTP; what it does with the others `docs/infra_emulators.md` says."""
VOLUMES = 7
"""Volumes of a server that one bucket takes."""


def templates() -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the properties of what the template makes in dev and in prod, by environment and name."""
    sources = Sources.read()
    stacks = {name: rendered(sources, name).stack("20-event-log") for name in ("dev", "prod")}
    return {name: {one.name: one.properties for one in stack.resources} for name, stack in stacks.items()}


def make_log_bucket(server: Any, name: str, properties: Mapping[str, Any], *statements: str) -> None:
    """Make a bucket as one environment's template says, with some statements of its policy.

    Args:
        server: a `s3_server.S3Server`.
        name: of the bucket.
        properties: of the environment, from `templates`.
        statements: names of those that the policy has; without one there is no policy.
    """
    bucket = properties["EventLogBucket"]
    place = f"/{name}"
    server.ask("PUT", place, x_amz_bucket_object_lock_enabled=str(bucket["ObjectLockEnabled"]).lower())
    for part, query in (
        ("VersioningConfiguration", "versioning"),
        ("ObjectLockConfiguration", "object-lock"),
        ("OwnershipControls", "ownershipControls"),
    ):
        _set(server, place, query, _xml(part, bucket[part]))
    if statements:
        _set(server, place, "policy", policy(properties, name, *statements).encode())


def _set(server: Any, place: str, query: str, content: bytes) -> None:
    """Set one part of a bucket; SeaweedFS may not know the bucket for a moment after the part before."""
    for _ in range(50):
        try:
            server.ask("PUT", place, {query: ""}, content)
            return
        except OSError as error:
            if "NoSuchBucket" not in str(error):
                raise
            time.sleep(0.1)
    raise TimeoutError(f"{place} is not known to the server")


def policy(properties: Mapping[str, Any], name: str, *statements: str) -> str:
    """Return some statements of the template's policy, over the bucket `name`."""
    document = properties["EventLogPolicy"]["PolicyDocument"]
    chosen = [one for one in document["Statement"] if one["Sid"] in statements]
    assert [one["Sid"] for one in chosen] == list(statements)
    return json.dumps({**document, "Statement": chosen}).replace(properties["EventLogBucket"]["BucketName"], name)


def guarded(server: Any, name: str) -> dict[str, Any]:
    """Return what a server says that guards a bucket: its lock, its versions and the statements of its policy."""

    def said(query: str) -> ElementTree.Element:
        return ElementTree.fromstring(server.ask("GET", f"/{name}", {query: ""}))

    held = said("object-lock").find("{*}Rule/{*}DefaultRetention")
    assert held is not None, f"{name} has no lock"
    statements = json.loads(server.ask("GET", f"/{name}", {"policy": ""}))["Statement"]
    return {
        "mode": held.findtext("{*}Mode"),
        "days": int(held.findtext("{*}Days") or 0),
        "versions": said("versioning").findtext("{*}Status"),
        "policy": [one["Sid"] for one in statements],
    }


def written_again(server: Any, name: str) -> list[str]:
    """Return the keys of a bucket that have more than one version, or a marker: somebody put or deleted them again."""
    versions: Counter[str] = Counter()
    after: dict[str, str] = {}
    while True:
        tree = ElementTree.fromstring(server.ask("GET", f"/{name}", {"versions": "", **after}))
        for one in tree:
            if one.tag.endswith(("}Version", "}DeleteMarker")):
                versions[one.findtext("{*}Key") or ""] += 1 if one.tag.endswith("}Version") else 2
        if tree.findtext("{*}IsTruncated") != "true":
            return sorted(key for key, count in versions.items() if count > 1)
        key, version = tree.findtext("{*}NextKeyMarker"), tree.findtext("{*}NextVersionIdMarker")
        after = {"key-marker": key or "", **({"version-id-marker": version} if version else {})}


def _xml(name: str, content: Mapping[str, Any]) -> bytes:
    """Return what CloudFormation says of a bucket as S3's API says it: a list is its elements, in the singular."""

    def add(parent: ElementTree.Element, tag: str, value: Any) -> None:
        if isinstance(value, list):
            for one in value:
                add(parent, tag.removesuffix("s"), one)
            return
        element = ElementTree.SubElement(parent, tag)
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(element, key, inner)
        else:
            element.text = str(value)

    root = ElementTree.Element(name)
    for key, value in content.items():
        add(root, key, value)
    return ElementTree.tostring(root)
