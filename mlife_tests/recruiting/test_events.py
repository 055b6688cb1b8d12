"""Event types, ids and tokens: what is declared, examples of landed rows, and what was released stays readable."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pyarrow as pa
import pytest

from mlife_assets.core import event_columns
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.event_columns import Column, EventType, choice, flag, identifier, integer, number, text
from mlife_assets.core.ids import digests, event_id
from mlife_assets.core.monitoring.thresholds import JOINT_SIZES
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.validation import json_as_table, validate
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.event_types import with_added
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES, TIMESTAMP
from mlife_assets.recruiting.ids import (
    ALPHABET,
    TOKEN_LENGTH,
    item_token,
    link_token,
    prediction_event_ids,
    prediction_id,
    prediction_ids,
)
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.kept_words import kept_words
from mlife_assets.recruiting.landed_examples import EXAMPLE_ROWS, example_rows, landed_schema
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.released_names import POLICY_FIELDS, reference_facts

PERSONAL = re.compile(r"phone|e_?mail|zip|street|gender|race|age_years|birth", re.IGNORECASE)
KNOWN = (EventType("seen", "market", (text("place"),)),)
MODULE = """
from mlife_assets.core.event_columns import EventType, text

EVENT_TYPE = EventType("{name}", "market", (text("place"),))
"""
DAY = date(2026, 6, 1)
END = day_start(DAY) + timedelta(days=1)
HOSTILE: tuple[Any, ...] = (
    None, "", "x", "x" * 200, "x" * 201, "x" * 2_001, "x" * 400_001, "\U0001f600" * 200, "a\x00b", "a\nb", "a\tb",
    "a\x7fb", "a\x85b", "a\u2028b", True, 0, 1, -1, 0.5, 2.0, 11, 91, 181, 1e9, -1e9, 10_001, [], [0.5], [0.5] * 8,
    [0.5] * 9, [None] * 8, "2026-06-01", "2026-06-01T10:00:00Z", "2026-06-01T10:00:00.123456+02:00",
    "2026-06-01T10:00:00", "1969-06-01T10:00:00Z", "noon", "organic", "29",
)  # fmt: skip
KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda one: one.name)
def test_every_event_carries_two_times_and_an_id(event_type: EventType) -> None:
    for name in ("occurred_at", "observed_at"):
        assert event_type.schema.field(name) == pa.field(name, TIMESTAMP, nullable=False)
    assert not event_type.schema.field("event_id").nullable
    names = event_type.schema.names
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda one: one.name)
def test_no_event_has_room_for_personal_or_protected_data(event_type: EventType) -> None:
    """Invariant 11: what has no column cannot leak into the log."""
    assert [column.name for column in event_type.columns if PERSONAL.search(column.name)] == []


def test_exporters_may_deliver_market_events_and_the_history_of_texts_only() -> None:
    market = {name for name, one in EVENT_TYPES.items() if one.source == "market"}
    assert set(MARKET_EVENT_TYPES) - market == {"message_planned", "message_submitted", "message_status"}


def test_a_prediction_says_which_application_logged_it_and_those_that_do_not_are_of_the_first() -> None:
    kind = EVENT_TYPES["prediction"]
    assert kind.schema.field("application") == pa.field("application", pa.string(), nullable=False)
    assert kind.schema.field("slice").nullable
    assert [(one.version, one.constants) for one in kind.upcasters] == [(1, {"application": JOB_OF_THE_DAY})]
    assert job_of_the_day(Policies()).name == JOB_OF_THE_DAY


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Return the name of a package with the modules that the test names, by what they declare."""
    name = f"added_{abs(hash(request.node.name))}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    for module, declared in request.param.items():
        (tmp_path / name / f"{module}.py").write_text(declared)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize(
    "package", [{"left": MODULE.format(name="left"), "came": MODULE.format(name="came")}], indirect=True
)
def test_modules_add_their_types_in_order_of_their_names(package: str) -> None:
    assert [one.name for one in with_added(KNOWN, package)] == ["seen", "came", "left"]


