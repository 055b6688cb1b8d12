"""The pages of the lived home, in headless Chromium: every link between them, and every link to them from metadata."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import dagster as dg
import orjson
import pyarrow.parquet as pq
import pytest
import requests

pytestmark = pytest.mark.browser

PROGRAM = "from mlife_assets.cli import main; main()"
UI = "http://127.0.0.1:3000"
DEFAULT = "http://127.0.0.1:3001"
MESSAGES_OPENED = 3
NUMBER = re.compile(r"(\d{3})\D{0,3}555\D?(01\d\d)")
"""Area code and last digits of a fictional number, however it is written."""


@pytest.fixture(scope="module")
def site(lived, lived_world) -> Iterator[str]:
    """Serve the lived home as `mlife open` does beside a UI; yield the address."""
    environment = {**os.environ, "MLIFE_UI_URL": UI, "MLIFE_HASH_KEY": lived_world.HASH_KEY}
    command = [sys.executable, "-c", PROGRAM, "open", "--port", "0", "--home", str(lived.home.folder), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            lines: list[str] = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            yield orjson.loads("".join(lines))["url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


@pytest.fixture(scope="module")
def opened(browser: Any, site: str) -> dict[str, dict[str, Any]]:
    """Follow every link from the root, in the browser; return what each page says, by path.

    Of the messages that a list names a few are opened: each is scored again.
    """
    page, found, waiting, messages = browser.new_page(), dict[str, dict[str, Any]](), [site + "/"], set[str]()
    page.set_default_timeout(60_000)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: faults.append(request.url))
    while waiting:
        url = waiting.pop(0)
        path = urlsplit(url).path
        if path in found:
            continue
        answer = page.goto(url)
        anchors = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
        found[path] = {
            "status": answer.status, "title": page.title(), "html": page.content(),
            "ids": set(page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")), "links": anchors,
            "faults": faults.copy(),
        }  # fmt: skip
        faults.clear()
        for link in anchors:
            target = urldefrag(link).url
            if re.search(r"/messages/msg_\w+$", target):
                messages.add(target)
                if len(messages) > MESSAGES_OPENED:
                    continue
            if target.startswith(site) and urlsplit(target).path not in found:
                waiting.append(target)
    page.close()
    return found


def test_no_link_is_dead_and_no_page_has_a_fault(opened) -> None:
    assert {path: one["status"] for path, one in opened.items() if one["status"] != 200} == {}
    assert {path: one["faults"] for path, one in opened.items() if one["faults"]} == {}


def test_every_kind_of_page_is_reached_from_the_root(opened, lived, repository: Path) -> None:
    versions = {row["model_version"] for row in lived.home.platform.of_model().registry.versions()}
    runbooks = {path.stem for path in (repository / "docs" / "runbooks").glob("*.md")}
    expected = {"/", "/dashboard/index.html", "/messages/", "/runbooks/"}
    expected |= {f"/models/{version}/card.html" for version in versions} | {f"/runbooks/{name}" for name in runbooks}
    assert set(opened) >= expected
    assert len([path for path in opened if path.startswith("/messages/msg_")]) == MESSAGES_OPENED


def test_a_link_into_a_page_names_a_part_of_it(opened, site) -> None:
    dangling = []
    for path, one in opened.items():
        for link in one["links"]:
            address, part = urldefrag(link)
            target = opened.get(urlsplit(address).path)
            if part and address.startswith(site) and target is not None and unquote(part) not in target["ids"]:
                dangling.append((path, link))
    assert dangling == []


def test_pages_lead_back_to_assets_of_the_ui(opened, lived, site) -> None:
    assets = {
        key.to_user_string() for key in lived.home.definitions.get_repository_def().asset_graph.get_all_asset_keys()
    }
    outside = {path: [link for link in one["links"] if not link.startswith(site)] for path, one in opened.items()}
    assert all(outside.values()), "every page leads back"
    for link in {urldefrag(link).url for links in outside.values() for link in links}:
        assert link.startswith(UI), link
        place = urlsplit(link).path
        assert place == "/asset-groups" or place.removeprefix("/assets/") in assets, link


def test_no_page_holds_a_phone_number(opened, lived) -> None:
    book = (
        pq.read_table(lived.home.settings.private_folder / "contacts.parquet")["phone_number"].drop_null().to_pylist()
    )
    known = {(number[2:5], number[8:]) for number in book}
    assert len(known) > 1_000
    assert set(NUMBER.findall(" ".join(book[:50]))) <= known, "the scan finds a number"
    assert NUMBER.findall(" ".join(book[:50]))
    found = {path: known.intersection(NUMBER.findall(one["html"])) for path, one in opened.items()}
    assert not any(found.values()), found


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_pages_that_are_only_served_have_no_fault_either(opened, look, width, scheme) -> None:
    """Those of the lake are looked at where they are made."""
    trace = next(path for path in opened if path.startswith("/messages/msg_"))
    for path in ("/messages/", trace, "/runbooks/", "/runbooks/drift_alert", "/runbooks/data_quality_fault"):
        seen = look(opened[path]["html"], width, scheme)
        assert (seen.problems, seen.faults, seen.requests) == ([], [], []), path
        assert seen.width <= width, path
        assert len(opened[path]["html"]) < 1_000_000


def urls(value: Any) -> list[str]:
    """Return the addresses that a metadata value shows."""
    if isinstance(value, dg.UrlMetadataValue):
        return [value.url]
    if isinstance(value, dg.MarkdownMetadataValue):
        return re.findall(r"\]\((?!<?data:)([^)]*)\)", value.md_str)
    return []


def test_every_address_in_metadata_answers(lived, site) -> None:
    found: dict[str, str] = {}
    with lived.home.instance() as instance, requests.Session() as session:
        session.trust_env = False
        kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
        for run in instance.get_runs():
            for record in instance.get_records_for_run(run.run_id, of_type=kinds).records:
                event = record.event_log_entry.dagster_event
                shown = event.event_specific_data
                metadata = shown.materialization.metadata if hasattr(shown, "materialization") else shown.metadata
                for name, value in metadata.items():
                    assert not isinstance(value, dg.PathMetadataValue), name
                    assert "file://" not in str(value.value), name
                    found |= dict.fromkeys(urls(value), name)
        assert {"page", "card", "runbook", "messages", "sample_texts"} <= set(found.values())
        assert [address for address in found if not address.startswith(f"{DEFAULT}/")] == []
        traced = [address for address, name in found.items() if name == "sample_texts"]
        asked = [address for address in found if address not in traced[MESSAGES_OPENED:]]
        dead = [one for one in asked if session.get(one.replace(DEFAULT, site), timeout=60).status_code != 200]
    assert dead == []
