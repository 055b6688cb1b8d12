"""Kinds of events are told apart by shape, not by colour alone."""

from __future__ import annotations

import re
from typing import get_args

from mlife_assets.core.pages.charts.signs import GLYPHS, MARKER_NAMES, glyph
from mlife_assets.core.pages.charts.values import MarkerKind


def test_glyphs_differ_in_shape_and_each_has_a_name() -> None:
    kinds = get_args(MarkerKind)
    assert set(GLYPHS) == set(MARKER_NAMES) == set(kinds)
    assert len({re.sub("m-[a-z]+", "", glyph(kind)) for kind in kinds}) == len(kinds)
