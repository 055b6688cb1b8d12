"""Contract of every deployment.

Concept: a deployment is opened as every command opens it, by the settings alone, in a home that is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from mlife_assets.core.errors import NotGivenError
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.places import look_at_deployment
from mlife_assets.recruiting.application import Channel
from mlife_assets.settings import Settings

FIRST_DAY = date(2025, 1, 15)


class DeploymentContract:
    """Subclass it, and say which deployment it is.

    Attributes:
        named: as MLIFE_DEPLOYMENT says it.
        stated: other settings that it needs, by field.
    """

    named: str
    stated: Mapping[str, Any] = {"first_day": FIRST_DAY}

    def opened(self, home: Path) -> BoardPorts:
        """Return a home of the deployment, as a new process opens it."""
        settings = Settings(home=home, deployment=self.named, **self.stated)
        return board_ports(settings)

    def test_asking_which_it_is_makes_nothing(self, tmp_path: Path) -> None:
        deployment = self.opened(tmp_path / "home").deployment
        assert set(deployment.providers) == {one for one in Channel if one.is_sent}, "name a provider of each channel"
        assert set(deployment.silent) <= set(deployment.providers)
        assert not (tmp_path / "home").exists(), "a port is made when it is first asked for"

    def test_providers_are_those_that_it_names(self, tmp_path: Path) -> None:
        platform = self.opened(tmp_path / "home")
        for channel, gateway in platform.home.messengers.gateways.items():
            assert gateway.channel == channel, f"what sends by {channel} is of another channel"
            assert gateway.name == platform.home.providers.get(channel), f"{channel} goes out by another"
        assert platform.deployment.texts() is platform.deployment.texts(), "one process has one gateway"

    def test_it_goes_by_one_time(self, tmp_path: Path) -> None:
        times = self.opened(tmp_path / "home").deployment.times
        moment = times.moment(FIRST_DAY, timedelta(minutes=5))
        assert moment.tzinfo is not None, "times have a zone"
        assert times.pace(moment).clock.now() >= moment, "a clock goes on"
        assert times.is_due(FIRST_DAY), "a day that is over may run"
        assert times.clock is None or times.is_over(FIRST_DAY), "and sends nothing any more"
        assert times.clock is None or times.clock.now() - datetime.now(UTC) < timedelta(minutes=5), "it is the present"

    def test_a_person_without_an_address_is_no_error_and_a_missing_book_is_one(self, tmp_path: Path) -> None:
        platform = self.opened(tmp_path / "home")
        books = [
            platform.home.messengers.contacts.phone_numbers,
            *(book.read for book in platform.home.messengers.address_books.values()),
        ]
        for read in books:
            with suppress(NotGivenError):
                assert dict(read(["nobody"])) == {"nobody": None}, "somebody without one is there, and None"

    def test_the_doctor_is_shown_what_it_needs(self, tmp_path: Path) -> None:
        platform = self.opened(tmp_path / "home")
        assert platform.deployment.look is not None, "give `look` a function, for `mlife doctor`"
        found = look_at_deployment(platform.settings)
        assert all(one.part and one.says for one in found), "a finding names its part"

    def test_a_home_remembers_which_it_is_of(self, tmp_path: Path) -> None:
        platform = self.opened(tmp_path / "home")
        platform.settings.memory.keep_deployment()
        if platform.settings.memory.lasts:
            assert Settings(home=tmp_path / "home").deployment == self.named
