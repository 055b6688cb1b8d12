from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.core.errors import (
    AmbiguousSendError,
    InvalidInputError,
    MlifeError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.recruiting.messaging.keywords import classify
from mlife_assets.recruiting.ports import OutboundMessage

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
DAY = date(2026, 6, 2)
CALM = GatewayFaults(throttled_share=0, rejected_share=0, timeout_share=0, stop_share=0, stop_share_maximum=0)
PHONE = "+12125550142"


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
    assert receipts == sorted(receipts, key=lambda r: r.received_at)
    assert all(NOW < r.received_at <= NOW + timedelta(hours=1) for r in receipts)
    assert gateway.receipts(until=NOW) == []
    since = receipts[100].received_at
    late = [one for one in receipts if one.received_at >= since]
    assert gateway.receipts(until=NOW + timedelta(days=1), since=since) == late != receipts
    asked = {receipts[7].message_id, receipts[3].message_id, receipts[200].message_id, "unknown"}
    found = gateway.receipts(until=NOW + timedelta(days=1), since=since, of=asked)
    assert found == [receipts[3], receipts[7], *late]
    assert gateway.receipts(until=NOW, since=since, of=asked) == []
    inbound = gateway.inbound(until=NOW + timedelta(days=2))
    assert len({i.inbound_id for i in inbound}) == len(inbound)
    assert 2 <= sum(classify(i.body) == "STOP" for i in inbound) <= 25
    gateway.close()


def test_the_same_seed_gives_the_same_bytes_another_does_not(tmp_path):
    def outcome(name: str, seed: int) -> tuple[object, ...]:
        gateway = ConsoleGateway(tmp_path / name, seed=seed, hash_key=b"k")
        send_many(gateway, 300)
        result = (gateway.receipts(until=NOW + timedelta(days=1)), gateway.sent_messages(DAY).to_pylist())
        gateway.close()
        return result

    assert outcome("a", 1) == outcome("b", 1)
    assert outcome("a2", 1) != outcome("c", 2)


@pytest.mark.parametrize(
    ("share", "error", "accepted"),
    [("throttled_share", ProviderThrottledError, {0}), ("rejected_share", ProviderRejectedError, {0})],
)
def test_refusals_accept_nothing(tmp_path, share, error, accepted):
    gateway = ConsoleGateway(tmp_path / "g", seed=1, hash_key=b"k", faults=GatewayFaults(**{share: 1.0}))
    with pytest.raises(error) as caught:
        gateway.send(message(1), now=NOW)
    assert PHONE not in str(caught.value)
    assert gateway.find("msg_1") is None
    assert gateway.request_counts().to_pylist() == [
        {"message_id": "msg_1", "user_id": "u1", "requests": 1, "accepted": 0}
    ]
    gateway.close()


def test_an_outage_times_out_before_or_after_acceptance(tmp_path):
    outage = GatewayFaults(timeout_from=NOW, timeout_until=NOW + timedelta(minutes=1))
    gateway = ConsoleGateway(tmp_path / "g", seed=1, hash_key=b"k", faults=outage)
    for number in range(60):
        with pytest.raises(AmbiguousSendError):
            gateway.send(message(number), now=NOW)
    found = [gateway.find(f"msg_{number}") is not None for number in range(60)]
    assert 15 < sum(found) < 45
    assert gateway.sent_messages(DAY).num_rows == sum(found)
    gateway.close()


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


def test_phone_numbers_are_kept_as_keyed_hashes_only(tmp_path):
    gateway = ConsoleGateway(tmp_path / "g.sqlite", seed=1, hash_key=b"k")
    gateway.send(message(1), now=NOW)
    gateway.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"5550142" not in stored
    assert PHONE not in repr(message(1))


def test_shares_are_bounded():
    with pytest.raises(InvalidInputError, match="delivered_share"):
        GatewayFaults(delivered_share=1.5)
