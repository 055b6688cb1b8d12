"""Verification from the command line: intact is 0, one flipped byte is 1 and names the file."""

from __future__ import annotations

import shutil
from datetime import timedelta

from mlife_assets.core.windows import run_time


def test_an_intact_log_is_exit_code_0(run, run_json, lived_home):
    document = run_json("log", "verify", "--home", lived_home.path)
    assert document["is_intact"]
    assert document["findings"] == []
    assert document["files"] > 10
    result = run("log", "verify", "--home", lived_home.path)
    assert result.exit_code == 0
    assert result.stdout.startswith("intact: ")
    assert result.stderr == ""


def test_one_flipped_byte_names_the_file(run, run_json, home):
    path = sorted((home.path / "lake" / "events").rglob("*.parquet"))[3]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    key = path.relative_to(home.path / "lake").as_posix()
    result = run("log", "verify", "--home", home.path)
    assert result.exit_code == 1
    assert f"altered_file  {key}" in result.stdout
    assert "1 finding: " in result.stdout
    document = run_json("log", "verify", "--home", home.path, code=1)
    assert [(one["kind"], one["key"]) for one in document["findings"]] == [("altered_file", key)]


def test_a_witness_shows_an_end_that_was_cut_off(run, home, tmp_path):
    later = run_time(home.newest_day) + timedelta(days=1)
    home.add("sending_paused", {"actor": "a", "reason": "r"}, later)
    witness = tmp_path / "witness.json"
    witness.write_text(run("log", "verify", "--home", home.path, "--json").stdout)
    manifest = sorted((home.path / "lake" / "manifests").rglob("*.json"))[-1]
    manifest.unlink()
    shutil.rmtree(home.path / "lake" / "events" / "event_type=sending_paused")
    assert run("log", "verify", "--home", home.path).exit_code == 0
    result = run("log", "verify", "--witness", witness, "--home", home.path)
    assert result.exit_code == 1
    assert f"missing_manifest  {manifest.relative_to(home.path / 'lake').as_posix()}" in result.stdout


def test_a_witness_that_is_none_is_refused(run, lived_home, tmp_path):
    for content in (b"{}", b"no json", b'{"heads": [1]}'):
        (tmp_path / "witness.json").write_bytes(content)
        result = run("log", "verify", "--witness", tmp_path / "witness.json", "--home", lived_home.path)
        assert result.exit_code == 1
        assert "mlife log verify --json" in result.stderr


def test_a_key_is_rotated_and_the_old_heads_stay_valid(run, run_json, home):
    document = run_json("log", "rotate-key", "--reason", "yearly", "--home", home.path)
    assert document["sequence"] == 1
    home.add("sending_paused", {"actor": "a", "reason": "r"}, run_time(home.newest_day) + timedelta(days=1))
    assert run("messages", "pause", "--reason", "signed by the new key", "--home", home.path).exit_code == 0
    document = run_json("log", "verify", "--home", home.path)
    assert (document["findings"], document["signed_head"]["sequence"]) == ([], 2)


def test_a_signed_log_has_nothing_to_adopt(run, home):
    result = run("log", "adopt", "--reason", "again", "--home", home.path)
    assert result.exit_code == 1
    assert "signed already" in result.stderr
