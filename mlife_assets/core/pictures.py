"""A figure as a picture that is small enough to sit inside metadata or a page.

Concept: matplotlib's own canvas without its global state, and few colours; the same figure gives the same bytes.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = 32


def palette_png(figure: Figure, colours: int = COLOURS) -> bytes:
    """Return a figure as a PNG of few colours; colour scales need more."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    size = canvas.get_width_height()
    image = Image.frombytes("RGBA", size, bytes(canvas.buffer_rgba())).convert("RGB")
    target = io.BytesIO()
    image.quantize(colours, dither=Image.Dither.NONE).save(target, format="PNG", optimize=True)
    return target.getvalue()


def data_uri(png: bytes) -> str:
    """Return a data URI of a PNG."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
