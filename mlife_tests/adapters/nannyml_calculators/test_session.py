"""NannyML says nothing to anyone: no connection, no warning, no log, and it is imported only where used."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from mlife_assets.adapters.nannyml_calculators import session

OFFLINE = """
import os, socket, sys
class Refusing(socket.socket):
    def connect(self, *args):
        os.write(2, b"a connection was opened")
        os._exit(3)
    connect_ex = sendto = connect
def refuse(*args, **kwargs):
    Refusing().connect()
socket.socket, socket.create_connection, socket.getaddrinfo = Refusing, refuse, refuse
import mlife_assets.adapters.nannyml_calculators as calculators
from mlife_assets.adapters.nannyml_calculators.session import quiet_nannyml
assert "nannyml" not in sys.modules, "imported before it was used"
import pandas as pd
with quiet_nannyml() as nml:
    frame = pd.DataFrame({"x": [float(k % 7) for k in range(200)]})
    nml.UnivariateDriftCalculator(column_names=["x"], chunk_number=1).fit(frame).calculate(frame)
"""


def test_nothing_is_sent_and_the_import_waits_for_use(repository: Path) -> None:
    # Binding to ::1 is allowed: urllib3 probes IPv6 so when it is imported, and nothing leaves the machine.
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=repository,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_noise_is_silenced_locally_and_restored(caplog) -> None:
    logger = logging.getLogger("nannyml")
    before = logger.level
    with session.quiet_nannyml():
        logging.getLogger("nannyml.thresholds").warning("inside")
    assert logger.level == before
    logging.getLogger("nannyml.thresholds").warning("outside")
    assert [record.message for record in caplog.records] == ["outside"]


def test_fitted_calculators_are_kept_by_content_and_bounded(reference, world) -> None:
    session.forget_fitted()
    calls: list[str] = []

    def fit() -> str:
        calls.append("fit")
        return "fitted"

    assert session.cached(reference, "a", fit) == session.cached(reference, "a", fit) == "fitted"
    assert len(calls) == 1
    session.cached(reference, "b", fit)
    assert len(calls) == 2
    for kind in range(session.CACHED_FITS):
        session.cached(reference, kind, fit)
    session.cached(reference, "a", fit)
    assert len(calls) == 3 + session.CACHED_FITS
    session.forget_fitted()


def test_text_has_no_missing_values_in_a_frame(reference, world, pairs_world) -> None:
    day = world.day(25)
    metro = [None, *day["metro_code"].to_pylist()[1:]]
    result = session.frame(reference, pairs_world.replaced(day, metro_code=metro), ["metro_code", "openings"])
    assert result["metro_code"].iloc[0] == "missing"
    assert str(result["openings"].dtype) == "float64"