@pytest.mark.parametrize(
    ("package", "says"),
    [
        ({"left": ""}, "left declares no event type of its name; set EVENT_TYPE"),
        ({"left": MODULE.format(name="gone")}, "left declares no event type of its name"),
        ({"seen": MODULE.format(name="seen")}, "seen declares an event type that there is already; rename it"),
    ],
    indirect=["package"],
)
def test_a_type_has_the_name_of_its_module_and_one_of_its_own(package: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        with_added(KNOWN, package)


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_every_example_is_accepted_on_its_day(name: str) -> None:
    kind = EVENT_TYPES[name].landed
    rows = example_rows(kind, DAY)
    found = validate(kind, rows, now=END)
    assert found.rejected.to_pylist() == []
    assert (found.accepted.num_rows, rows.schema) == (EXAMPLE_ROWS, kind.schema)
    assert {one.date() for one in rows["occurred_at"].to_pylist()} == {DAY}
    for column in kind.all_columns:
        if column.nullable:
            assert rows[column.name].null_count, "a reader sees that it may be null"


def test_examples_lead_to_each_other() -> None:
    rows = {name: example_rows(EVENT_TYPES[name].landed, DAY) for name in ("impression", "click", "apply", "hire")}
    shown = rows["impression"].to_pylist()
    clicked = rows["click"].to_pylist()
    of_impressions = [row for row in clicked if row["source"] == "organic"]
    assert len(of_impressions) == 2
    for row in of_impressions:
        (cause,) = [one for one in shown if one["event_id"] == row["exposure_id"]]
        assert (cause["user_id"], cause["job_id"]) == (row["user_id"], row["job_id"])
    assert set(rows["hire"]["apply_event_id"].to_pylist()) == set(rows["apply"]["event_id"].to_pylist())
    sent = example_rows(EVENT_TYPES["message_planned"].landed, DAY)["message_id"].to_pylist()
    assert {row["exposure_id"] for row in clicked if row["source"] == "message"} <= set(sent)


def test_a_type_that_nobody_thought_of_has_examples_too() -> None:
    columns = (
        identifier("thing_id"), text("colour"), choice("kind", "a", "b"), flag("is_new"), integer("level", 2, 3),
        number("share", 0, 0.5), Column("ends_at", TIMESTAMP), Column("born_date", pa.date32()),
        Column("parts", pa.list_(pa.float64()), list_size=2), number("bonus", nullable=True),
    )  # fmt: skip
    kind = EventType("thing", "market", columns)
    found = validate(kind, example_rows(kind, DAY), now=END)
    assert found.rejected.to_pylist() == []


def schema_of(kind: EventType) -> dict[str, Any]:
    return landed_schema(kind, "A row.", {column.name: f"What {column.name} is." for column in kind.all_columns})


def rows_of(kind: EventType) -> list[dict[str, Any]]:
    return [orjson.loads(orjson.dumps(row, option=orjson.OPT_UTC_Z)) for row in example_rows(kind, DAY).to_pylist()]


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_it_is_a_schema_that_says_what_each_column_is(name: str) -> None:
    kind = EVENT_TYPES[name].landed
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$schema"]
    assert list(schema["properties"]) == kind.schema.names
    for column in kind.all_columns:
        said = schema["properties"][column.name]
        assert said["description"] == f"What {column.name} is."
        assert said["x-arrow-type"] == str(column.type)
        assert ("null" in said["type"]) == column.nullable
        assert said.get("x-unit") == ("US dollars per hour" if "usd_per_hour" in column.name else
                                      "US dollars per apply" if "usd_per_apply" in column.name else None)  # fmt: skip
    for row in rows_of(kind):
        jsonschema.Draft202012Validator(schema).validate(row)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("apply", "job_posted") else pytest.mark.proof)
        for name in MARKET_EVENT_TYPES
    ],
)
def test_what_it_allows_is_accepted_and_what_it_forbids_refused(name: str) -> None:
    """One value of a good row is changed at a time. Validation reads text as other types, which the schema does not."""
    kind = EVENT_TYPES[name].landed
    judge = jsonschema.Draft202012Validator(schema_of(kind))
    (row, *_) = rows_of(kind)
    wrong: list[str] = []
    for column in kind.all_columns:
        for value in HOSTILE:
            changed = {**row, column.name: value}
            is_allowed = judge.is_valid(changed)
            is_lenient = isinstance(value, str) and column.type != pa.string()
            is_time = column.name in {"occurred_at", "observed_at"}
            found = validate(kind, json_as_table([orjson.dumps(changed).decode()]), now=END)
            is_accepted = found.accepted.num_rows == 1
            if is_allowed and not is_accepted and not is_time:
                wrong.append(f"{column.name} {str(value)[:30]!r}: allowed, {found.rejected.to_pylist()[0]['reason']}")
            if is_accepted and not is_allowed and not is_lenient and not isinstance(value, bool):
                wrong.append(f"{column.name} {str(value)[:30]!r}: accepted, forbidden")
    assert wrong == []


def test_a_row_without_a_column_is_forbidden_where_a_file_without_it_is_refused() -> None:
    for name in MARKET_EVENT_TYPES:
        kind = EVENT_TYPES[name].landed
        (row, *_) = rows_of(kind)
        judge = jsonschema.Draft202012Validator(schema_of(kind))
        for column in kind.schema.names:
            less = {other: value for other, value in row.items() if other != column}
            assert judge.is_valid(less) == (not kind.missing(less)), f"{name}.{column}"
        assert judge.is_valid({**row, "more": 1})


def test_elements_of_lists_of_text_are_bounded_like_text() -> None:
    said = schema_of(EventType("thing", "market", (event_columns.text_list("names"),)))["properties"]["names"]
    assert said["items"] == {"type": "string", "maxLength": 200}


def test_old_fields_are_fields_of_today() -> None:
    fields = set(MonitoringPolicy.__dataclass_fields__)
    assert set(POLICY_FIELDS.values()) <= fields
    assert not set(POLICY_FIELDS) & fields


