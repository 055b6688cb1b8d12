"""What people wait for: costs are those of processes that ran, and a missed goal is told by the exit code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest


def test_a_process_is_measured_with_its_children(bench: ModuleType, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(bench, "WORK", tmp_path)
    spin = "import time\nwhile time.process_time() < .2: pass"
    code = f"import os, subprocess, sys\nassert os.environ['MLIFE_HOME'] == {str(tmp_path)!r}\n"
    cost = bench.run(tmp_path, tmp_path, code + f"subprocess.run([sys.executable, '-c', {spin!r}], check=True)")
    assert cost["cpu_seconds"] >= 0.2
    assert cost["peak_megabytes"] > 5
    with pytest.raises(SystemExit, match="ended with 4"):
        bench.run(tmp_path, tmp_path, "raise SystemExit(4)")


def test_memory_is_summed_over_processes_and_a_shared_page_counts_once(
    bench: ModuleType, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(bench, "WORK", tmp_path)
    monkeypatch.setattr(bench, "SAMPLED_EVERY_SECONDS", 0.05)
    forked = "import os, time; shared = b'1' * 100_000_000; os.fork(); own = b'2' * 50_000_000; time.sleep(1)"
    with bench.memory_of_children() as peaks:
        bench.run(tmp_path, tmp_path, forked)
    assert 190 < peaks["peak_megabytes"] < 240
    assert peaks["resident_megabytes"] > peaks["peak_megabytes"] + 90


def test_a_missed_goal_is_told_by_the_exit_code(bench: ModuleType, tmp_path: Path, monkeypatch, capsys) -> None:
    def costs(after: float) -> tuple[dict, dict]:
        before = {"cpu_seconds": 4.0, "wall_seconds": 5.0, "peak_megabytes": 100.0}
        return {"status": {"before": before, "after": before | {"cpu_seconds": after}}}, {"before": "a", "after": "b"}

    path = tmp_path / "record.json"
    monkeypatch.setattr("sys.argv", ["waiting", "--before", "a", "--json", str(path)])
    for after, code in ((1.0, 0), (1.5, 1)):
        monkeypatch.setattr(bench, "measured_rows", lambda *_, after=after: costs(after))
        assert bench.main() == code
        path.write_text(path.read_text().replace("status", "kept") if code == 0 else path.read_text())
    rows = json.loads(path.read_text())["rows"]
    assert (rows["kept"]["ratio"], rows["status"]["ratio"]) == (0.25, 0.375)
    assert "goal 1 MISSED" in capsys.readouterr().out


def test_rows_of_a_commit_are_kept_and_those_of_files_that_differ_are_measured_again(
    bench: ModuleType, tmp_path: Path, monkeypatch
) -> None:
    command = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(command, cwd=bench.ROOT, capture_output=True, text=True, check=True).stdout.strip()
    home = tmp_path / f"home-{commit}"
    home.mkdir()
    (home / "summary.json").touch()
    (tmp_path / f"checkout-{commit}").mkdir()
    measured: list[Path] = []

    def status(checkout: Path) -> dict[str, float]:
        measured.append(checkout)
        return {"cpu_seconds": len(measured)}

    monkeypatch.setattr(bench, "WORK", tmp_path)
    monkeypatch.setattr(bench, "rows", lambda _: {"status": status})
    for present, seconds in ((commit[::-1], 2), (commit[::-1], 2), (f"{commit}-dirty", 3), (f"{commit}-dirty", 4)):
        monkeypatch.setattr(bench, "checked_out", lambda present=present: present)
        rows, commits = bench.measured_rows(["status"], "HEAD")
        assert rows["status"] == {"before": {"cpu_seconds": 1}, "after": {"cpu_seconds": seconds}}
        assert commits == {"before": commit, "after": present}


def test_the_backtest_has_the_flights_of_a_few_carriers(bench: ModuleType, tmp_path: Path) -> None:
    spec = json.loads(bench.spec_of_a_backtest(tmp_path).read_text())
    assert spec["where"].endswith("and carrier in ('WN', 'FL', 'YV', 'OO')")
