"""SQL of somebody else, a question or a spec: it reads nothing else, and ends in its time and memory whatever it calls.

The attacks of the list (one value of 3 GB, a statement that DuckDB carries out while it parses it) and ways that it
does not name: a function that hears of no interruption, an answer of gigabytes, a folder to import, an asker who dies.
"""

from __future__ import annotations

import gzip
import json
import resource
import signal
import subprocess
import sys
import threading
import time
import zipfile
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.example_files import read_examples
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import SqlSession
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import InvalidInputError, TransientError
from mlife_assets.core.policies import ExampleFilePolicy
from mlife_assets.core.study import Study

HUGE = "select length(repeat('x', 3000000000)) as n"
DEAF = "select levenshtein(repeat('a', 400000), repeat('b', 400000)) as n"
"""One call of minutes, which no interruption reaches."""
WIDE = "select repeat('x', 100000) as a from range(3000)"
ROWS = pa.table(
    {
        "who": [1, 2],
        "day": pa.array([date(2026, 1, 1), date(2026, 1, 2)]),
        "amount": pa.array([5.0, 7.0]),
        "won": [False, True],
    }
)
SECRET = "the password of another system"


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


def study(stolen: str, **parts: object) -> Study:
    roles = {"entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["amount"]}
    derive = {"known": "day + 2", "stolen": stolen}
    return Study.from_json(json.dumps({"roles": {**roles, "categoricals": ["stolen"]}, "derive": derive, **parts}))


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "other.csv").write_text("a\n1\n")
    pq.write_table(ROWS, tmp_path / "it's rows.parquet")
    return tmp_path / "it's rows.parquet"


def outward(folder: Path) -> list[str]:
    return [
        f"(select content from read_text('{folder}/secret.txt'))",
        f"(select content::varchar from read_blob('{folder}/secret.txt'))",
        f"(select max(a) from read_csv('{folder}/other.csv'))", f"(select max(a) from '{folder}/other.csv')",
        f"(select max(file) from glob('{folder}/*'))", "(select max(content) from read_text('/proc/self/environ'))",
        "(select max(content) from read_text('https://evil.example/x'))",
        "(select max(secret_string) from duckdb_secrets())", "getenv('HOME')", "(select max(a) from SECRET_FRAME)",
        f"1); copy (select 1) to '{folder}/written.csv'; select (1", f"1); attach '{folder}/written.db'; select (1",
        "1); install httpfs; select (1", "1); set lock_configuration = false; select (1",
    ]  # fmt: skip


@pytest.mark.parametrize("place", range(14))
def test_no_sql_of_a_spec_reaches_beyond_the_examples(examples: Path, place: int) -> None:
    SECRET_FRAME = pa.table({"a": [SECRET]})  # noqa: N806, F841  a variable that SQL could find by its name
    before = sorted(examples.parent.iterdir())
    for where in ("derive", "where", "human"):
        sql = outward(examples.parent)[place]
        parts: dict[str, object] = {
            "derive": {},
            "where": {"where": f"({sql}) is not null"},
            "human": {"human": {"name": "rule", "score": f"length({sql})"}},
        }[where]
        spec = study(sql if where == "derive" else "'x'", **parts)
        with pytest.raises(InvalidInputError) as refused:
            read_examples(examples, spec)
        assert SECRET not in str(refused.value)
    assert sorted(examples.parent.iterdir()) == before


def test_the_examples_themselves_are_read_whatever_they_are_called(examples: Path) -> None:
    assert read_examples(examples, study("'x'")).num_rows == 2


def test_sql_that_never_ends_takes_all_memory_or_grows_its_rows_is_ended(examples: Path) -> None:
    endless = "(select count(*)::varchar from range(10000000) a, range(10000000) b where a.range * b.range = 7)"
    with pytest.raises(InvalidInputError, match="more than 1 seconds"):
        read_examples(examples, study(endless), ExampleFilePolicy(seconds=1))
    greedy = "(select length(list(range))::varchar from range(200000000))"
    with pytest.raises(InvalidInputError, match="Out of Memory"):
        read_examples(examples, study(greedy), ExampleFilePolicy(memory_bytes=2**26))
    with pytest.raises(InvalidInputError, match="do not fit into memory"):
        read_examples(examples, study("repeat('x', 1000000)"), ExampleFilePolicy(maximum_bytes=100_000))


def bomb(path: Path, *, megabytes: int) -> Path:
    line = b"1,2026-01-01,5,true\n" * 50_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("rows.csv", "w") as file:
        file.write(b"who,day,amount,won\n")
        for _ in range(megabytes):
            file.write(line)
    return path


def test_an_archive_that_unpacks_to_no_end_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=80)
    with pytest.raises(InvalidInputError, match="unpacks to more"):
        read_examples(path, study("'x'"))


def test_an_archive_that_lies_about_its_size_or_is_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=2)
    size = (19 + 2 * 50_000 * 20).to_bytes(4, "little")
    data = path.read_bytes()
    assert size in data
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(InvalidInputError):
        read_examples(path, study("'x'"), ExampleFilePolicy(maximum_bytes=1_000_000))
    path = bomb(tmp_path / "rows.csv.zip", megabytes=2)
    with pytest.raises(InvalidInputError, match="unpacks to more"):
        read_examples(path, study("'x'"), ExampleFilePolicy(maximum_bytes=1_000_000))
    assert read_examples(path, study("'x'")).num_rows == 100_000


def test_packed_text_that_expands_is_bounded_as_well(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"who,day,amount,won\n" + b"1,2026-01-01,5,true\n" * 200_000))
    with pytest.raises(InvalidInputError, match="do not fit into memory"):
        read_examples(path, study("'x'"), ExampleFilePolicy(maximum_bytes=1_000_000))


def test_an_archive_with_a_password_is_reported(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=1)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match="cannot be unpacked"):
        read_examples(path, study("'x'"))
