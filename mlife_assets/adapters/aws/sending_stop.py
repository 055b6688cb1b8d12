"""The flag that stops every send, whoever set it: the kill switch, an alarm, a person.

Concept: a flag that was never set lets send. Set, only the word `false` does. Whatever else comes back, an error among
it, stops: who cannot ask does not send.
"""

from __future__ import annotations

import logging

from mlife_assets.adapters.aws_clients import client, code_of

PARAMETER = "/mlife/sending/stopped"
_LOGGER = logging.getLogger(__name__)


class ParameterStop:
    """Implements `ports.SendingStop` by a parameter of Parameter Store."""

    def __init__(self, region: str) -> None:
        self._region = region

    def is_stopped(self) -> bool:
        """Return whether nothing may be sent now."""
        try:
            answer = client("ssm", self._region).get_parameter(Name=PARAMETER)
            return bool(answer["Parameter"]["Value"] != "false")
        except Exception as error:  # noqa: BLE001  whatever went wrong, nobody said that sending may go on
            if code_of(error) == "ParameterNotFound":
                return False
            _LOGGER.error(
                "%s cannot be read (%s), so nothing is sent", PARAMETER, code_of(error) or type(error).__name__
            )
            return True
