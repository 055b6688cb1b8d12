"""Replies and what follows: keywords, the opt-out classifier, effects, states of a send, and digests of plans.

Whole lists of wordings are in `attacks`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import GateClosedError, InvalidInputError, PermanentError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id, plan_id_of
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging import replies
from mlife_assets.recruiting.messaging.approve import ApprovedTexts, nothing_approved, plan_differences, plan_digest
from mlife_assets.recruiting.messaging.bodies import OfferedJobs, Stamps
from mlife_assets.recruiting.messaging.opt_outs import english, opt_out_rule, spelling
from mlife_assets.recruiting.messaging.opt_outs.decision import is_refusal, names_somebody_else
from mlife_assets.recruiting.messaging.opt_outs.english import REFUSALS, REMOVALS, THREATS, is_stop_about_something_else
from mlife_assets.recruiting.messaging.opt_outs.spanish import SPANISH
from mlife_assets.recruiting.messaging.opt_outs.spelling import (
    REPAIRED,
    is_stop_slip,
    is_within_one_edit,
    normal,
    pattern,
)
from mlife_assets.recruiting.messaging.plan import EXPOSED_SCHEMA, PLANNED_SCHEMA, SUPPRESSED_SCHEMA, MessagePlan
from mlife_assets.recruiting.messaging.replies import (
    HARMLESS,
    HELP,
    INBOUND_STOP,
    OTHER,
    START,
    STOP,
    STOP_ALL,
    UNCLEAR_REPLY,
    Effect,
    classify,
    effect_of_review,
)
from mlife_assets.recruiting.messaging.states import BEFORE_SUBMITTING, EDGES, MAY_HAVE_REACHED, SendState, check_edge
from mlife_assets.recruiting.messaging.templates import Wording
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import LedgerRow

POLICY = MessagingPolicy(unclear_reply_pause_days=10)
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
CAMPAIGN, VERSION = "c", "pol"
KEY = b"a key of sixteen"
WORDED = {job: Wording(f"Brand: {job}. x/", " Reply STOP", KEY) for job in ("j0", "j1")}
USERS = ("a", "b", "d")


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        ("Do NOT text me!!", "dont text me ."), ("don\u2019t  txt me, ok", "dont text me , ok"),
        ("S.T.O.P now", "stop now"), ("s t o p", "stop"), ("st0p", "stop"), ("stoooop", "stop"),
        ("pls remvoe my nubmer", "remove my number"), ("wrong #", "wrong number"), ("opt me out", "optout"),
        ("really? ok", "? ok"), ("remote contract massage", "remote contract massage"),
        ("no longer here", "nolonger here"),
    ],
)  # fmt: skip
def test_a_reply_is_read_as_plain_tokens(body, plain):
    assert normal(body).split() == plain.split()


def test_both_ends_of_a_long_reply_are_read():
    assert opt_out_rule("so anyway " * 5_000 + "stop texting me") is not None
    assert opt_out_rule("stop texting me" + " so anyway" * 5_000) is not None


@pytest.mark.parametrize(
    "unit", ["dont ", "i dont want the ", "no me ", "report ", "stop ", "u.", "x", "the bus stop "]
)
def test_no_reply_takes_long_to_read(unit):
    opt_out_rule("compile the rules")
    began = time.process_time()
    opt_out_rule(unit * (100_000 // len(unit)))
    assert time.process_time() - began < 1.0


def test_words_that_exist_are_not_repaired_away():
    assert not spelling.THEMSELVES & REPAIRED
    assert not spelling.SPELLED.keys() & REPAIRED
    assert not is_stop_slip("shop")
    assert is_stop_slip("stpo")


def test_rule_names_are_of_one_rule():
    rules = [english.STOP_VERBS, REFUSALS, REMOVALS, THREATS]
    assert len(set().union(*rules)) == sum(map(len, rules))
    assert all(pattern(rule) for rule in [r for group in [*rules, SPANISH] for r in group.values()])


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("STPO", "keyword"), ("stop texting me", "cut"), ("never text me again", "never_contact"),
        ("take me off now", "off"), ("my lawyer will call", "lawyer"), ("no me escriban", "spanish_no_me_escriban"),
        ("I'm not Maria", "not_that_person"), ("dear all i said stop then", "stop_word"), ("\U0001f6d1", "sign"),
        ("> Reply STOP to opt out\nYes!", None), ("Liked \u201cCook, $16/hr. Reply STOP to opt out\u201d", None),
        ("", None), ("I deleted the message, resend please", None), ("Do you cancel if it rains", None),
    ],
)  # fmt: skip
def test_the_rule_is_reported(body, rule):
    assert opt_out_rule(body) == rule


def test_a_stop_is_a_request_or_about_something_else():
    others = ["is there a bus stop", "I can't stop smiling", "I'll stop by at 9", "when does the job stop hiring"]
    requests = ["stop", "you never stop", "bus stop or not please stop", "make it stop"]
    about = [body for body in [*others, "full stop", *requests] if is_stop_about_something_else(normal(body))]
    assert about == [*others, "full stop"]


def test_somebody_else_is_recognised_by_the_capital_letter():
    assert names_somebody_else("I'm not Kelly")
    assert not names_somebody_else("I'm not Certified")
    assert not names_somebody_else("I'm not Kelly's boss yet")


@pytest.mark.parametrize("reply", ["", "...", "Hi", "het", "no car", "no yes", "cto", "\U0001f600"])
def test_anything_else_is_none(reply: str) -> None:
    """Letters stay in their script: the Ukrainian no looks like `hi`."""
    assert is_refusal(" \u041d\u0406!! \u043d\u0456 ")
    assert not is_refusal(reply)


def test_neither_a_question_nor_the_yes_of_another_language_refuses() -> None:
    asked = ("acha", "No?", "\u00bfno?", "Stopp?!", "\u4e0d\u8981\uff1f", "\u0644\u0627\u061f")
    assert [reply for reply in asked if is_refusal(reply)] == []


def test_a_long_reply_is_not_read() -> None:
    began = time.process_time()
    assert not is_refusal("no " * 500_000)
    assert time.process_time() - began < 0.1


def neighbours(word: str) -> set[str]:
    """Return every word of the letters a, b, c that one edit makes of `word`, by trying all of them."""
    found = {word}
    for i in range(len(word) + 1):
        found |= {word[:i] + c + word[i:] for c in "abc"}
        found |= {word[:i] + c + word[i + 1 :] for c in "abc" if i < len(word)}
        found.add(word[:i] + word[i + 1 :])
        found.add(word[:i] + word[i : i + 2][::-1] + word[i + 2 :])
    return found


@given(word=st.text("abc", max_size=6), other=st.text("abc", max_size=7))
def test_one_edit_is_what_trying_all_edits_finds(word, other):
    assert is_within_one_edit(other, word) == (other in neighbours(word))


@given(word=st.text("abc", max_size=6), data=st.data())
def test_every_neighbour_is_found(word, data):
    other = data.draw(st.sampled_from(sorted(neighbours(word))))
    assert is_within_one_edit(other, word)
    assert is_within_one_edit(word, other)


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("START", "START"), ("unstop", "START"), ("Start.", "START"), ("when do I start?", "OTHER"),
        ("start stop", "STOP"), ("HELP", "HELP"), ("info", "HELP"), ("ayuda!", "HELP"), ("thanks", "OTHER"),
        ("", "OTHER"), ("\U0001f600", "OTHER"), ("yes", "OTHER"), ("endless fun", "OTHER"),
        (" Stop. ", "STOP"), ("S.T.O.P", "STOP"), ("stop!!!", "STOP"), ("Stop texting me", "STOP"), ("Quit", "STOP"),
        ("\u00a1alto!", "STOP"), ("\uff33\uff34\uff2f\uff30", "STOP"), ("HELP how do I STOP", "STOP"),
        ("all good, thanks", "OTHER"), ("everything ok", "OTHER"),
    ],
)  # fmt: skip
def test_a_reply_is_one_keyword(body, keyword):
    assert classify(body) == keyword


@given(word=st.sampled_from(["stop", "unsubscribe", "cancel", "alto", "parar", "quit"]), upper=st.booleans())
@pytest.mark.parametrize("around", ["{}", "{}!!", "  {}  ", "please {}", "{} please", "{} {} {}", "ok, {}.", "{}\n"])
def test_a_stop_word_and_little_else_is_an_opt_out(around, word, upper):
    assert classify(around.replace("{}", word.upper() if upper else word)) == "STOP"


@given(body=st.text(max_size=80))
def test_every_text_has_exactly_one_keyword(body):
    assert classify(body) in {"STOP", "START", "HELP", "OTHER"}


@given(before=st.text(max_size=12), after=st.text(max_size=12))
def test_an_opt_in_is_said_exactly(before, after):
    if any(c.isalnum() for c in before + after):
        assert classify(f"{before} start {after}") != "START"


@pytest.mark.parametrize(
    "body",
    ["STOP ALL", "stopall", "Stop everything", "stop everything!!", "take me off all lists", "STOP ALL messages"],
)
def test_an_opt_out_of_everything_ends_every_channel(body):
    assert classify(body) == "STOP_ALL"


@pytest.mark.parametrize("body", ["stop all texts", "stop texting me at all", "unsubscribe from all emails", "stop"])
def test_an_opt_out_that_names_a_channel_ends_the_channel_it_came_by(body):
    assert classify(body) == "STOP"


@pytest.mark.parametrize(
    ("keyword", "effect"),
    [
        (STOP, Effect(suppress=INBOUND_STOP, channel="email")),
        (STOP_ALL, Effect(suppress=INBOUND_STOP, channel="")),
        (START, Effect(lifts=(INBOUND_STOP, UNCLEAR_REPLY), channel="email")),
        (OTHER, Effect(suppress=UNCLEAR_REPLY, channel="email")),
        (HELP, Effect()),
    ],
)
def test_what_a_reply_does(keyword, effect):
    assert replies.effect_of_reply(keyword, POLICY, "email") == effect


def test_a_policy_of_no_days_pauses_nobody():
    assert replies.effect_of_reply(OTHER, replace(POLICY, unclear_reply_pause_days=0)) == Effect()


def test_what_a_review_does():
    assert effect_of_review(HARMLESS) == Effect(lifts=(UNCLEAR_REPLY,), channel="sms")
    assert effect_of_review(replies.OPT_OUT, "email") == Effect(
        suppress=INBOUND_STOP, lifts=(UNCLEAR_REPLY,), channel="email"
    )
    with pytest.raises(InvalidInputError, match="harmless, opt_out"):
        effect_of_review("maybe")


def reachable(start: SendState) -> set[SendState]:
    seen: set[SendState] = set()
    front = {start}
    while front:
        front = {after for state in front for after in EDGES[state]} - seen
        seen |= front
    return seen


def test_every_state_has_edges_and_is_reachable_from_planned():
    assert set(EDGES) == set(SendState)
    assert reachable(SendState.PLANNED) | {SendState.PLANNED} == set(SendState)


@pytest.mark.parametrize("state", [SendState.ACCEPTED, SendState.AMBIGUOUS, SendState.UNKNOWN, SendState.DELIVERED])
def test_what_may_have_been_sent_never_comes_back_to_submitting(state):
    assert SendState.SUBMITTING not in reachable(state)


def test_only_a_throttle_leads_from_submitting_back_to_approved():
    assert [s for s in EDGES[SendState.SUBMITTING] if SendState.APPROVED in EDGES[s]] == [SendState.THROTTLED]


def test_stop_can_suppress_exactly_what_has_not_left():
    assert {s for s in SendState if SendState.SUPPRESSED in EDGES[s]} == BEFORE_SUBMITTING
    assert not BEFORE_SUBMITTING & MAY_HAVE_REACHED


@pytest.mark.parametrize(("old", "new"), [("ambiguous", "approved"), ("delivered", "leased"), ("planned", "nonsense")])
def test_forbidden_edges_raise_and_name_the_message(old, new):
    with pytest.raises(PermanentError, match="msg_1 cannot go from"):
        check_edge("msg_1", old, new)


def offered(worded: dict[str, Wording]) -> OfferedJobs:
    users, jobs = pa.table({"user_id": list(USERS)}), pa.table({"job_id": list(worded)})
    return OfferedJobs(job_of_the_day(Policies()), DAY, users, jobs, worded, Stamps(KEY))


def plan_of(**changes: Any) -> MessagePlan:
    """Return an honest plan of three texts whose columns `changes` replace."""
    keys = [message_id(user, CAMPAIGN, DAY) for user in USERS]
    jobs = ["j0", "j1", "j0"]
    bodies = [WORDED[job].body(key) for job, key in zip(jobs, keys, strict=True)]
    plan_id = plan_id_of(CAMPAIGN, DAY, VERSION, messages=keys, job_ids=jobs, bodies=bodies)
    columns: dict[str, list[Any]] = {
        "message_id": keys, "user_id": list(USERS), "job_id": jobs, "campaign": [CAMPAIGN] * 3,
        "as_of_date": [DAY] * 3, "plan_id": [plan_id] * 3, "body": bodies, "channel": ["sms"] * 3,
        "items": [[{"position": 1, "job_id": job, "prediction_id": None}] for job in jobs],
        "policy_version": [VERSION] * 3, **changes,
    }  # fmt: skip
    arrays = [pa.array(columns.get(field.name, [None] * 3), field.type) for field in PLANNED_SCHEMA]
    planned = pa.Table.from_arrays(arrays, schema=PLANNED_SCHEMA)
    empty = SUPPRESSED_SCHEMA.empty_table(), EXPOSED_SCHEMA.empty_table()
    return MessagePlan(plan_id, CAMPAIGN, DAY, VERSION, planned, *empty, ())


def logged(plan: MessagePlan) -> pa.Table:
    schema = EVENT_TYPES["message_planned"].schema
    arrays = [
        plan.planned[field.name].cast(field.type)
        if field.name in PLANNED_SCHEMA.names
        else pa.array([NOW] * 3 if "_at" in field.name else ["e0", "e1", "e2"], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, names=schema.names)


def differences(plan: MessagePlan, log: pa.Table | None = None, **options: Any) -> tuple[str, ...]:
    return plan_differences(plan, logged(plan_of()) if log is None else log, offered(WORDED), **options)


def test_an_honest_plan_differs_in_nothing():
    assert differences(plan_of()) == ()


CHANGES = {
    "message_id": lambda values: [*values[:2], "msg_x"],
    "user_id": lambda values: [values[1], values[0], values[2]],
    "job_id": lambda values: ["j1", *values[1:]],
    "campaign": lambda values: [*values[:2], "other"],
    "as_of_date": lambda values: [*values[:2], date(2026, 6, 3)],
    "body": lambda values: [values[0] + " ", *values[1:]],
}


@pytest.mark.parametrize("column", CHANGES)
def test_each_column_of_the_digest_is_held_to_account(column):
    honest = plan_of()
    changed = plan_of(**{column: CHANGES[column](honest.planned[column].to_pylist())})
    assert plan_digest(changed.planned) != plan_digest(honest.planned)
    assert differences(changed)
    if column in ("message_id", "user_id", "job_id", "body"):
        with pytest.raises(GateClosedError, match="nothing is sent"):
            ApprovedTexts.of(honest).require(rows_of(changed))


def rows_of(plan: MessagePlan) -> list[LedgerRow]:
    return [
        LedgerRow(
            row["message_id"], row["user_id"], row["job_id"], CAMPAIGN, DAY, row["body"], "approved", 0, None, NOW
        )
        for row in plan.planned.to_pylist()
    ]


def test_the_order_of_rows_belongs_to_the_digest():
    planned = plan_of().planned
    assert plan_digest(planned.take([1, 0, 2])) != plan_digest(planned)
    assert len(plan_digest(planned)) == 64


def test_parts_cannot_be_moved_between_columns():
    """Joining by a separator would let a body that holds it speak for the next column."""
    one = plan_of(body=["x", "y", "z"], job_id=["j", "j", "j"])
    other = plan_of(body=['x","y', "y", "z"], job_id=["j", "j", "j"])
    assert plan_digest(one.planned) != plan_digest(other.planned)


def test_the_log_must_say_the_same_of_this_plan_and_may_say_other_things_of_another():
    plan = plan_of()
    earlier = logged(plan_of(plan_id=["pln_earlier"] * 3, body=["old", "old", "old"]))
    assert differences(plan, pa.concat_tables([earlier, logged(plan)])) == ()
    assert "not what the event log says" in differences(plan, earlier)[0]
    twice = pa.concat_tables([logged(plan), logged(plan_of(body=["evil", "evil", "evil"]))])
    assert "3 texts are not what the event log says" in differences(plan, twice)[0]
    fewer = replace(plan, planned=plan.planned.slice(0, 2))
    assert any("in this plan by the event log" in one for one in differences(fewer))


def test_what_is_not_sent_any_more_needs_no_words():
    plan = plan_of()
    reworded = {"j0": Wording("New. x/", " Reply STOP", KEY), "j1": WORDED["j1"]}
    first, _, third = plan.planned["message_id"].to_pylist()
    assert "2 texts are worded otherwise" in plan_differences(plan, logged(plan), offered(reworded))[0]
    assert plan_differences(plan, logged(plan), offered(reworded), settled={first, third}) == ()
    assert "worded otherwise" in plan_differences(plan, logged(plan), offered({}))[0]


def test_nothing_is_approved_by_default():
    nothing_approved([])
    with pytest.raises(GateClosedError, match="3 texts"):
        nothing_approved(rows_of(plan_of()))
    ApprovedTexts.of(plan_of()).require(rows_of(plan_of()))
    assert "Brand" not in repr(ApprovedTexts.of(plan_of()))
