"""Pictures: few colours, few bytes, the same again."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mlife_assets.core.pictures import COLOURS, data_uri, palette_png


def figure() -> Figure:
    made = Figure(figsize=(3, 2), dpi=50)
    made.add_subplot().imshow(np.arange(10_000).reshape(100, 100), cmap="viridis")
    return made


@pytest.mark.parametrize("colours", [COLOURS, 96])
def test_a_picture_has_so_many_colours_and_the_same_bytes_again(colours: int) -> None:
    png = palette_png(figure(), colours)
    image = Image.open(io.BytesIO(png))
    assert image.mode == "P"
    assert image.size == (150, 100)
    assert colours // 2 < len(image.getcolors()) <= colours
    assert palette_png(figure(), colours) == png


def test_a_data_uri_holds_the_picture() -> None:
    head, _, body = data_uri(b"\x89PNG bytes").partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == b"\x89PNG bytes"
