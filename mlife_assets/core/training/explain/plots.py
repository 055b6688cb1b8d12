"""Plots of SHAP values: importance, the swarm of all features, the dependence on one.

Belongs here: pictures, the same bytes from the same values. Does not belong here: words (`reasons`).

Concept: drawn with matplotlib's own canvas, without its global state and without randomness, in few colours, so that a
picture is small enough to sit inline in metadata.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.inference.feature_spec import Array, FeatureSpec
from mlife_assets.core.training.explain.reasons import WORDS, global_importance

BARS_MAXIMUM = 20
COLOURS = 32
SWARMS_MAXIMUM = 12
SWARM_BINS = 100
CATEGORIES_MAXIMUM = 20


def plot_importance(importance: Mapping[str, float]) -> bytes:
    """Return a PNG of mean |SHAP| per feature."""
    from matplotlib.figure import Figure

    shown = list(importance.items())[:BARS_MAXIMUM][::-1]
    figure = Figure(figsize=(6.4, 1.0 + 0.24 * len(shown)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(shown)), [value for _, value in shown], color="#3566a8")
    axes.set_yticks(range(len(shown)), [WORDS.get(name, name.replace("_", " ")) for name, _ in shown], fontsize=8)
    axes.set_xlabel("mean |SHAP|, in the unit of the score")
    axes.spines[["top", "right"]].set_visible(False)
    return palette_png(figure)


def plot_beeswarm(contributions: Array, matrix: Array, spec: FeatureSpec) -> bytes:
    """Return a PNG of the SHAP value of each of n rows per feature, coloured by the feature's own value.

    A category is grey: its code is neither high nor low.

    The picture that the shap package made known, drawn here because that package spreads points by global randomness.
    """
    from matplotlib.figure import Figure

    ranked = list(global_importance(contributions, spec.model_names))[:SWARMS_MAXIMUM][::-1]
    figure = Figure(figsize=(7.2, 1.0 + 0.3 * len(ranked)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0.0, color="#9aa4af", linewidth=0.8)
    points = None
    for level, name in enumerate(ranked):
        place = spec.model_names.index(name)
        effect = contributions[:, place]
        heights = level + _spread(effect)
        if name in spec.categorical:
            axes.scatter(effect, heights, color="#9aa4af", s=5, linewidths=0)
            continue
        share = _share(matrix[:, place])
        points = axes.scatter(effect, heights, c=share, s=5, cmap="coolwarm", vmin=0, vmax=1, linewidths=0)
    axes.set_yticks(range(len(ranked)), [WORDS.get(name, name.replace("_", " ")) for name in ranked], fontsize=8)
    axes.set_xlabel("SHAP value, in the unit of the score")
    axes.spines[["top", "right", "left"]].set_visible(False)
    if points is not None:
        bar = figure.colorbar(points, ax=axes, ticks=[0, 1], aspect=40)
        bar.set_ticklabels(["low", "high"])
        bar.set_label("value of the feature (grey: a category)" if spec.categorical else "value of the feature")
    return palette_png(figure)


def plot_dependence(name: str, contributions: Array, matrix: Array, spec: FeatureSpec) -> bytes:
    """Return a PNG of the SHAP value of one feature against its value, for n rows.

    Args:
        name: one of `spec.model_names`.
        contributions: `Scorer.contributions`, shape (n, model_names + 1).
        matrix: what the model sees, shape (n, model_names).
        spec: names and vocabularies; a category is drawn as the mean of its rows.

    Raises:
        InvalidInputError: there is no such feature.
    """
    from matplotlib.figure import Figure

    if name not in spec.model_names:
        raise InvalidInputError(f"there is no feature {name}; use one of {', '.join(spec.model_names)}")
    place = spec.model_names.index(name)
    values, effect = matrix[:, place], contributions[:, place]
    figure = Figure(figsize=(6.4, 3.4), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    vocabulary = dict(spec.vocabularies).get(name)
    if vocabulary is None:
        known = np.isfinite(values)
        axes.scatter(values[known], effect[known], s=5, color="#3566a8", linewidths=0)
        axes.axhline(0.0, color="#9aa4af", linewidth=0.8)
        axes.set_xlabel(WORDS.get(name, name.replace("_", " ")))
        axes.set_ylabel("SHAP value")
    else:
        means = [
            (effect[values == code].mean(), text) for code, text in enumerate(vocabulary) if (values == code).any()
        ]
        shown = sorted(sorted(means, key=lambda one: -abs(one[0]))[:CATEGORIES_MAXIMUM])
        axes.barh(range(len(shown)), [mean for mean, _ in shown], color="#3566a8")
        axes.set_yticks(range(len(shown)), [text for _, text in shown], fontsize=7)
        axes.axvline(0.0, color="#9aa4af", linewidth=0.8)
        axes.set_xlabel(f"mean SHAP value of {WORDS.get(name, name.replace('_', ' '))}")
    axes.spines[["top", "right"]].set_visible(False)
    return palette_png(figure)


def palette_png(figure: Any) -> bytes:
    """Return a figure as PNG of few colours: small enough to sit inline in metadata."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    size = canvas.get_width_height()
    image = Image.frombytes("RGBA", size, bytes(canvas.buffer_rgba())).convert("RGB")
    target = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, format="PNG", optimize=True)
    return target.getvalue()


def _spread(effect: Array) -> Array:
    """Return vertical offsets that show how many points lie together: each bin is filled from its middle outwards."""
    low, high = float(effect.min(initial=0.0)), float(effect.max(initial=0.0))
    bins = np.minimum(((effect - low) / max(high - low, 1e-12) * SWARM_BINS).astype(np.int64), SWARM_BINS - 1)
    order = np.argsort(bins, kind="stable")
    sizes = np.bincount(bins, minlength=SWARM_BINS)
    within = np.arange(len(bins)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    layer = np.empty(len(bins))
    layer[order] = (within + 1) // 2 * np.where(within % 2, 1, -1)
    return layer * min(0.08, 0.8 / max(int(sizes.max(initial=1)), 1))


def _share(values: Array) -> Array:
    """Return where values lie between their 5th and 95th percentile, in [0, 1]; 0.5 when missing or all equal."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), 0.5)
    low, high = np.percentile(known, [5, 95])
    if high <= low:
        return np.full(len(values), 0.5)
    share: Array = np.clip((np.where(np.isfinite(values), values, (low + high) / 2) - low) / (high - low), 0.0, 1.0)
    return share
