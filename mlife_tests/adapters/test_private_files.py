"""What a home keeps private, its clock, and what it tells others: alerts, log lines, gauges."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from stat import S_IMODE
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import HttpUrl, Secret

from mlife_assets.adapters.alert_webhook import AlertWebhook, look_at_webhook
from mlife_assets.adapters.clock import FileClock, SimulatedClock, SystemClock
from mlife_assets.adapters.json_logs import JsonHandler, json_formatter, log_as_json, logs_json
from mlife_assets.adapters.keyring import KEY_BYTES, Keyring, SecretKeyring
from mlife_assets.adapters.private_files import (
    made_and_ignored,
    made_private,
    private_file,
    private_folder,
    private_tree,
    write_private,
)
from mlife_assets.adapters.prometheus_text import prometheus_text
from mlife_assets.components.graph.partitions import RANGE_END_TAG, RANGE_START_TAG
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import GateClosedError, InvalidInputError, PermanentError, TransientError
from mlife_assets.core.gauges import Gauge

START = datetime(2026, 6, 2, 18, tzinfo=UTC)
ALERTS = [Alert("run-1", "metrics_job failed: no dbt", {"job": "metrics_job", "partition": None, "message": "no dbt"})]
SECRET = "T0/B0/secret"
GAUGES = (
    Gauge("mlife_rows", "Rows, by type", (({"type": "click"}, 3.0), ({"type": 'a "b"\n\\'}, 0.5))),
    Gauge("mlife_days", "Days", (({}, 2.0),)),
    Gauge("mlife_nothing", "What does not exist yet", ()),
)


def mode(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_folders_and_files_are_their_owners_alone(tmp_path: Path) -> None:
    path = private_file(tmp_path / "private" / "ledger.sqlite")
    assert (mode(path.parent), mode(path), path.read_bytes()) == (0o700, 0o600, b"")
    path.chmod(0o644)
    assert mode(private_file(path)) == 0o600, "as an earlier release left it"
    write_private(tmp_path / "private" / "key", b"new")
    assert (mode(tmp_path / "private" / "key"), (tmp_path / "private" / "key").read_bytes()) == (0o600, b"new")
    assert write_private(tmp_path / "private" / "key", b"newer")
    assert not write_private(tmp_path / "private" / "key", b"newest", replaces=False)
    assert (tmp_path / "private" / "key").read_bytes() == b"newer"
    assert sorted(p.name for p in path.parent.iterdir()) == ["key", "ledger.sqlite"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "private")
    (tmp_path / "elsewhere").write_bytes(b"other")
    (folder / "contacts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="contacts"):
        private_file(folder / "contacts")


def test_a_tree_is_narrowed_but_not_what_its_links_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"other")
    tree = tmp_path / "private"
    (tree / "keys").mkdir(parents=True)
    (tree / "keys" / "links.key").write_bytes(b"k")
    (tree / "ledger.sqlite-wal").write_bytes(b"w")
    (tree / "folder").symlink_to(outside)
    (tree / "link").symlink_to(outside / "file")
    for path in (tree, tree / "keys", outside):
        path.chmod(0o755)
    for path in (tree / "keys" / "links.key", tree / "ledger.sqlite-wal", outside / "file"):
        path.chmod(0o664)
    assert private_tree(tree) == tree
    assert [mode(path) for path in (tree, tree / "keys")] == [0o700] * 2
    assert [mode(tree / "keys" / "links.key"), mode(tree / "ledger.sqlite-wal")] == [0o600] * 2
    assert [mode(outside), mode(outside / "file")] == [0o755, 0o664]


@pytest.mark.usefixtures("umask")
def test_what_others_write_is_made_private(tmp_path: Path, umask: int) -> None:
    with made_private():
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "file").write_bytes(b"x")
    assert (mode(tmp_path / "folder"), mode(tmp_path / "folder" / "file")) == (0o700, 0o600)
    (tmp_path / "after").write_bytes(b"x")
    assert mode(tmp_path / "after") == 0o666 & ~umask


def test_the_same_seed_gives_the_same_keys_and_leaves_no_file(tmp_path: Path) -> None:
    one, same, other = Keyring(tmp_path, seed=1), Keyring(tmp_path, seed=1), Keyring(tmp_path, seed=2)
    assert one.key("numbers") == same.key("numbers") != other.key("numbers")
    assert one.key("numbers") != one.key("links")
    assert len(one.key("links")) == 32
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "\n", "00", "secret", "é" * 40])
def test_a_damaged_key_is_refused_and_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "numbers.key").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInputError, match="does not hold a key"):
        Keyring(tmp_path).key("numbers")
    assert (tmp_path / "numbers.key").read_text(encoding="utf-8") == content


def test_a_rotated_key_is_another_one_key_alone(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    before = {name: keyring.key(name) for name in ("numbers", "links")}
    keyring.rotate("numbers")
    assert Keyring(tmp_path).key("numbers") != before["numbers"]
    assert Keyring(tmp_path).key("links") == before["links"]
    assert S_IMODE((tmp_path / "numbers.key").stat().st_mode) == 0o600
    with pytest.raises(GateClosedError, match="derives from the seed"):
        Keyring(tmp_path, seed=1).rotate("numbers")
    with pytest.raises(InvalidInputError, match="key name"):
        keyring.rotate("../numbers")


def test_keys_of_a_secret_are_the_same_on_each_machine_and_differ_by_name() -> None:
    read = []
    keyring = SecretKeyring(lambda: read.append(1) or "a secret of the environment")
    assert read == [], "it is read with the first key"
    assert len(keyring.key("links")) == KEY_BYTES
    assert keyring.key("links") == SecretKeyring(lambda: "a secret of the environment").key("links")
    assert len({keyring.key("links"), keyring.key("log_manifests"), SecretKeyring(lambda: "other").key("links")}) == 3
    assert read == [1]
    with pytest.raises(GateClosedError, match="MLIFE_NUMBER_HASH_KEY, which never changes"):
        keyring.rotate("links")


def test_a_new_folder_is_ignored_by_git_and_one_that_was_in_use_left_alone(tmp_path: Path) -> None:
    home = made_and_ignored(tmp_path / "var" / "mlife")
    ignored = home / ".gitignore"
    assert ignored.read_text(encoding="utf-8").splitlines()[-1] == "*"
    ignored.write_text("private\n", encoding="utf-8")
    assert made_and_ignored(home) == home
    assert ignored.read_text(encoding="utf-8") == "private\n"
    (tmp_path / "lake").mkdir()
    assert not (made_and_ignored(tmp_path) / ".gitignore").exists()


def test_the_simulated_clock_stands_until_it_is_set_and_never_runs_backwards() -> None:
    clock = SimulatedClock(START)
    assert clock.now() == clock.now() == START
    clock.set((START + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-5))))
    assert clock.now() == START + timedelta(hours=1)
    assert clock.now().utcoffset() == timedelta(0)
    clock.set(clock.now())
    clock = SimulatedClock(START)
    with pytest.raises(InvalidInputError, match="go back"):
        clock.set(START - timedelta(microseconds=1))
    with pytest.raises(InvalidInputError, match="zone"):
        clock.set(START.replace(tzinfo=None))
    with pytest.raises(InvalidInputError, match="zone"):
        SimulatedClock(START.replace(tzinfo=None))
    assert clock.now() == START


def test_the_system_clock_is_in_utc() -> None:
    first = SystemClock().now()
    assert first.utcoffset() == timedelta(0)
    assert SystemClock().now() >= first


def test_a_clock_in_a_file_is_moved_by_writing_it(tmp_path: Path) -> None:
    file = tmp_path / "present"
    clock = FileClock(file)
    for moment in (START, START + timedelta(days=3)):
        file.write_text(f"{moment.astimezone(timezone(timedelta(hours=-5))).isoformat()}\n")
        assert clock.now() == moment


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2026-06-02T18:00:00"])
def test_a_clock_file_that_says_no_instant_is_an_error_and_not_the_machines_time(tmp_path: Path, text: str) -> None:
    file = tmp_path / "present"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InvalidInputError, match=r"MLIFE_CLOCK_FILE|zone"):
        FileClock(file).now()


@dataclass
class Chat:
    """A webhook on this machine that gives the answers it is told to."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def webhook(self, timeout_seconds: float = 5.0) -> AlertWebhook:
        return AlertWebhook(Secret(HttpUrl(self.url)), timeout_seconds=timeout_seconds)


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            chat.posted.append((self.path, json.loads(body)))
            self.send_response(chat.statuses.pop(0))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        chat.url = f"http://127.0.0.1:{server.server_address[1]}/{SECRET}"
        yield chat
        server.shutdown()
        thread.join()


