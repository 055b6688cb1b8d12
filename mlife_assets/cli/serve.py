"""`mlife serve`: the prediction endpoint on this machine.

Belongs here: which champion the endpoint serves and where it listens. Does not belong here: the endpoint (`serving`).

Concept: the champion is asked for on every request, so a promotion or a rollback is followed without a restart.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.options import AsJson, Home, open_platform, settings_of
from mlife_assets.cli.output import print_json, side_console
from mlife_assets.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from mlife_assets.core.inference.scoring import LightGBMScorer
    from mlife_assets.defs.resources import Platform

HOST = "127.0.0.1"
PORT = 8000
BACKLOG = 2048


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Where to listen; 0 takes a free one.")] = PORT,
    host: Annotated[
        str, typer.Option("--host", help="Which interface; others than this machine's own are open to its network.")
    ] = HOST,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Score over HTTP with the present champion until interrupted: POST /v1/score, GET /v1/model, GET /health.

    Exit codes: 0 stopped, 1 no champion, or the port is taken.
    """
    import uvicorn

    from mlife_assets.serving.app import create_app

    provider = champion_provider(open_platform(settings_of(home)))
    version = provider().model_version
    with _listener(host, port) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        if as_json:
            print_json({"url": url, "model_version": version})
        else:
            side_console().print(f"{version} answers at {url}; stop with Ctrl-C", markup=False, soft_wrap=True)
        config = uvicorn.Config(create_app(provider), log_level="warning", access_log=False, lifespan="off", ws="none")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def champion_provider(platform: Platform) -> Callable[[], LightGBMScorer]:
    """Return what gives the scorer of the present champion; it raises NotFoundError when there is none."""

    def champion() -> LightGBMScorer:
        version = platform.registry.champion()
        if version is None:
            raise NotFoundError("no model was promoted yet; run `mlife demo`, which trains one")
        return platform.scorer(version)

    return champion


def _listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises InvalidInputError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InvalidInputError(f"cannot listen at {host}:{port} ({error.strerror}); choose another --port") from error
    return listener
