"""`mlife open` and `mlife dev`: the pages, alone or beside the Dagster UI.

Concept: beside the UI the site is a thread of the process that starts and stops Dagster's services, so one Ctrl-C ends
both and nothing is left behind. Both ports are claimed first; if one is taken, a sentence says so and nothing starts.
"""

from __future__ import annotations

import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.homes import any_settings, board_settings
from mlife_assets.cli.options import AsJson, Home
from mlife_assets.cli.output import print_json, say_aside
from mlife_assets.cli.serve import HOST, listening_socket
from mlife_assets.core.ids import digest
from mlife_assets.garbage import collect_as_usual

if TYPE_CHECKING:
    import uvicorn

    from mlife_assets.home_settings import HomeSettings, ProjectSettings
    from mlife_assets.settings import Settings

UI_PORT = 3000
ANSWER_SECONDS, STOP_SECONDS = 5.0, 10.0
_PORTS = {"min": 0, "max": 65_535}


def open_pages(
    port: Annotated[
        int | None,
        typer.Option("--port", help="Where to listen; 0 takes a free one.", show_default="MLIFE_PAGES_PORT", **_PORTS),
    ] = None,
    opens_browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open them in the browser.")] = True,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Serve dashboard, model cards, runbooks and the trace of each message on this machine, until interrupted.

    In the folder of another Dagster project: an overview of its models, and their cards.

    Exit codes: 0 stopped, or the pages of this home are served already; 1 the port is taken.
    """
    import uvicorn

    settings = any_settings(home)
    wanted = settings.serving.pages_port if port is None else port
    if wanted and _is_served(wanted, site_mark(settings)):
        _say(f"http://{HOST}:{wanted}", "they are served already", opens_browser=opens_browser, as_json=as_json)
        return
    config = site_config(settings)
    with listening_socket(HOST, wanted) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        _say(url, "stop with Ctrl-C", opens_browser=opens_browser, as_json=as_json)
        collect_as_usual()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def dev(
    port: Annotated[int, typer.Option("--port", help="Where the Dagster UI listens.", **_PORTS)] = UI_PORT,
    pages_port: Annotated[
        int | None,
        typer.Option(
            "--pages-port",
            help="Where the pages listen. Links of earlier runs keep the port they were made with.",
            show_default="MLIFE_PAGES_PORT",
            **_PORTS,
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Start the Dagster UI, its daemon and the pages on this machine, until interrupted.

    Exit codes: 0 stopped, 1 a port is taken.
    """
    from mlife_assets.components.running.instance import run_dagster_dev
    from mlife_assets.settings import WORKSPACE_FILE

    settings = board_settings(home)
    with listening_socket(HOST, port) as probe:
        ui_port = probe.getsockname()[1]
    wanted = settings.serving.pages_port if pages_port is None else pages_port
    with listening_socket(HOST, wanted, option="--pages-port") as listener:
        addresses = {"ui": f"http://{HOST}:{ui_port}", "pages": f"http://{HOST}:{listener.getsockname()[1]}"}
        now = {"ui_url": addresses["ui"], "pages_port": listener.getsockname()[1]}
        settings = settings.model_copy(update={"serving": settings.serving.model_copy(update=now)})
        settings.exports.to_dagster()
        if as_json:
            print_json(addresses)
        else:
            shown = "Dagster UI: {ui}\nPages: {pages}\nStop both with Ctrl-C.".format(**addresses)
            say_aside(shown)
        # Dagster stops on an interrupt and when it is terminated, unless interrupts are ignored, as behind `&`.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with _in_a_thread(site_config(settings), listener):
            run_dagster_dev(settings, WORKSPACE_FILE, HOST, ui_port)


def site_config(settings: ProjectSettings | Settings) -> uvicorn.Config:
    """Return the configuration of the site of a home."""
    from mlife_assets.cli.home_pages import ProjectPages, pages_of
    from mlife_assets.recruiting.places import SERVED
    from mlife_assets.serving.connections import server_config
    from mlife_assets.serving.site.app import create_site

    pages = pages_of(settings)
    served = () if isinstance(pages, ProjectPages) else SERVED
    return server_config(create_site(pages, ui_url=settings.serving.ui_url, mark=site_mark(settings), served=served))


def site_mark(settings: HomeSettings) -> str:
    """Return the mark by which commands recognise the site of a home; it does not reveal the path of the home."""
    return digest(("site", settings.home, settings.places.lake_name), 16)


def _is_served(port: int, mark: str) -> bool:
    """Return whether the site with this mark answers at a port."""
    import http.client

    from mlife_assets.serving.site.app import MARK

    asked = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
    try:
        asked.request("HEAD", "/-")  # every answer has the mark, and this one costs the site nothing
        return asked.getresponse().getheader(MARK) == mark
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


@contextmanager
def _in_a_thread(config: uvicorn.Config, listener: socket.socket) -> Iterator[None]:
    import uvicorn

    collect_as_usual()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="pages", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)


def _say(url: str, more: str, *, opens_browser: bool, as_json: bool) -> None:
    if as_json:
        print_json({"url": url})
    else:
        say_aside(f"The pages are at {url} ({more}).")
    if opens_browser and not as_json and _has_window():
        webbrowser.open(url)


def _has_window() -> bool:
    """Return whether a browser with a window is there: one in this terminal would keep it from us."""
    try:
        return type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        return False
