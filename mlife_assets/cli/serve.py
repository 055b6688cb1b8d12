"""`mlife serve`: the prediction endpoint on this machine. `mlife messages one-click`: the page by which people end
mails.

Concept: the endpoint keeps asking who is champion, so a promotion or a rollback needs no restart. Whether a token is
needed depends on the address that was bound, not on the name that was given for it. A token is never printed: it is in
the environment, or in a private file whose path is printed, random in every environment.

Links in mails lead to a public web server, which hands `/unsubscribe/` on to this. A click is in the ledger before the
page says so, and the next planning or sending of anybody respects it; the event log learns of it with the next run.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.homes import open_board, open_home
from mlife_assets.cli.options import AsJson, Home
from mlife_assets.cli.output import faults_named, print_json, say_aside
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotFoundError
from mlife_assets.garbage import collect_as_usual

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from mlife_assets.core.scoring.scorer import StagedScorer
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.deployments.ports import HomePorts
    from mlife_assets.home_settings import HomeSettings

ONE_CLICK_PORT = 8010
HOST = "127.0.0.1"
PORT = 8000
BACKLOG = 128


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Where to listen; 0 takes a free one.")] = PORT,
    host: Annotated[
        str, typer.Option("--host", help="Which interface; others than this machine's own are open to its network.")
    ] = HOST,
    makes_token: Annotated[
        bool, typer.Option("--make-token", help="Make a token in the home's private folder, unless it has one.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option("--model", metavar="DIR", help="Output of a training to serve, instead of a home.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Score over HTTP with the current champions, or with a model of `mlife train`, until interrupted.

    POST /v1/models/NAME/score, GET /v1/models/NAME, GET /v1/models, GET /health. POST /v1/score and GET /v1/model are
    those of job_applications, or of the model of --model, whose NAME is study.

    Requests from other machines need `Authorization: Bearer <token>`, all but GET /health. The token is
    MLIFE_ENDPOINT_TOKEN, or else the file that --make-token writes. Once there is one, this machine needs it, too.

    Exit codes: 0 stopped, 1 no champion or model, no token beyond this machine, or the port is taken.
    """
    from mlife_assets.serving.app import create_app
    from mlife_assets.serving.connections import AnnouncedServer, server_config

    settings: HomeSettings
    if model is not None:
        settings, providers = _of_folder(model, home, makes_token=makes_token)
    else:
        _require_home(home)
        ports = open_home(home)
        settings, providers = ports.settings, champion_providers(ports)
    token, source = endpoint_token(settings, makes_token=makes_token)
    with listening_socket(host, port, is_for_all=token is not None) as listener:
        versions = serving_versions(providers)
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"

        def announce() -> None:
            if as_json:
                first = versions[next(iter(versions))]
                print_json({"url": url, "model_version": first, "models": versions, "token": source})
                return
            wanted = f", with the token of {source}" if source else ""
            for name, version in versions.items():
                said = f"{version} answers at {url}/v1/models/{name}/score" if version else "no champion can be loaded"
                say_aside(f"{name}: {said}")
            say_aside(f"Serving at {url}{wanted}; stop with Ctrl-C")

        config = server_config(create_app(providers, token=token))
        collect_as_usual()
        with suppress(KeyboardInterrupt):
            AnnouncedServer(config, announce).run(sockets=[listener])


def _of_folder(
    folder: Path, home: Path | None, *, makes_token: bool
) -> tuple[HomeSettings, dict[str, Callable[[], StagedScorer]]]:
    """Return settings and the provider of a trained model. Raises as of `load_folder`, and beside options of a home."""
    from mlife_assets.core.study import STUDY
    from mlife_assets.home_settings import HomeSettings
    from mlife_assets.studies.model import load_folder

    if home is not None or makes_token:
        raise InvalidInputError(
            "--model serves a folder of `mlife train`, which is no home; leave out --home, and instead of --make-token "
            "set MLIFE_ENDPOINT_TOKEN to 32 characters or more"
        )
    scorer = load_folder(folder).scorer
    scorer.warm()
    with faults_named():
        return HomeSettings(home=folder.absolute()), {STUDY: lambda: scorer}


def _require_home(home: Path | None) -> None:
    """Raise InvalidInputError for the folder of a trained model."""
    from mlife_assets.studies.model import is_trained_folder

    if home is not None and is_trained_folder(home):
        raise InvalidInputError(
            f"{home} is a model of `mlife train` and no home; run `mlife serve --model {home}`, or score a file with "
            f"`mlife score --model {home} --rows FILE`"
        )


