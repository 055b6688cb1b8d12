from __future__ import annotations

import base64
import re
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import (
    TABLE_ROWS_MAXIMUM,
    message_links,
    page_link,
    plot,
    runbook_link,
    sentences,
    table,
    wide_table,
    worded_link,
)
from mlife_assets.components.shown.runbooks import DATA_DRIFT
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

ROW = {"name": "a", "count": 3, "share": 0.1234567891, "flag": True, "day": date(2026, 6, 2), "nothing": None}


def test_a_plot_is_an_inline_image_with_its_title() -> None:
    found = re.fullmatch(r"!\[drift\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", plot(b"\x89PNG data", "drift").value)
    assert base64.b64decode(found[1]) == b"\x89PNG data"


def test_a_table_keeps_numbers_as_numbers_and_writes_the_rest_out() -> None:
    shown = table([ROW, ROW | {"count": 4}])
    types = {column.name: column.type for column in shown.schema.columns}
    assert types == {
        "name": "string", "count": "int", "share": "float", "flag": "bool", "day": "string", "nothing": "string",
    }  # fmt: skip
    assert shown.records[0].data == ROW | {"share": 0.123457, "day": "2026-06-02"}
    assert [record.data["count"] for record in shown.records] == [3, 4]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1, 2.5], "float"), ([None, 1], "int"), ([1, "a"], "string"), ([True, None], "bool"), ([True, 1], "string")],
)
def test_the_type_of_a_column_fits_all_its_values(values, kind) -> None:
    shown = table([{"x": value} for value in values])
    assert shown.schema.columns[0].type == kind
    assert [record.data["x"] for record in shown.records] == values


def test_long_tables_are_cut_and_empty_ones_say_so() -> None:
    assert len(table([{"x": number} for number in range(500)]).records) == TABLE_ROWS_MAXIMUM
    assert table([]) == dg.MetadataValue.text("no rows")


def test_sentences_are_a_list() -> None:
    assert sentences(["One.", "Two."]).value == "- One.\n- Two."


def test_a_wide_table_is_markdown_whose_cells_break_no_row() -> None:
    shown = wide_table([ROW | {"name": "a | b\nc"}, ROW | {"count": None}])
    assert shown.value.split("\n") == [
        "| name | count | share | flag | day | nothing |",
        "| --- | --- | --- | --- | --- | --- |",
        r"| a \| b c | 3 | 0.1235 | yes | 2026-06-02 |  |",
        "| a |  | 0.1235 | yes | 2026-06-02 |  |",
    ]
    assert wide_table([]) == dg.MetadataValue.text("no rows")


def platform(tmp_path: Path, **settings: object) -> Platform:
    return Platform(settings=Settings(home=tmp_path, **settings), policies=Policies())


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://127.0.0.1:3001"),
        ({"pages_port": 4001}, "http://127.0.0.1:4001"),
        ({"pages_port": 4001, "pages_url": "https://jobs.example/mlife/"}, "https://jobs.example/mlife"),
    ],
)
def test_a_link_is_the_address_of_the_pages_and_the_place_of_one(tmp_path, settings, address) -> None:
    here = platform(tmp_path, **settings)
    assert page_link(here, "dashboard/index.html").url == f"{address}/dashboard/index.html"
    assert worded_link(here, "dashboard/index.html", "it").value == f"[it]({address}/dashboard/index.html)"
    assert runbook_link(here, DATA_DRIFT).url == f"{address}/runbooks/data_drift"
    listed = message_links(here, [("msg_1", "Cook [now](http://x) `wanted`\n*"), ("msg_2", "b")]).value
    assert listed == (
        f"- [msg_1]({address}/messages/msg_1): `Cook [now](http://x) 'wanted' *`\n"
        f"- [msg_2]({address}/messages/msg_2): `b`"
    )


@pytest.mark.parametrize("url", ["jobs.example", "ftp://x", "http://x?a=1", "http://x#a", "http://x y", "javascript:x"])
def test_an_address_is_a_plain_http_url(tmp_path, url) -> None:
    for name in ("pages_url", "ui_url"):
        with pytest.raises(ValidationError):
            Settings(home=tmp_path, **{name: url})
