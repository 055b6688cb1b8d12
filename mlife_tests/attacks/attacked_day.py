"""A day of a small home, lived in processes of their own that are killed or whose disk fills up.

Run as a script it imports the platform once, then reads one order a line (JSON) and answers each with one line. Every
order is done in a process forked for it, so that a death costs no import. What a day does to the outside is counted as
*effects*, each known by its stage, its kind and its number among those: a store's put, a commit, a statement of dbt, a
file written, renamed or removed, a call of the provider. An attack names one effect; just before it the process kills
itself by SIGKILL, or fills its disk and goes on. A clock's kill comes from outside, after some seconds.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

USERS, JOBS = 1_000, 160
DAY_NUMBER = 2
"""The second lived day: the first brought texts, receipts and drift, so this one retrains and promotes."""
ORPHAN_SECONDS = 10.0
BALLAST_BLOCK = 1 << 20
STAGES = ("landing", "dbt", "deciding", "sending", "training", "promotion")
STAGE_OF_STEP = {
    "events__market_events": "landing", "events__rejected_events": "landing", "feature_tables": "dbt",
    "messages__message_deliveries": "sending", "messages__inbound_messages": "sending",
    "model__champion_model": "promotion", "model__monitoring_reference": "promotion",
}  # fmt: skip
"""Other steps of the model train; all others decide."""


def attacked_date() -> date:
    from mlife_assets.core.windows import FIRST_EVENT_DAY, add_days

    return add_days(FIRST_EVENT_DAY, lived_world().HISTORY_DAYS + DAY_NUMBER - 1)


def lived_world() -> ModuleType:
    """Return the module `lived_world` (loaded by path: tests are no package)."""
    name = "mlife_lived_world"
    if name not in sys.modules:
        path = Path(__file__).resolve().parents[1] / "lived_world.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def open_home(folder: Path) -> Any:
    """Return the small home, with a gate that opens for few people; a failed retraining is tried again at once.

    The attacked day's challenger is a refit of the first champion, so it is promoted.
    """
    world = lived_world()
    known = world.POLICIES
    policies = replace(
        known,
        training=replace(known.training, formulations=("funnel",)),
        promotion=replace(known.promotion, win_alpha_per_year=0.2, gates_per_year=2),
        retrain=replace(
            known.retrain, retry_wait_minutes=(0, 0, 0), minimum_importance_share=0.0, days_between_fits=366,
            days_between_fits_in_drift=1,
        ),
    )  # fmt: skip
    return world.open_home(folder, policies, users=USERS, jobs=JOBS)


@contextlib.contextmanager
def story_of(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Open a home and the story that lives in it."""
    from mlife_assets.components.running.demo_summary import Demo

    home = open_home(folder)
    with home.instance() as instance:
        yield home, Demo(home.definitions, instance, home.platform)
    home.platform.ledger.close()
    home.platform.home.messengers.texts.close()


def make(folder: Path) -> None:
    """Live history and the days before the attacked one; the first champion is promoted by hand."""
    from mlife_assets.components.graph import keys
    from mlife_assets.components.running.demo_summary import prepare_home
    from mlife_assets.core.windows import add_days

    prepare_home(folder)
    with story_of(folder) as (home, story):
        story.run_history()
        eve = add_days(home.settings.days.first_lived_date, -1)
        story.driver.run_day("retraining_job", eve).require_success()
        registry = home.platform.of_model().registry
        version, now = registry.versions()[-1]["model_version"], home.platform.of_model().retraining_time(eve)
        registry.promote(version, actor="operator", reason="the first model", now=now)
    home.run_assets(eve, keys.MONITORING_REFERENCE)
    with story_of(folder) as (home, story):
        for number in range(1, DAY_NUMBER):
            story.run_day(number, home.day(number))


def live(folder: Path, effects: Effects) -> None:
    """Live the attacked day, as `mlife day --no-metrics` does: the daily job, then the sensors."""
    with story_of(folder) as (home, story), effects.watched():
        story.run_day(DAY_NUMBER, home.day(DAY_NUMBER))