def endpoint_token(settings: HomeSettings, *, makes_token: bool) -> tuple[str | None, str | None]:
    """Return the token and where it is from; both None when there is none. `makes_token` makes it a file."""
    from mlife_assets.adapters.keyring import Keyring
    from mlife_assets.adapters.private_files import private_tree

    if settings.serving.endpoint_token is not None:
        return settings.serving.endpoint_token.get_secret_value(), "MLIFE_ENDPOINT_TOKEN"
    path = settings.private_folder / "keys" / "endpoint.key"
    if not makes_token and not path.exists():
        return None, None
    return Keyring(private_tree(settings.private_folder) / "keys").key(path.stem).hex(), str(path)


def champion_providers(home: HomePorts) -> dict[str, Callable[[], StagedScorer]]:
    """Return a provider of the champion's scorer for each model; it raises NotFoundError when there is none."""
    from mlife_assets.adapters.model_registry import ChampionWatch, model_names

    def provider(name: str, watch: ChampionWatch) -> Callable[[], StagedScorer]:
        def champion() -> StagedScorer:
            version = watch.champion()
            if version is None:
                raise NotFoundError(f"no model was promoted yet as {name}; run its retraining, or promote a version")
            scorer = home.of_model(name).scorers.of(version)
            scorer.warm()
            return scorer

        return champion

    names = dict.fromkeys([*home.model_names, *model_names(home.event_log)])
    registries = {name: home.of_model(name).registry for name in names}
    return {name: provider(name, ChampionWatch(one, home.event_log)) for name, one in registries.items()}


def serving_versions(providers: Mapping[str, Callable[[], StagedScorer]]) -> dict[str, str | None]:
    """Return the champion of each model, None where none can be loaded. Raises why, when that is so of all.

    A provider's models are warm, so the first request waits for none.
    """
    versions: dict[str, str | None] = {}
    faults: list[MlifeError] = []
    for name, provider in providers.items():
        try:
            versions[name] = provider().model_version
        except MlifeError as error:
            versions[name] = None
            faults.append(error)
    if len(faults) == len(versions):
        raise faults[0]
    return versions


def listening_socket(host: str, port: int, *, is_for_all: bool = False, option: str = "--port") -> socket.socket:
    """Return a socket that listens. Raises InvalidInputError when the address cannot be had, or not without a token."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if not is_for_all and not ipaddress.ip_address(listener.getsockname()[0]).is_loopback:
            listener.close()
            raise InvalidInputError(
                f"{host or 'every interface'} is open to the network and there is no token, so nothing is served; set "
                "MLIFE_ENDPOINT_TOKEN to 32 characters or more, or add --make-token"
            )
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InvalidInputError(
            f"cannot listen at {host}:{port} ({error.strerror or error}); choose another {option}"
        ) from error
    return listener


def one_click(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="Where to listen; 0 takes a free one.")
    ] = ONE_CLICK_PORT,
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

    platform = open_board(home)
    # The holder of a link may use it from anywhere; there is nothing else to reach.
    with listening_socket(host, port, is_for_all=True) as listener:
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/unsubscribe/"
        if as_json:
            print_json({"url": url, "unsubscribe_base": platform.home.private.letterhead.unsubscribe_base})
        else:
            base = platform.home.private.letterhead.unsubscribe_base
            say_aside(f"Ends mails at {url}, to which {base} must lead; stop with Ctrl-C")
        config = server_config(one_click_app(platform))
        collect_as_usual()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def one_click_app(platform: BoardPorts) -> Starlette:
    """Return the page of a home: tokens of its key, recorded in its ledger."""
    from mlife_assets.components.shown.present import operator_time
    from mlife_assets.recruiting.application import Channel
    from mlife_assets.recruiting.mail.mime import LinkUse, read_unsubscribe_token
    from mlife_assets.recruiting.messaging.replies import STOP
    from mlife_assets.serving.one_click.app import create_one_click_app

    key = platform.home.private.mail_key

    def present() -> datetime:
        """Return the instant of the home's world; a lake that cannot be read costs nobody their way out."""
        try:
            return operator_time(platform.of_model())
        except MlifeError:
            return platform.home.clock.now()

    def record(use: LinkUse) -> None:
        platform.ledger.replies.record(
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
