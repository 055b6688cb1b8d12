"""Messages in a real log and in the gateway that prints: one followed, one outcome each, replies and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.message_trace import CONVERSION_DAYS, recent_messages, trace_message
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core import errors
from mlife_assets.core.errors import IntegrityError, InvalidInputError, MlifeError, NotFoundError
from mlife_assets.core.ids import event_id
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.reasons import first_step_probabilities, strongest_reasons
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.ids import message_id, prediction_event_ids, prediction_id
from mlife_assets.recruiting.messaging.replies import classify
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.ports import OutboundMessage
from mlife_assets.testing.gateways import LOSES_REQUEST, REJECTS, THROTTLES, GatewayContract
from mlife_tests.rows import events, planned_event

DAY = date(2026, 6, 10)
EVENING = datetime(2026, 6, 9, 23, 30, tzinfo=UTC)
RUN = run_time(DAY)
KEY = message_id("u1", JOB_OF_THE_DAY, DAY)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
TODAY = date(2026, 6, 2)
CALM = GatewayFaults(throttled_share=0, rejected_share=0, timeout_share=0, stop_share=0, stop_share_maximum=0)
PHONE = "+12125550142"


class World:
    """A log with one texted user, and the tools to write more into it."""

    def __init__(self, root: Path, models: ModuleType, *, is_funnel: bool = False) -> None:
        self.log = ParquetEventLog(ObstoreObjectStore.local(root))
        self.registry = ModelRegistry(ObstoreObjectStore.local(root), self.log, JOB_APPLICATIONS)
        self.artifact = models.tiny_artifact(1, is_funnel=is_funnel)
        self.scorer = LightGBMScorer(self.artifact, threads=1)
        self.matrix = models.random_matrix(4, 3)

    def add(self, event_type: str, row: Mapping[str, Any], at: datetime, occurred: datetime | None = None) -> str:
        key = event_id(event_type, *row.values(), at.isoformat())
        full = {"event_id": key, "occurred_at": occurred or at, **row}
        self.log.append(event_type, events(event_type, full, at=at), writer="test")
        return key

    def predict(self, place: int, at: datetime = RUN, **changed: Any) -> str:
        scores = self.scorer.score(self.matrix)
        features, digest = self.matrix[place], feature_hashes(self.matrix)[place]
        key = prediction_id("u1", f"j{place}", DAY, self.artifact.model_version, digest)
        row = {
            "prediction_id": key, "user_id": "u1", "job_id": f"j{place}", "as_of_date": DAY,
            "model_version": self.artifact.model_version, "feature_hash": digest,
            "features": [None if np.isnan(value) else float(value) for value in features],
            "raw_score": float(scores.raw[place]), "probability": float(scores.probability[place]),
            "click_probability": self.click_probability(place),
            "reasons": strongest_reasons(self.scorer, self.matrix, PAIR_WORDS)[place], "rank": place + 1,
            "propensity": 0.9, "exploration_propensity": 0.25, "exploration_salt": "salt",
            "candidate_set_hash": "set", "policy_version": "pol", "application": JOB_OF_THE_DAY,
        }  # fmt: skip
        row |= changed
        full = {"event_id": prediction_event_ids(pa.array([key]), row["application"])[0], **row}
        self.log.append("prediction", events("prediction", full, at=at), writer="test")
        return key

    def click_probability(self, place: int) -> float | None:
        value = float(first_step_probabilities(self.scorer.score(self.matrix))[place])
        return None if np.isnan(value) else value

    def plan(self, prediction: str | None, campaign: str = JOB_OF_THE_DAY, *others: str, channel: str = "sms") -> str:
        key = message_id("u1", campaign, DAY)
        items = [
            {"position": place, "job_id": f"j{place - 1}", "prediction_id": one}
            for place, one in enumerate((prediction, *others), start=1)
        ]
        more = {"job_id": "j0", "prediction_id": prediction, "plan_id": "plan", "campaign": campaign}
        row = planned_event(key, "u1", DAY, **more, channel=channel, items=items)
        self.add("message_planned", row, RUN)
        return key

    def verdict(self, outcome: str, at: datetime) -> None:
        row = {"model_version": self.artifact.model_version, "outcome": outcome, "model_name": JOB_APPLICATIONS}
        self.add("promotion_decided", row, at)

    def trace(self, key: str = KEY) -> Any:
        def load(version: str) -> LightGBMScorer:
            return LightGBMScorer(self.registry.load(version), threads=1)

        return trace_message(self.log, key, load)


@pytest.fixture
def world(tmp_path: Path, models: ModuleType) -> World:
    """Return the log of a message that was sent, clicked and applied to, and noise beside it."""
    built = World(tmp_path, models)
    trained = run_time(add_days(DAY, -6))
    built.registry.register(built.artifact, as_of=trained.date(), now=trained)
    built.verdict("not_enough_evidence", trained)
    built.verdict("promoted", trained + timedelta(days=1))
    built.registry.promote(built.artifact.model_version, actor="gate", reason="r", now=trained + timedelta(days=1))
    for user in ("u1", "u2"):
        row = {"user_id": user, "channel": "sms", "is_granted": True, "source": "signup"}
        built.add("consent", row, EVENING - timedelta(days=3))
    keys = [built.predict(place) for place in (1, 0, 2)]
    built.plan(keys[1])
    approved = {"plan_id": "plan", "campaign": "c", "as_of_date": DAY, "planned_count": 1, "approved_by": "me"}
    built.add("plan_approved", {**approved, "policy_version": "pol"}, RUN)
    built.add("message_submitted", {"message_id": KEY, "user_id": "u1", "attempt": 1, "provider": "console"}, RUN)
    for minute, status in enumerate(("accepted", "delivered"), 1):
        row = {"message_id": KEY, "user_id": "u1", "status": status, "provider_message_id": "p1", "detail": None}
        built.add("message_status", row, RUN + timedelta(minutes=minute))
    cause = {"user_id": "u1", "job_id": "j0", "source": "message", "exposure_id": KEY}
    clicked = datetime(2026, 6, 10, 23, 30, tzinfo=UTC)
    built.add("click", cause, clicked, RUN + timedelta(minutes=20))
    built.add("apply", cause, clicked + timedelta(days=2), RUN + timedelta(days=2))
    built.add("click", {**cause, "exposure_id": "another"}, clicked)
    built.add("click", cause, clicked + timedelta(days=CONVERSION_DAYS + 1))
    return built


def test_a_trace_shows_every_hop_in_causal_order_joined_by_ids(world):
    trace = world.trace()
    assert [hop.event_type for hop in trace.hops] == [
        "consent", "model_registered", "promotion_decided", "model_promoted", "prediction", "plan_approved",
        "message_planned", "message_submitted", "message_status", "message_status", "click", "apply",
    ]  # fmt: skip
    stages = [hop.stage for hop in trace.hops]
    assert list(dict.fromkeys(stages)) == ["raw events", "model", "prediction", "plan", "send", "conversion"]
    assert all(hop.event_id and hop.occurred_at <= hop.observed_at for hop in trace.hops)
    hops = {hop.event_type: hop for hop in world.trace().hops}
    assert hops["prediction"].details["model_version"] == hops["model_registered"].details["model_version"]
    assert hops["click"].details["exposure_id"] == hops["message_planned"].details["message_id"] == KEY
    assert hops["plan_approved"].details["plan_id"] == "plan"
    assert hops["promotion_decided"].details["outcome"] == "promoted"


def test_where_a_model_was_imported_from_is_a_hop_and_so_is_a_rollback_to_it(world, models):
    judged = run_time(add_days(DAY, -8))
    row = {
        "model_version": world.artifact.model_version, "bundle_id": "bdl_1", "environment": "dev",
        "signed_by": "ab" * 32, "outcome": "promoted", "judged_at": judged, "sentences": ["Promoted: it won."],
        "actor": "ann", "reason": "won in dev", "model_name": JOB_APPLICATIONS,
    }  # fmt: skip
    world.add("model_imported", row, RUN - timedelta(days=3))
    world.add("model_imported", {**row, "model_version": "mdl_another"}, RUN - timedelta(days=3))
    (hop,) = (hop for hop in world.trace().hops if hop.event_type == "model_imported")
    assert (hop.stage, hop.details["environment"], hop.details["judged_at"]) == ("model", "dev", judged)
    other = world.registry.register(models.tiny_artifact(2), as_of=DAY, now=RUN)
    world.registry.promote(other, actor="gate", reason="r", now=RUN - timedelta(days=3))
    world.registry.rollback(actor="on call", reason="worse", now=RUN - timedelta(days=2))
    hops = [hop for hop in world.trace().hops if hop.event_type == "model_rolled_back"]
    assert [hop.details["reason"] for hop in hops] == ["worse"]


def test_the_score_is_taken_apart_and_the_alternatives_are_ranked(world):
    trace = world.trace()
    assert len(trace.reasons) == 3
    assert all("the score by" in line for line in trace.reasons)
    hop = next(hop for hop in trace.hops if hop.event_type == "prediction")
    given = strongest_reasons(world.scorer, world.matrix, PAIR_WORDS)[0]
    assert hop.details["reasons"] == list(trace.reasons) == given
    assert hop.details["click_probability"] is None, "the model has one step"
    assert trace.parts.expected + sum(trace.parts.contributions.values()) == pytest.approx(hop.details["raw_score"])
    assert tuple(trace.parts.contributions) == world.scorer.model_names
    assert [row["rank"] for row in trace.alternatives] == [1, 2, 3]
    assert [row["job_id"] for row in trace.alternatives] == ["j0", "j1", "j2"]


def test_a_mail_is_followed_as_a_text_is_with_each_of_its_jobs(tmp_path, models):
    world = World(tmp_path, models)
    world.registry.register(world.artifact, as_of=DAY, now=RUN)
    keys = [world.predict(place, application="mails") for place in range(3)]
    for channel in ("sms", "email"):
        said = {"user_id": "u1", "channel": channel, "is_granted": True, "source": "signup"}
        world.add("consent", said, RUN - timedelta(days=9))
    key = world.plan(keys[0], "mails", *keys[1:], channel="email")
    trace = world.trace(key)
    assert [hop.details["prediction_id"] for hop in trace.hops if hop.event_type == "prediction"] == keys
    (consent,) = (hop for hop in trace.hops if hop.event_type == "consent")
    assert consent.details["channel"] == "email", "consent to texts is another thing"
    planned = next(hop for hop in trace.hops if hop.event_type == "message_planned")
    assert (planned.details["campaign"], planned.details["channel"]) == ("mails", "email")
    assert trace.reasons == tuple(strongest_reasons(world.scorer, world.matrix, PAIR_WORDS)[0])


def test_each_job_of_a_mail_must_have_been_logged(tmp_path, models):
    world = World(tmp_path, models)
    world.registry.register(world.artifact, as_of=DAY, now=RUN)
    key = world.plan(world.predict(0, application="mails"), "mails", "prd_lost", channel="email")
    with pytest.raises(IntegrityError, match="prd_lost, which mails has not logged"):
        world.trace(key)


def test_a_message_of_the_recruiter_rule_has_no_model(tmp_path, models):
    world = World(tmp_path, models)
    world.plan(None)
    trace = world.trace()
    assert [hop.event_type for hop in trace.hops] == ["message_planned"]
    assert trace.reasons == trace.alternatives == ()


def test_an_unknown_message_is_not_found(world):
    with pytest.raises(NotFoundError, match="msg_unknown"):
        world.trace("msg_unknown")


def test_a_funnel_shows_the_logged_probability_of_a_click(tmp_path, models):
    world = World(tmp_path, models, is_funnel=True)
    world.registry.register(world.artifact, as_of=DAY, now=RUN)
    world.plan(world.predict(0))
    (hop,) = (hop for hop in world.trace().hops if hop.event_type == "prediction")
    assert hop.details["click_probability"] == world.click_probability(0)
    assert 0 < hop.details["probability"] < hop.details["click_probability"]


@pytest.mark.parametrize(
    "column", ["raw_score", "probability", "click_probability", "features", "reasons", "no reasons"]
)
def test_a_logged_score_that_the_model_does_not_give_again_is_refused(tmp_path, models, column):
    world = World(tmp_path, models, is_funnel=True)
    world.registry.register(world.artifact, as_of=DAY, now=RUN)
    scores = world.scorer.score(world.matrix)
    changed = {
        "raw_score": float(np.nextafter(scores.raw[0], np.inf)),
        "probability": float(np.nextafter(scores.probability[0], 1)),
        "click_probability": float(np.nextafter(world.click_probability(0), 1)),
        "features": [0.5] * world.matrix.shape[1],
        "reasons": strongest_reasons(world.scorer, world.matrix, PAIR_WORDS)[0][::-1],
        "no reasons": [],
    }
    world.plan(world.predict(0, **{column.removeprefix("no "): changed[column]}))
    said = f"prediction prd_.* was logged with {column.removeprefix('no ').replace('_', ' ')} "
    changed_row = "the feature row of prediction prd_.* does not hash to"
    with pytest.raises(IntegrityError, match=changed_row if column == "features" else said):
        world.trace()


def test_of_two_applications_on_one_scored_pair_each_message_has_its_own_reasons(tmp_path, models):
    """The first logs j0 without reasons, for a text about j1; minutes later the second plans a mail about j0."""
    world = World(tmp_path, models)
    world.registry.register(world.artifact, as_of=DAY, now=RUN)
    texted = world.predict(1)
    shared = world.predict(0, reasons=[], propensity=0.1, slice="exploit")
    chosen = {"application": "email_digest", "propensity": 0.6, "policy_version": "of mails", "slice": "explore"}
    mailed = world.predict(0, RUN + timedelta(minutes=5), **chosen)
    assert mailed == shared
    text, mail = world.plan(texted), world.plan(mailed, "email_digest")
    reasons = strongest_reasons(world.scorer, world.matrix, PAIR_WORDS)
    assert (world.trace(text).reasons, world.trace(mail).reasons) == (tuple(reasons[1]), tuple(reasons[0]))
    for key, application, propensity, jobs in (
        (text, JOB_OF_THE_DAY, 0.9, ["j0", "j1"]),
        (mail, "email_digest", 0.6, ["j0"]),
    ):
        trace = world.trace(key)
        (hop,) = (hop for hop in trace.hops if hop.event_type == "prediction")
        assert (hop.details["application"], hop.details["propensity"]) == (application, propensity)
        assert hop.details["reasons"] == list(trace.reasons)
        assert [row["job_id"] for row in trace.alternatives] == jobs, "what the other chose from is none of its own"


def test_a_prediction_that_only_another_application_logged_breaks_the_trace(tmp_path, models):
    world = World(tmp_path, models)
    key = world.plan(world.predict(0, slice="exploit"), "email_digest")
    with pytest.raises(IntegrityError, match="which email_digest has not logged"):
        world.trace(key)


def test_a_prediction_of_version_1_is_of_whichever_campaign_planned_on_it(tmp_path, models):
    """It names no application and has no slice; a home may have called its campaign otherwise."""
    world = World(tmp_path, models)
    world.registry.register(world.artifact, as_of=DAY, now=RUN)
    world.predict(1)
    trace = world.trace(world.plan(world.predict(0), "autumn"))
    assert [row["job_id"] for row in trace.alternatives] == ["j0", "j1"]


class Outcomes:
    """A log into which messages are planned."""

    def __init__(self, root: Path) -> None:
        self.log = ParquetEventLog(ObstoreObjectStore.local(root))

    def add(self, event_type: str, row: Mapping[str, Any], day: date, minutes: int) -> None:
        at = run_time(day) + timedelta(minutes=minutes)
        key = event_id(event_type, *row.values(), at.isoformat())
        self.log.append(event_type, events(event_type, {"event_id": key, **row}, at=at), writer="test")

    def plan(self, key: str, day: date = DAY) -> None:
        self.add("message_planned", planned_event(key, f"u_{key}", day, body=f"Text {key}"), day, 0)

    def status(self, key: str, status: str, minutes: int) -> None:
        row = {"message_id": key, "user_id": f"u_{key}", "status": status, "provider_message_id": None, "detail": None}
        self.add("message_status", row, DAY, minutes)

    def convert(self, event_type: str, key: str, day: date) -> None:
        row = {"user_id": f"u_{key}", "job_id": "j1", "source": "message", "exposure_id": key}
        self.add(event_type, row | ({"apply_event_id": "a"} if event_type == "hire" else {}), day, 9)

    def outcomes(self, first: date = DAY, last: date = DAY) -> dict[str, str]:
        return {line.message_id: line.outcome for line in recent_messages(self.log, first=first, last=last)}


@pytest.fixture
def recent(tmp_path: Path) -> Outcomes:
    return Outcomes(tmp_path)


def test_the_newest_day_comes_first_with_its_words(recent) -> None:
    for key, day in (
        ("b", add_days(DAY, -1)),
        ("c", DAY),
        ("a", DAY),
        ("d", add_days(DAY, -2)),
        ("e", add_days(DAY, 1)),
    ):
        recent.plan(key, day)
    lines = recent_messages(recent.log, first=add_days(DAY, -1), last=DAY)
    assert [(line.message_id, line.body) for line in lines] == [("a", "Text a"), ("c", "Text c"), ("b", "Text b")]
    assert [line.as_of_date for line in lines] == [DAY, DAY, add_days(DAY, -1)]


def test_the_farthest_outcome_counts(recent) -> None:
    assert recent.outcomes() == {}
    for key in ("planned", "submitted", "lost", "found", "held", "clicked", "applied", "hired", "late"):
        recent.plan(key)
    for key in ("submitted", "lost", "found", "clicked"):
        recent.add("message_submitted", {"message_id": key, "user_id": key, "attempt": 1, "provider": "p"}, DAY, 1)
    recent.status("lost", "ambiguous", 2)
    recent.status("found", "ambiguous", 2)
    recent.status("found", "delivered", 3)
    recent.status("clicked", "delivered", 3)
    held = {"message_id": "held", "user_id": "u", "campaign": "c", "as_of_date": DAY, "reason": "opted_out"}
    recent.add("message_suppressed", held | {"stage": "send"}, DAY, 1)
    for event_type, keys in (("click", ("clicked", "applied", "hired")), ("apply", ("applied", "hired"))):
        for key in keys:
            recent.convert(event_type, key, add_days(DAY, 1))
    recent.convert("hire", "hired", add_days(DAY, CONVERSION_DAYS))
    recent.convert("click", "late", add_days(DAY, CONVERSION_DAYS + 1))
    assert recent.outcomes() == {
        "planned": "planned", "submitted": "submitted", "lost": "ambiguous", "found": "delivered",
        "held": "suppressed: opted out", "clicked": "clicked", "applied": "applied", "hired": "hired",
        "late": "planned",
    }  # fmt: skip


def message(number: int, user: str | None = None) -> OutboundMessage:
    return OutboundMessage(f"msg_{number}", user or f"u{number}", PHONE, "hi")


def send_many(gateway: ConsoleGateway, count: int) -> dict[str, int]:
    found: dict[str, int] = {"accepted": 0}
    for number in range(count):
        try:
            gateway.send(message(number), now=NOW)
            found["accepted"] += 1
        except MlifeError as error:
            found[type(error).__name__] = found.get(type(error).__name__, 0) + 1
    return found


def test_shares_and_receipts(tmp_path):
    gateway = ConsoleGateway(tmp_path / "g.sqlite", seed=1, hash_key=b"k")
    found = send_many(gateway, 2_500)
    assert found["accepted"] > 2_470
    assert 0 < found["ProviderThrottledError"] < 20
    receipts = gateway.receipts(until=NOW + timedelta(days=1))
    assert sum(r.is_delivered for r in receipts) / len(receipts) == pytest.approx(0.965, abs=0.015)
    assert all(NOW < r.received_at <= NOW + timedelta(hours=1) for r in receipts)
    inbound = gateway.inbound(until=NOW + timedelta(days=2))
    assert 2 <= sum(classify(i.body) == "STOP" for i in inbound) <= 25
    gateway.close()


def test_the_same_seed_gives_the_same_bytes_another_does_not(tmp_path):
    def outcome(name: str, seed: int) -> tuple[object, ...]:
        gateway = ConsoleGateway(tmp_path / name, seed=seed, hash_key=b"k")
        send_many(gateway, 300)
        result = (gateway.receipts(until=NOW + timedelta(days=1)), gateway.sent_messages(TODAY).to_pylist())
        gateway.close()
        return result

    assert outcome("a", 1) == outcome("b", 1)
    assert outcome("a2", 1) != outcome("c", 2)


class TestContract(GatewayContract):
    """`seed` decides whether what timed out in an outage was taken."""

    def opened(self, folder, fault=""):
        outage = {"timeout_from": NOW, "timeout_until": NOW + timedelta(minutes=1)}
        found = {"": {}, THROTTLES: {"throttled_share": 1}, REJECTS: {"rejected_share": 1}}.get(fault, outage)
        faults = replace(CALM, stop_share=1, stop_share_maximum=1, delivered_share=1, **found)
        seed = 1 if fault == LOSES_REQUEST else 2
        return ConsoleGateway(folder / "g.sqlite", seed=seed, hash_key=b"k", faults=faults)

    def test_a_refused_request_is_on_record(self, tmp_path):
        with pytest.raises(errors.ProviderRejectedError):
            self.opened(tmp_path, REJECTS).send(message(1), now=NOW)
        assert ConsoleGateway.reaches_nobody
        assert self.opened(tmp_path).request_counts().to_pylist() == [
            {"message_id": "msg_1", "user_id": "u1", "requests": 1, "accepted": 0}
        ]


def test_a_repeated_request_is_one_more_row_and_a_duplicate(tmp_path):
    gateway = ConsoleGateway(tmp_path / "g", seed=1, hash_key=b"k", faults=CALM)
    first, second = gateway.send(message(1), now=NOW), gateway.send(message(1), now=NOW)
    assert first != second
    assert gateway.find("msg_1") == first
    assert gateway.request_counts()["accepted"].to_pylist() == [2]
    assert gateway.duplicate_sends() == 1
    gateway.close()
    again = ConsoleGateway(tmp_path / "g", seed=1, hash_key=b"k", faults=CALM)
    assert again.duplicate_sends() == 1
    again.close()


def test_opt_outs_grow_with_fatigue_up_to_a_limit(tmp_path):
    faults = GatewayFaults(
        throttled_share=0, rejected_share=0, timeout_share=0, stop_share=0.0, stop_share_per_recent_text=0.5,
        stop_share_maximum=1.0, delivered_share=1.0, help_share=0, other_share=0,
    )  # fmt: skip
    gateway = ConsoleGateway(tmp_path / "g", seed=1, hash_key=b"k", faults=faults)
    for number in range(3):
        gateway.send(message(number, "tired"), now=NOW + timedelta(days=4 * number))
    inbound = gateway.inbound(until=NOW + timedelta(days=60))
    assert inbound
    assert inbound[0].received_at > NOW + timedelta(days=4), "the first text has no fatigue"
    assert inbound[-1].received_at > NOW + timedelta(days=8), "the third text is answered for sure"
    gateway.close()


def test_phone_numbers_are_kept_as_keyed_hashes_only_and_shares_are_bounded(tmp_path):
    gateway = ConsoleGateway(tmp_path / "g.sqlite", seed=1, hash_key=b"k")
    gateway.send(message(1), now=NOW)
    gateway.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"5550142" not in stored
    assert PHONE not in repr(message(1))
    with pytest.raises(InvalidInputError, match="delivered_share"):
        GatewayFaults(delivered_share=1.5)