def verify(folder: Path) -> None:
    """Run `mlife log verify` on a home."""
    from mlife_assets.cli import main

    sizes = {"MLIFE_MARKET_USERS": str(USERS), "MLIFE_MARKET_JOBS": str(JOBS)}
    os.environ |= {"MLIFE_HASH_KEY": lived_world().HASH_KEY, **sizes}
    sys.argv = ["mlife", "log", "verify", "--home", str(folder)]
    main()


class Effects:
    """Counts what a process does to the outside, and attacks it at one effect.

    Args:
        home: the folder whose files count.
        attack: `stage`, `kind` and `number` of the attacked effect, and `how` (`kill` or `fill`); None only counts.
        record: where to write `[stage, kind]` of every effect in the end, and the children at a kill.
        ballast: the file that fills the disk; without one, no file may grow any more.
    """

    def __init__(self, home: Path, attack: dict[str, Any] | None, record: Path | None, ballast: str | None) -> None:
        self._home, self._attack, self._record, self._ballast = str(home), attack, record, ballast
        self._place = attack and (attack["stage"], attack["kind"], attack["number"])
        self._lock, self._is_inside = threading.RLock(), False
        self.stage, self.seen, self.numbers = "landing", list[tuple[str, str]](), Counter[tuple[str, str]]()

    def effect(self, kind: str) -> None:
        """Count an effect that is about to happen."""
        with self._lock:
            if self._is_inside:
                return
            self._is_inside = True
            try:
                number = self.numbers[self.stage, kind]
                self.numbers[self.stage, kind] += 1
                self.seen.append((self.stage, kind))
                if self._attack and self._place == (self.stage, kind, number):
                    self._strike(kind)
            finally:
                self._is_inside = False

    def _strike(self, kind: str) -> None:
        self._write({"struck": kind, "children": children_of(os.getpid())})
        if self._attack["how"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        fill_disk(self._ballast)

    def _write(self, answer: dict[str, Any]) -> None:
        if self._record is not None:
            self._record.write_text(json.dumps(answer))

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Count from here on. The process is not fit for anything else afterwards."""
        import dagster as dg
        import obstore
        import sqlalchemy as sa
        from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper

        from mlife_assets.adapters.console_gateway import ConsoleGateway

        before(obstore, "put", lambda _, key, *__, **___: self.effect(f"put {kind_of(key)}"))
        before(DuckDBCursorWrapper, "execute", lambda *_, **__: self.effect("statement of dbt"))
        before(ConsoleGateway, "send", lambda *_, **__: self.effect("provider called"))
        after(ConsoleGateway, "send", lambda: self.effect("provider answered"))
        before(dg.DagsterInstance, "handle_new_event", lambda _, event, **__: self._follow(event))
        sa.event.listen(sa.Engine, "commit", lambda connection: self.effect(f"commit {database_of(connection)}"))
        sys.addaudithook(self._audit)
        yield
        self._write({"effects": self.seen})

    def _follow(self, entry: Any) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type_value == "STEP_START":
            model = "training" if event.step_key.startswith("model__") else "deciding"
            self.stage = STAGE_OF_STEP.get(event.step_key, model)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in {"open", "os.rename", "os.link", "os.remove", "os.truncate"}:
            return
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path).startswith(self._home):
            return
        if event == "open":
            mode, flags = arguments[1] or "", arguments[2] or 0
            if not set(mode) & set("wax+") and not flags & (os.O_WRONLY | os.O_RDWR):
                return
        top = os.fsdecode(path)[len(self._home) :].strip("/").partition("/")[0]
        self.effect(f"{event.removeprefix('os.')} {top}")


def database_of(connection: Any) -> str:
    path = Path(connection.engine.url.database or "")
    return "of Dagster" if "dagster" in path.parts else path.name


def kind_of(key: str) -> str:
    """Return what a key of a store is about: its folder, for events their type; `landing` for a landing file."""
    parts = key.split("/")
    if parts[-1] == "export.parquet":
        return "landing"
    return "/".join(parts[:2]) if parts[0] in {"events", "tables", "reports"} else parts[0]


def before(owner: Any, name: str, told: Callable[..., None]) -> None:
    """Replace a callable of a module or class by one that first tells of the call."""
    original = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        told(*arguments, **named)
        return original(*arguments, **named)

    setattr(owner, name, call)


def after(owner: Any, name: str, told: Callable[[], None]) -> None:
    """Replace a callable by one that tells when it has ended, however it did."""
    original = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        finally:
            told()

    setattr(owner, name, call)


def fill_disk(ballast: str | None) -> None:
    """Leave no byte on the disk of `ballast`; without one, let no file of this process grow."""
    if ballast is None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return
    with open(ballast, "wb", buffering=0) as file:
        block = BALLAST_BLOCK
        while block:
            try:
                file.write(b"\0" * block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block //= 2


def children_of(pid: int) -> list[tuple[int, float]]:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return [(child.pid, child.create_time()) for child in psutil.Process(pid).children(recursive=True)]
    return []


def orphans(children: list[tuple[int, float]]) -> int:
    """Return how many of a dead process's children live on after a while; they are ended then."""
    import psutil

    left = []
    for pid, started in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == started and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
    _, alive = psutil.wait_procs(left, timeout=ORPHAN_SECONDS)
    for process in alive:
        process.kill()
    return len(alive)


def forked(work: Callable[[], object], log: Path) -> int:
    """Start some work in a forked process, in a session of its own, and return its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((0, null), (1, stream), (2, stream)):
            os.dup2(target, number)
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  a fork must not go on with what its parent does
        with contextlib.suppress(OSError):
            traceback.print_exc()
    os._exit(code)


def waited(pid: int, kill_after: float | None) -> tuple[int, float, list[tuple[int, float]]]:
    """Wait for a process, killing it after some seconds; return how it ended, its CPU seconds, its children then."""
    children: list[tuple[int, float]] = []
    if kill_after is not None:
        handle = os.pidfd_open(pid)
        if not select.select([handle], [], [], kill_after)[0]:
            children = children_of(pid)
            os.kill(pid, signal.SIGKILL)
        os.close(handle)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, children


def answered(order: dict[str, Any]) -> dict[str, Any]:
    """Do one order in one or more processes at once; return how they ended, CPU seconds, orphans, the log's end."""
    folder, work = Path(order["home"]), order["do"]
    log, record = Path(order["log"]), order.get("record")
    log.unlink(missing_ok=True)

    def do() -> None:
        if work == "make":
            make(folder)
        elif work == "verify":
            verify(folder)
        else:
            live(folder, Effects(folder, order.get("attack"), Path(record) if record else None, order.get("ballast")))

    started = time.monotonic()
    pids = [forked(do, log) for _ in range(order.get("processes", 1))]
    ends, cpu, children = [], 0.0, []
    for pid in pids:
        end, seconds, found = waited(pid, order.get("kill_after"))
        ends.append(end)
        cpu += seconds
        children += found
    if record and Path(record).exists():
        children += [tuple(one) for one in json.loads(Path(record).read_text()).get("children", ())]
    return {
        "ends": ends, "seconds": round(time.monotonic() - started, 2), "cpu": round(cpu, 2),
        "orphans": orphans(children), "log": log.read_text(errors="replace")[-4_000:] if log.exists() else "",
    }  # fmt: skip


def warm_up() -> None:
    """Import what a day imports, so that a forked process need not."""
    import dagster_dbt  # noqa: F401
    import dbt.adapters.duckdb.connections
    import dbt.cli.main
    import dbt.task.build  # noqa: F401
    import duckdb  # noqa: F401
    import lightgbm  # noqa: F401
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401
    import scipy.stats  # noqa: F401
    import shap  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    from dbt.contracts.graph.manifest import Manifest  # noqa: F401

    from mlife_assets.adapters.nannyml_calculators.engine import quiet_nannyml

    with quiet_nannyml():
        lived_world()


if __name__ == "__main__":
    warm_up()
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line))), flush=True)
