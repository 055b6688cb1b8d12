"""Manifests of release 0.1.0: one chain for each hour, which nothing writes any more.

Belongs here: reading them. Does not belong here: their bytes (`manifests`), the chain that goes on from them (`chain`).
"""

from __future__ import annotations

from collections.abc import Iterable

from mlife_assets.adapters.event_log.layout import MANIFESTS, content_hash, parse_hour_manifest_key
from mlife_assets.adapters.event_log.manifests import Entry, Link, decode_hour_manifest
from mlife_assets.core.ports import ObjectStore


def last_of_hours(store: ObjectStore) -> tuple[Link, ...]:
    """Return the last manifest of each hour of release 0.1.0. Raises `IntegrityError` when one is damaged."""
    last: dict[str, str] = {}
    for key in store.list(MANIFESTS):
        place = parse_hour_manifest_key(key)
        if place is not None:
            last[place[0]] = key
    links = []
    for key in last.values():
        data = store.get(key)
        decode_hour_manifest(key, data)
        links.append(Link(key, content_hash(data)))
    return tuple(links)


def listed_in_hour(store: ObjectStore, hour: str) -> Iterable[Entry]:
    """Yield what the manifests of an hour list. Raises `IntegrityError` when one is damaged."""
    for key in store.list(f"{MANIFESTS}/{hour}"):
        if parse_hour_manifest_key(key) is not None:
            yield from decode_hour_manifest(key, store.get(key)).entries
