"""Keys derive from the seed in the embedded world and are random, kept and refused when damaged elsewhere."""

from __future__ import annotations

from pathlib import Path
from stat import S_IMODE

import pytest

from mlife_assets.adapters.keyring import KEY_BYTES, Keyring, SecretKeyring
from mlife_assets.core.errors import GateClosedError, InvalidInputError


def test_the_same_seed_gives_the_same_keys_and_leaves_no_file(tmp_path: Path) -> None:
    one, same, other = Keyring(tmp_path, seed=1), Keyring(tmp_path, seed=1), Keyring(tmp_path, seed=2)
    assert one.key("numbers") == same.key("numbers") != other.key("numbers")
    assert one.key("numbers") != one.key("links")
    assert len(one.key("links")) == 32
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_a_key_is_random_per_home_and_kept(tmp_path: Path) -> None:
    key = Keyring(tmp_path / "a").key("numbers")
    assert Keyring(tmp_path / "a").key("numbers") == key
    assert Keyring(tmp_path / "b").key("numbers") != key
    assert Keyring(tmp_path / "a").key("links") != key
    assert S_IMODE((tmp_path / "a" / "numbers.key").stat().st_mode) == 0o600


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


@pytest.mark.parametrize("name", ["", "../numbers", "Numbers", "a/b"])
def test_a_name_is_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="key name"):
        Keyring(tmp_path).key(name)
