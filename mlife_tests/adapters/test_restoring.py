"""What says that a restore has not ended: there from its beginning to its end, with the command that ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.adapters.restoring import begin_restore, end_restore, require_restored, unfinished_restore
from mlife_assets.core.errors import GateClosedError


def test_a_restore_is_unfinished_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    private = tmp_path / "private"
    assert unfinished_restore(private) is None
    require_restored(private)
    for _ in range(2):
        begin_restore(private, Path("/mnt/a b"))
        with pytest.raises(GateClosedError, match="run it again: mlife backup restore --from '/mnt/a b'"):
            require_restored(private)
    end_restore(private)
    end_restore(private)
    require_restored(private)