def test_the_doctor_sees_whether_somebody_answers_and_posts_nothing(chat, monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (found,) = look_at_webhook(Secret(HttpUrl(chat.url)))
    assert (found.says, found.is_fault) == ("its host answers; nothing was posted", False)
    assert chat.posted == []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        (dead,) = look_at_webhook(Secret(HttpUrl(f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}")))
    assert dead.is_fault
    assert dead.says == "its host does not answer (ConnectionRefusedError)"
    for nobody in ("http://[::1]:1/x", "https://a..b/x"):
        (dead,) = look_at_webhook(Secret(HttpUrl(nobody)))
        assert dead.says.startswith("its host does not answer (")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    (behind,) = look_at_webhook(Secret(HttpUrl("https://example.com/x")))
    assert (behind.says, behind.is_fault) == ("alerts go through a proxy, which was not tried", False)
    (named,) = look_at_webhook(Secret(HttpUrl("https://me:pw@example.com/x")))
    assert named.is_fault


@pytest.mark.parametrize("status", [200, 202, 204])
def test_alerts_are_posted_for_people_and_for_machines(chat, status: int) -> None:
    chat.statuses = [status]
    chat.webhook().deliver(ALERTS)
    ((path, body),) = chat.posted
    assert path == f"/{SECRET}"
    assert body == {
        "text": "mlife: 1 alert\n```\nmetrics_job failed: no dbt\n```",
        "alerts": [{"name": "run-1", "job": "metrics_job", "partition": None, "message": "no dbt"}],
    }


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_an_answer_that_asks_for_another_try_is_transient(chat, status: int) -> None:
    chat.statuses = [status]
    with pytest.raises(TransientError, match=f"answered {status}") as caught:
        chat.webhook().deliver(ALERTS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410])
def test_a_refusal_is_permanent_and_nothing_is_followed_elsewhere(chat, status: int) -> None:
    chat.statuses = [status, 200]
    with pytest.raises(PermanentError, match=f"answered {status}; correct MLIFE_ALERT_WEBHOOK") as caught:
        chat.webhook().deliver(ALERTS)
    assert "secret" not in str(caught.value)
    assert len(chat.posted) == 1


def test_nobody_there_is_transient_and_the_address_stays_secret(chat) -> None:
    webhook = AlertWebhook(Secret(HttpUrl(f"http://127.0.0.1:1/{SECRET}")), timeout_seconds=1)
    with pytest.raises(TransientError, match="did not answer") as caught:
        webhook.deliver(ALERTS)
    assert "secret" not in f"{caught.value}{caught.value.__cause__}{webhook!r}"


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1/x", "http://user@127.0.0.1/x"])
def test_an_address_with_a_name_in_it_is_refused_and_not_looked_up(url: str) -> None:
    with pytest.raises(InvalidInputError, match="MLIFE_ALERT_WEBHOOK has a name before its host") as caught:
        AlertWebhook(Secret(HttpUrl(url)))
    assert "secret" not in str(caught.value)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, which is left as it was."""
    logger = logging.getLogger()
    before = list(logger.handlers)
    yield logger
    logger.handlers = before


def _line(**changed: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "a.b", "levelname": "WARNING", "levelno": logging.WARNING, **changed})
    text = json_formatter().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    assert str(found.pop("timestamp")).endswith("Z")
    return found


def test_a_line_says_who_logged_what() -> None:
    line = _line(msg="sent %d of %s\nand more", args=(3, "x"))
    assert line == {"event": "sent 3 of x\nand more", "level": "warning", "logger": "a.b"}


def test_an_error_brings_its_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        line = _line(msg="failed", exc_info=(type(error), error, error.__traceback__))
    assert line["event"] == "failed"
    assert "ValueError: broken" in str(line["exception"])


def _facts(message: str, **more: object) -> dict[str, object]:
    facts = {"run_id": "r1", "job_name": "day", "step_key": None, "job_tags": {}, "dagster_event": None}
    return facts | {"orig_message": message} | more


def test_a_line_of_a_run_says_of_which_and_does_not_repeat_it() -> None:
    event = SimpleNamespace(event_type_value="STEP_SUCCESS", event_specific_data=None)
    facts = _facts("it ran", dagster_event=event, job_tags={"dagster/partition": "2026-06-01", "other": "x"})
    assert _line(msg="day - r1 - STEP_SUCCESS - it ran", dagster_meta=facts) == {
        "dagster_event": "STEP_SUCCESS", "event": "it ran", "job": "day", "level": "warning", "logger": "a.b",
        "partition": "2026-06-01", "run_id": "r1",
    }  # fmt: skip


@pytest.mark.parametrize("message", ["", "day", "r"])
def test_a_message_that_is_empty_or_in_the_name_of_its_run_is_a_line_too(message: str) -> None:
    line = _line(msg=f"day - r1 - {message}", dagster_meta=_facts(message))
    assert line == {"event": message, "job": "day", "level": "warning", "logger": "a.b", "run_id": "r1"}


def test_a_line_of_a_range_says_its_days_and_a_failure_what_dagster_caught() -> None:
    tags = {RANGE_START_TAG: "2026-06-01", RANGE_END_TAG: "2026-06-30"}
    line = _line(msg="day - r1 - it ran", dagster_meta=_facts("it ran", job_tags=tags))
    assert (line["partition_first"], line["partition_last"]) == ("2026-06-01", "2026-06-30")
    caught = SimpleNamespace(error=SimpleNamespace(to_string=lambda: "StepError: why\nStack Trace: where"))
    event = SimpleNamespace(event_type_value="STEP_FAILURE", event_specific_data=caught)
    line = _line(msg="day - r1 - failed\n\nStepError", dagster_meta=_facts("failed", dagster_event=event))
    assert (line["event"], line["exception"]) == ("failed", "StepError: why\nStack Trace: where")


def test_a_process_logs_json_once_asked_and_only_warnings(root: logging.Logger, capsys) -> None:
    assert not logs_json()
    for _ in range(2):
        log_as_json()
    assert logs_json()
    assert sum(isinstance(handler, JsonHandler) for handler in root.handlers) == 1
    logging.getLogger("mlife_assets.some").info("not said")
    logging.getLogger("mlife_assets.some").warning("said")
    logging.getLogger().warning("said by nobody in particular")
    logging.getLogger("of_a_run").warning("said by a run", extra={"dagster_meta": _facts("said by a run")})
    own = logging.getLogger("a_library")
    own.addHandler(logging.NullHandler())
    logging.getLogger("a_library.part").warning("said by one without a handler that writes")
    own.addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("a_library.part").warning("said by one with a handler")
    own.handlers.clear()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [("said", "mlife_assets.some"), ("said by nobody in particular", "root")]
    said += [("said by one without a handler that writes", "a_library.part")]
    assert [(line["event"], line["logger"]) for line in lines] == said


def test_a_parser_reads_what_the_gauges_say() -> None:
    families = list(text_string_to_metric_families(prometheus_text(GAUGES)))
    assert [(one.name, one.documentation, one.type) for one in families] == [
        (one.name, one.says, "gauge") for one in GAUGES
    ]
    found = [tuple((sample.labels, sample.value) for sample in one.samples) for one in families]
    assert found == [one.values for one in GAUGES]
