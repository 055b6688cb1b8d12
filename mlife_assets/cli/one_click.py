"""`mlife messages one-click`: the page by which people end mails.

Belongs here: serving it on this machine, recording an unsubscription. Does not belong here: the page
(`serving.one_click`), what follows from a STOP (`adapters.send_ledger`).

Concept: links in mails lead to a public web server, which hands `/unsubscribe/` on to this. A click is in the ledger
before the page says so, and the next planning or sending of anybody respects it; the event log learns of it with the
next run.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.options import AsJson, Home, open_platform, settings_of
from mlife_assets.cli.output import print_json, side_console
from mlife_assets.cli.serve import HOST, listening_socket
from mlife_assets.core.errors import MlifeError
from mlife_assets.garbage import collect_as_usual

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mlife_assets.components.platform.resources import Platform

PORT = 8010


def one_click(
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Where to listen; 0 takes a free one.")] = PORT,
    host: Annotated[
        str, typer.Option("--host", help="Which interface; others than this machine's own are open to its network.")
    ] = HOST,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Serve the page by which people end mails with one click (RFC 8058), until interrupted.

    GET /unsubscribe/TOKEN shows a button, POST ends mails. Links in mails lead to the address of the letterhead; let
    its web server hand /unsubscribe/ on to this, and log no paths: they are tokens.

    Exit codes: 0 stopped, 1 the port is taken.
    """
    import uvicorn

    from mlife_assets.serving.connections import server_config

    platform = open_platform(settings_of(home))
    # Whoever has a link may use it, from anywhere; there is nothing else to reach.
    with listening_socket(host, port, is_for_all=True) as listener:
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/unsubscribe/"
        if as_json:
            print_json({"url": url, "unsubscribe_base": platform.letterhead.unsubscribe_base})
        else:
            base = platform.letterhead.unsubscribe_base
            side_console().print(f"Ends mails at {url}, to which {base} must lead; stop with Ctrl-C", soft_wrap=True)
        config = server_config(one_click_app(platform))
        collect_as_usual()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def one_click_app(platform: Platform) -> Starlette:
    """Return the page of a home: tokens of its key, recorded in its ledger."""
    from mlife_assets.components.shown.present import operator_time
    from mlife_assets.recruiting.application import Channel
    from mlife_assets.recruiting.mail.unsubscribe import LinkUse, read_unsubscribe_token
    from mlife_assets.recruiting.messaging.keywords import STOP
    from mlife_assets.serving.one_click.app import create_one_click_app

    key = platform.mail_key

    def present() -> datetime:
        """Return the instant of the home's world; a lake that cannot be read costs nobody their way out."""
        try:
            return operator_time(platform)
        except MlifeError:
            return platform.clock.now()

    def record(use: LinkUse) -> None:
        platform.ledger.record_inbound(
            use.inbound_id,
            use.user_id,
            STOP,
            received_at=use.received_at,
            now=use.received_at,
            channel=Channel.EMAIL,
        )

    return create_one_click_app(
        lambda token: read_unsubscribe_token(token, key),
        record,
        brand=platform.policies.letterhead.brand,
        now=present,
    )
