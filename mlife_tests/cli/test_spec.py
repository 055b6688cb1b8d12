"""`mlife spec`: a draft that a training takes, with what it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pytest
import yaml

from mlife_assets.cli import output
from mlife_assets.studies.drafting import draft_spec

ROWS = 600
DAYS = [date(2026, 1, 1) + timedelta(days=row // 10) for row in range(ROWS)]


def column(of: Callable[[int], object]) -> list[object]:
    return [of(row) for row in range(ROWS)]


QUOTES = {
    "customer_id": column(lambda row: row % 90), "quoted_on": DAYS, "was_ordered": column(lambda row: row % 3 == 0),
    "expired_on": [day + timedelta(days=7) for day in DAYS], "price": column(lambda row: row * 7 % 41 / 3),
    "region": column(lambda row: "north" if row % 2 else "south"),
}  # fmt: skip
WHOLE = {
    "entity": "customer_id", "time": "quoted_on", "label": "was_ordered", "label_time": "expired_on",
    "features": ["price"], "categoricals": ["region"],
}  # fmt: skip


def test_a_draft_is_a_spec_that_a_check_takes(run, tmp_path, monkeypatch):
    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", 0.001)
    pa.csv.write_csv(pa.table(QUOTES), tmp_path / "quotes.csv")
    drafted = run("spec", tmp_path / "quotes.csv")
    assert drafted.exit_code == 0
    assert json.loads(drafted.stdout)["roles"] == WHOLE
    assert "entity: customer_id: its name, and it occurs once a day" in drafted.stderr
    assert "unsure: features: price: numbers; are all known on the morning of the day?" in drafted.stderr
    (tmp_path / "spec.json").write_text(drafted.stdout)
    checked = run("check", "--examples", tmp_path / "quotes.csv", "--spec", tmp_path / "spec.json")
    assert checked.exit_code == 0, checked.stdout
    assert "Checking, 0 s" in checked.stderr
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(json.loads(drafted.stdout), sort_keys=False))
    (tmp_path / "wrong.yaml").write_text("roles: [")
    spoken, wrong = (
        run("check", "--examples", tmp_path / "quotes.csv", "--spec", tmp_path / name)
        for name in ("spec.yaml", "wrong.yaml")
    )
    assert (spoken.exit_code, spoken.stdout) == (0, checked.stdout)
    assert (wrong.exit_code, "wrong.yaml is no spec in YAML" in wrong.stderr) == (1, True)
    document = orjson.loads(run("spec", tmp_path / "quotes.csv", "--json").stdout)
    assert (set(document), document["spec"]["roles"]) == ({"guesses", "spec"}, WHOLE)


@pytest.mark.parametrize(
    ("change", "role", "column", "is_sure", "derived"),
    [
        ({"expired_on": None}, "label_time", "known_on", False, 'cast("quoted_on" as date) + 1'),
        ({"expired_on": DAYS}, "label_time", "known_on", False, 'cast("quoted_on" as date) + 1'),
        ({"customer_id": None}, "entity", "row_number", False, "row_number() over ()"),
        ({"customer_id": column(lambda row: row % 5)}, "entity", "customer_id", False, None),
        ({"was_ordered": column(lambda row: row % 4)}, "label", "label", False, "false"),
        (
            {"was_ordered": column(lambda row: "No" if row % 3 else "Yes")}, "label", "is_was_ordered", True,
            "\"was_ordered\" = 'Yes'",
        ),
        ({"is_new": column(lambda row: row % 2)}, "label", "is_new", False, None),
        ({"quoted_on": None, "expired_on": None}, "time", "date", False, "date '2026-01-01'"),
        (
            {"quoted_on": None, "expired_on": None, "year": [2026] * ROWS, "month": [1] * ROWS, "day": [3] * ROWS},
            "time", "date", True, 'make_date("year", "month", "day")',
        ),
        ({"note": column(str)}, "left out", "note", True, None),
        ({"empty": ["x"] * ROWS}, "left out", "empty", True, None),
        ({"paid_on": DAYS}, "left out", "paid_on", True, None),
    ],
)  # fmt: skip
def test_each_guess_says_whether_it_is_sure(change, role, column, is_sure, derived):
    table = pa.table({name: values for name, values in {**QUOTES, **change}.items() if values is not None})
    record = draft_spec(table).as_dict()
    found = {(one["role"], one["column"]): one for one in record["guesses"]}
    assert found[role, column]["is_sure"] is is_sure
    assert record["spec"].get("derive", {}).get(column) == derived


def fits(value: object, schema: dict[str, Any]) -> bool:
    """Whether a value fits a schema of the keywords that are used."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if not isinstance(value, dict) or "properties" not in schema:
        return True
    known = schema["properties"]
    return set(schema["required"]) <= set(value) <= set(known) and all(fits(value[one], known[one]) for one in value)


def test_the_schema_takes_every_example_and_no_other_key(run, repository):
    schema = json.loads(run("spec", "--schema").stdout)
    assert run("spec").exit_code == 2
    for path in sorted((repository / "examples").glob("*.json")):
        spec = json.loads(path.read_text())
        assert fits(spec, schema), path
        wrong = (spec | {"rols": {}}, spec | {"training": {"leavs": 3}}, spec | {"gate_share": "half"})
        assert not any(fits(one, schema) for one in wrong)