@pytest.mark.parametrize(("tables", "steps"), [(["clicks", "examples", "sample"], ["click"]), (["examples"], [])])
def test_a_reference_of_0_1_0_has_the_ids_and_the_steps_of_its_one_model(tables: list[str], steps: list[str]) -> None:
    sizes = {"sample_rows_per_day": 1, "domain_classifier_user_reference_rows": 2}
    found = reference_facts({"form": 2, "tables": tables, "sizes": sizes})
    assert (found["form"], found["ids"], found["steps"]) == (2, ["user_id", "job_id"], steps)
    assert set(found["sizes"]) <= set(JOINT_SIZES)
    assert found["sizes"]["domain_classifier_entity_reference_rows"] == 2


def test_a_reference_of_today_stays_as_it_is() -> None:
    facts = {"tables": ["clicks"], "ids": ["client"], "steps": [], "sizes": {"sample_rows_per_day": 1}}
    assert reference_facts(facts) == facts


def test_words_are_kept_on_one_line():
    assert kept_words("--reason", "  two\n lines ") == "two lines"
    for fine in ("since 2026-06-12 18:00", "msg_0123456789abcdef01234567 was late", "2,396 texts on day 21"):
        assert kept_words("--reason", fine) == fine
    with pytest.raises(InvalidInputError, match="--reason is empty"):
        kept_words("--reason", " \n")


@pytest.mark.parametrize("number", ["+1 202-456-1111", "(202) 456-1111", "2024561111"])
def test_a_phone_number_is_refused_and_not_repeated(number):
    with pytest.raises(InvalidInputError, match="holds a phone number") as caught:
        kept_words("--reason", f"{number} complained")
    assert number not in str(caught.value)


def test_every_part_of_a_prediction_counts() -> None:
    base = ("u", "j", date(2026, 6, 2), "m", "f")
    changed = [("x", *base[1:]), ("u", "x", *base[2:]), ("u", "j", date(2026, 6, 3), "m", "f")]
    changed += [("u", "j", base[2], "x", "f"), ("u", "j", base[2], "m", "x")]
    assert len({prediction_id(*base), *(prediction_id(*one) for one in changed)}) == 6


def test_ids_of_columns_are_those_of_their_rows() -> None:
    users, jobs, hashes = pa.array(["u1", "u1"]), pa.array(["j1", "j2"]), pa.array(["f", "g"])
    day = date(2026, 6, 2)
    expected = [prediction_id("u1", "j1", day, "m", "f"), prediction_id("u1", "j2", day, "m", "g")]
    assert prediction_ids(users, jobs, day, "m", hashes) == expected


def test_each_application_logs_a_scored_pair_under_an_id_of_its_own() -> None:
    scored = pa.chunked_array([["prd_1", "prd_2"]])
    mails, calls = (prediction_event_ids(scored, name) for name in ("email_digest", "call_list"))
    assert len({*mails, *calls, *prediction_event_ids(scored, JOB_OF_THE_DAY)}) == 6
    assert mails == [event_id("prediction", one, "email_digest") for one in ("prd_1", "prd_2")]


def test_what_the_first_application_logs_keeps_its_id() -> None:
    """As 0.1.0 made it, when predictions named no application."""
    scored = pa.chunked_array([["prd_1"]])
    assert prediction_event_ids(scored, JOB_OF_THE_DAY) == digests("event", "prediction", scored)
    assert prediction_event_ids(scored, JOB_OF_THE_DAY) == ["10feeb63569855f183b0aea3"]


def test_tokens_are_deterministic_distinct_and_without_look_alikes():
    tokens = [link_token(f"msg_{i}", KEY) for i in range(20_000)]
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch(f"[{ALPHABET}]{{{TOKEN_LENGTH}}}", token) for token in tokens)
    assert tokens[:2] == [link_token("msg_0", KEY), link_token("msg_1", KEY)]
    assert not set("il1o0") & set(ALPHABET)


def test_another_key_gives_other_tokens():
    assert link_token("msg_1", KEY) != link_token("msg_1", OTHER)


def test_every_place_of_a_token_uses_the_whole_alphabet():
    tokens = [link_token(f"msg_{i}", KEY) for i in range(3_000)]
    assert all({token[place] for token in tokens} == set(ALPHABET) for place in range(TOKEN_LENGTH))


@pytest.mark.parametrize("key", [b"", b"k" * 15])
def test_a_short_key_is_refused(key):
    with pytest.raises(InvalidInputError, match="16 or more"):
        link_token("msg_1", key)


def test_each_job_of_a_message_has_a_token_and_the_first_has_the_messages():
    tokens = [item_token("msg_1", place, KEY) for place in range(1, 11)]
    assert tokens[0] == link_token("msg_1", KEY)
    assert len(set(tokens)) == 10
    with pytest.raises(InvalidInputError, match="position 0"):
        item_token("msg_1", 0, KEY)
