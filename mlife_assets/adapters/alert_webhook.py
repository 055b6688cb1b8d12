"""Alerts to a webhook: a chat, a pager, an incident tool.

Concept: the body is JSON with `text`, which chats show (Slack, Mattermost), and `alerts` for machines. Words may be a
stranger's, so they are in a code block, where a chat makes no links and mentions. The address often holds a secret, so
no error names it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from http.client import HTTPException
from socket import create_connection
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener, getproxies, proxy_bypass

from mlife_assets.core.alerts import Alert, message_of
from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.errors import InvalidInputError, PermanentError, TransientError

if TYPE_CHECKING:
    from pydantic import HttpUrl, Secret

SETTING = "MLIFE_ALERT_WEBHOOK"
TIMEOUT_SECONDS, LOOK_SECONDS = 10.0, 5.0
_LATER = {408, 425, 429}
"""Statuses below 500 after which a retry may succeed."""


def look_at_webhook(url: Secret[HttpUrl]) -> list[Finding]:
    """Return whether the alert address answers; nothing is posted, and the address is not repeated."""
    found: list[Finding] = []
    with faults_found(SETTING, found):
        AlertWebhook(url)
        address = url.get_secret_value()
        host = str(address.host).strip("[]")
        if getproxies().get(address.scheme) and not proxy_bypass(host):
            found.append(Finding(SETTING, "alerts go through a proxy, which was not tried"))
            return found
        try:
            with create_connection((host, address.port or 443), timeout=LOOK_SECONDS):
                found.append(Finding(SETTING, "its host answers; nothing was posted"))
        except (OSError, ValueError) as error:
            kind = type(error).__name__
            raise TransientError(f"its host does not answer ({kind}); correct it, or start what takes alerts") from None
    return found


class _NoRedirect(HTTPRedirectHandler):
    """Refuses redirects, which would send alerts, and secrets of the address, to an unconfigured server."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


class AlertWebhook:
    """Implements `ports.AlertChannel` by HTTP."""

    name = "webhook"

    def __init__(self, url: Secret[HttpUrl], *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Store the address; nothing is opened. Raises InvalidInputError on an address with a name in it."""
        if url.get_secret_value().username is not None:
            raise InvalidInputError("MLIFE_ALERT_WEBHOOK has a name before its host, which is not sent; leave it out")
        self._url, self._timeout = url, timeout_seconds

    def deliver(self, alerts: Sequence[Alert]) -> None:
        head, _, said = message_of(alerts).partition("\n")
        text = f"{head}\n```\n{said.replace('`', chr(39))}\n```"
        body = {"text": text, "alerts": [{"name": one.name, **one.facts} for one in alerts]}
        headers = {"Content-Type": "application/json", "User-Agent": "mlife"}
        address = str(self._url.get_secret_value())  # http or https: settings allow no other
        request = Request(address, data=json.dumps(body).encode(), headers=headers, method="POST")  # noqa: S310
        answer: Future[int] = Future()
        Thread(target=self._post, args=(request, answer), daemon=True).start()
        try:
            status = answer.result(self._timeout)
        except (OSError, HTTPException) as error:
            raise TransientError(
                f"the webhook of alerts did not answer ({type(error).__name__}); it is tried again"
            ) from None
        except ValueError:
            raise PermanentError("the webhook of alerts has no host that can be; correct MLIFE_ALERT_WEBHOOK") from None
        if status < 300:
            return
        if status >= 500 or status in _LATER:
            raise TransientError(f"the webhook of alerts answered {status}; it is tried again")
        raise PermanentError(f"the webhook of alerts answered {status}; correct MLIFE_ALERT_WEBHOOK")

    def _post(self, request: Request, answer: Future[int]) -> None:
        """Set the status as the result; a socket's timeout restarts with each byte, so another thread waits."""
        try:
            with build_opener(_NoRedirect()).open(request, timeout=self._timeout) as said:
                answer.set_result(said.status)
        except HTTPError as error:
            error.close()
            answer.set_result(error.code)
        except (OSError, HTTPException, ValueError) as error:
            answer.set_exception(error)
