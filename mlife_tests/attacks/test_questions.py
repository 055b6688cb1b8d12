"""A question in SQL acts on nothing before it is refused, and ends in its time and memory whatever it calls.

The attacks of the list (one value of 3 GB, a statement that DuckDB carries out while it parses it) and ways that it
does not name: a function that hears of no interruption, an answer of gigabytes, a folder to import, an asker who dies.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import psutil
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import SqlSession
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import InvalidInputError, TransientError

HUGE = "select length(repeat('x', 3000000000)) as n"
DEAF = "select levenshtein(repeat('a', 400000), repeat('b', 400000)) as n"
"""One call of minutes, which no interruption reaches."""
WIDE = "select repeat('x', 100000) as a from range(3000)"


@pytest.fixture
def session(tmp_path: Path) -> SqlSession:
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema marts; create table marts.kpi_daily as select 1 as n")
    lake = ObstoreObjectStore.local(tmp_path / "lake")
    return SqlSession(DuckDBWarehouse(tmp_path / "warehouse.duckdb"), lake, {"MLIFE_LAKE_ROOT": str(tmp_path / "lake")})


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "sql_session" in " ".join(one.cmdline())]


@pytest.mark.parametrize(
    ("text", "said"), [(HUGE, "more than the 2GB of memory"), (DEAF, "stopped after 1 s")], ids=["huge", "deaf"]
)
def test_a_question_ends_in_its_time_and_memory_and_lets_go_of_the_warehouse(
    session: SqlSession, tmp_path: Path, text: str, said: str
) -> None:
    began = time.monotonic()
    with pytest.raises(TransientError, match=said):
        session.ask(text, seconds=1)
    assert time.monotonic() - began < 15, "on an idle machine 2 s"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2.5e6, "kilobytes"
    assert not children()
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create table marts.more as select 1")


def test_an_answer_that_nobody_can_hold_is_refused(session: SqlSession) -> None:
    with pytest.raises(InvalidInputError, match=r"the answer is of \d{3},\d{3},\d{3} bytes; ask for fewer rows"):
        session.ask(WIDE, rows=3_000)


class Heard(BaseHTTPRequestHandler):
    """Notes what is asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET  # noqa: N815  as http.server calls it

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("text", ["import database '{url}/db'", "explain import database '{url}/db'"])
def test_nothing_is_fetched_while_a_text_is_parsed(session: SqlSession, text: str) -> None:
    Heard.asked = []
    server = HTTPServer(("127.0.0.1", 0), Heard)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(InvalidInputError, match=r"Permission Error|Parser Error"):
            session.ask(text.format(url=f"http://127.0.0.1:{server.server_port}"))
        assert not Heard.asked
    finally:
        server.shutdown()
        server.server_close()


def test_no_folder_is_read_while_a_text_is_parsed(session: SqlSession, tmp_path: Path) -> None:
    """What is in it would be run in the question's place."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "schema.sql").write_text("select 'what is in the file'")
    (tmp_path / "dump" / "load.sql").write_text("")
    with pytest.raises(InvalidInputError, match="Permission Error"):
        session.ask(f"import database '{tmp_path}/dump'")


def test_a_question_outlives_its_asker_by_seconds(tmp_path: Path, session: SqlSession) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from mlife_assets.adapters.object_store import ObstoreObjectStore\n"
        "from mlife_assets.adapters.sql_session import SqlSession\n"
        "from mlife_assets.adapters.warehouse import DuckDBWarehouse\n"
        "home = Path(sys.argv[1])\n"
        "lake = ObstoreObjectStore.local(home / 'lake')\n"
        "warehouse = DuckDBWarehouse(home / 'warehouse.duckdb')\n"
        "SqlSession(warehouse, lake, {'MLIFE_LAKE_ROOT': str(home / 'lake')}).ask(sys.argv[2], seconds=1)\n"
    )
    asker = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), DEAF])
    try:
        deadline = time.monotonic() + 60
        while not (found := psutil.Process(asker.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        asker.send_signal(signal.SIGKILL)
        asker.wait()
    _, alive = psutil.wait_procs(found, timeout=60)
    for one in alive:
        one.kill()
    assert not alive
