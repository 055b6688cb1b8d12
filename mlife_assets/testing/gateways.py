"""Contract of every provider of messages.

Concept: a message goes out at most once because a gateway reports its fate truly. So the tests try the
answers: taken, deferred, refused, and lost on the way there or back; and that reading again gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from mlife_assets.core.errors import AmbiguousSendError, MlifeError, ProviderRejectedError, ProviderThrottledError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.ports import Accepted, MessageGateway, OutboundMessage

THROTTLES, REJECTS = "throttles", "rejects"
LOSES_REQUEST, LOSES_ANSWER = "loses the request", "loses the answer"
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
EVER = datetime.max.replace(tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
NUMBERS = (1, 2, 3)


class GatewayContract:
    """Subclass it, say how the gateway is opened, and how its provider reports and people answer.

    Attributes:
        can_be_asked: whether the provider still knows a message that it took when its answer was lost.
    """

    can_be_asked = True

    def opened(self, folder: Path, fault: str = "") -> MessageGateway:
        """Return a new gateway, as another process opens it; its files on this machine lie in `folder`.

        Its provider knows messages of earlier gateways of the same folder, and applies `fault` to each send: "",
        `THROTTLES`, `REJECTS`, `LOSES_REQUEST` or `LOSES_ANSWER`.
        """
        raise NotImplementedError(f"{type(self).__name__}.opened: return the gateway, opened anew")

    def message(self, number: int) -> OutboundMessage:
        """Return a message that can be sent to a person, one for each number."""
        words = "Cook wanted at Elm Street. Reply STOP to end"
        return OutboundMessage(f"msg_{number:024d}", f"usr_{number:07d}", f"+1212555{number:04d}", words)

    def answer(self, folder: Path, messages: Sequence[OutboundMessage]) -> None:
        """Have the provider report each message, and each person answer it; nothing where both come by themselves."""

    def test_it_says_who_it_is(self, tmp_path: Path) -> None:
        kind = type(self.opened(tmp_path))
        name, channel = getattr(kind, "name", ""), getattr(kind, "channel", None)
        assert str(name).isidentifier(), f"give the class a name of letters, digits and _; it has {name!r}"
        assert channel in {one for one in Channel if one.is_sent}, f"give the class a channel; it has {channel!r}"

    def test_what_was_taken_is_found_and_nothing_else(self, tmp_path: Path) -> None:
        message = self.message(1)
        accepted = self.opened(tmp_path).send(message, now=NOW)
        assert accepted.provider_message_id, "say by which id the provider knows it"
        other = self.opened(tmp_path)
        assert other.find(message.message_id) == accepted, "find returns what send returned"
        assert other.find(self.message(2).message_id) is None, "a message that was never sent is not found"

    def test_what_was_deferred_can_be_sent_again(self, tmp_path: Path) -> None:
        self._fails(tmp_path, THROTTLES, ProviderThrottledError)
        assert self.opened(tmp_path).find(self.message(1).message_id) is None
        self.opened(tmp_path).send(self.message(1), now=NOW + timedelta(minutes=1))

    def test_what_was_refused_is_nowhere(self, tmp_path: Path) -> None:
        self._fails(tmp_path, REJECTS, ProviderRejectedError)
        assert self.opened(tmp_path).find(self.message(1).message_id) is None

    def test_a_request_that_was_lost_is_nowhere(self, tmp_path: Path) -> None:
        self._fails(tmp_path, LOSES_REQUEST, AmbiguousSendError, ProviderThrottledError)
        assert self.opened(tmp_path).find(self.message(1).message_id) is None

    def test_an_answer_that_was_lost_is_ambiguous(self, tmp_path: Path) -> None:
        self._fails(tmp_path, LOSES_ANSWER, AmbiguousSendError)
        gateway = self.opened(tmp_path)
        assert (gateway.find(self.message(1).message_id) is not None) == self.can_be_asked, "the provider took it"
        remembers = self.can_be_asked or getattr(gateway, "has_record_from", lambda _: True)(date.min)
        assert remembers == self.can_be_asked, "has_record_from(day): say False of days that it cannot be asked about"

    def test_receipts_are_complete_in_order_and_the_same_again(self, tmp_path: Path) -> None:
        gateway, messages = self._sent(tmp_path)
        first, *others = receipts = self._read(tmp_path, "receipts")
        assert sorted(one.message_id for one in receipts) == [one.message_id for one in messages]
        assert [gateway.find(one.message_id) for one in receipts] == [
            Accepted(one.provider_message_id) for one in receipts
        ]
        assert gateway.receipts(until=EVER, since=EVER, of=[first.message_id]) == [first], "those of `of`, how old ever"
        assert gateway.receipts(until=first.received_at, of=[others[-1].message_id]) == [first], "if they are there"

    def test_what_people_write_is_complete_in_order_and_the_same_again(self, tmp_path: Path) -> None:
        _, messages = self._sent(tmp_path)
        heard = self._read(tmp_path, "inbound")
        assert len({one.inbound_id for one in heard}) == len(messages), "a STOP that is left out texts somebody again"
        assert all(one.user_id or one.phone_number or one.mail_address for one in heard), "say who wrote it"

    def _read(self, folder: Path, name: str) -> list[Any]:
        """Return all receipts or replies, which are in order, those that were asked for, and the same again."""
        read, again = getattr(self.opened(folder), name), getattr(self.opened(folder), name)
        found: list[Any] = read(until=EVER)
        times = [one.received_at for one in found]
        assert len(found) == len(NUMBERS), f"{name}: each message has one, by `answer` or by itself"
        assert all(one.tzinfo is not None for one in times), f"{name}: times have a zone"
        assert times == sorted(times), f"{name}: oldest first"
        assert read(until=EVER) == again(until=EVER) == found, f"{name}: reading again gives the same"
        assert read(until=times[0] - INSTANT) == [], f"{name}: nothing after `until`"
        late = [one for one in found if one.received_at >= times[1]]
        assert read(until=EVER, since=times[1]) == late, f"{name}: nothing before `since`"
        return found

    def _sent(self, folder: Path) -> tuple[MessageGateway, list[OutboundMessage]]:
        gateway, messages = self.opened(folder), [self.message(number) for number in NUMBERS]
        for number, message in enumerate(messages):
            gateway.send(message, now=NOW + timedelta(hours=number))
        self.answer(folder, messages)
        return gateway, messages

    def _fails(self, folder: Path, fault: str, *kinds: type[MlifeError]) -> None:
        """Send, which must raise one of `kinds` and say to nobody whom it was to."""
        raised: MlifeError | None = None
        message = self.message(1)
        try:
            self.opened(folder, fault).send(message, now=NOW)
        except MlifeError as error:
            raised = error
        names = " or ".join(kind.__name__ for kind in kinds)
        assert isinstance(raised, kinds), f"where the provider {fault}, raise {names}; it was {raised!r}"
        assert message.address not in f"{raised!r} {raised.__cause__!r}", "an error names the message by its id alone"
