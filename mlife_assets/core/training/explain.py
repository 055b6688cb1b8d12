"""Explanation: why a model scores as it does, for all pairs and for one.

Belongs here: SHAP summaries, plots and plain words. Does not belong here: the values themselves, which are LightGBM's
own contributions (`Scorer.contributions`).

Concept: contributions of a row and the expected value sum to its raw score, so an explanation is the score, taken
apart.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.inference.features import FeatureSpec

Array = npt.NDArray[np.float64]
REASONS_MAXIMUM = 5
BARS_MAXIMUM = 20
COLOURS = 32
SWARMS_MAXIMUM = 12
SWARM_BINS = 100
PLOT_SEED = 0

WORDS: dict[str, str] = {
    "same_occupation_group": "same occupation group",
    "same_shift": "same shift",
    "seniority_gap": "seniority gap",
    "distance_km": "distance in km",
    "log_pay_ratio": "pay against expected pay (log ratio)",
    "taste_match": "match of interests",
    "user_click_rate": "how often the person clicks",
    "job_click_rate": "how often the job is clicked",
    "job_apply_rate": "how often clicks on the job become applications",
    "days_since_last_click": "days since the person's last click",
    "job_age_days": "age of the posting in days",
    "exposure_kind": "how it is shown",
}


def reasons(contributions: Array, values: Array, spec: FeatureSpec, limit: int = REASONS_MAXIMUM) -> list[str]:
    """Return why one row scores as it does, strongest first.

    Args:
        contributions: one row of `Scorer.contributions`, shape (features + 1,).
        values: the feature row, shape (features,).
        spec: names and vocabularies.
        limit: at most so many reasons.

    Raises:
        InvalidInputError: shapes do not fit the spec.
    """
    if contributions.shape != (len(spec.names) + 1,) or values.shape != (len(spec.names),):
        raise InvalidInputError(
            f"contributions {contributions.shape} and values {values.shape} do not fit {len(spec.names)} features"
        )
    order = np.argsort(-np.abs(contributions[:-1]), kind="stable")[:limit]
    vocabularies = dict(spec.vocabularies)
    lines = []
    for place in order:
        name, effect = spec.names[place], float(contributions[place])
        if effect == 0.0:
            continue
        value = _value(float(values[place]), vocabularies.get(name))
        verb = "raises" if effect > 0 else "lowers"
        lines.append(f"{WORDS.get(name, name.replace('_', ' '))} = {value} {verb} the log-odds by {abs(effect):.2f}")
    return lines


def _value(value: float, vocabulary: Sequence[str] | None) -> str:
    if np.isnan(value):
        return "unknown"
    if np.isinf(value):
        return "infinite"
    if vocabulary is not None:
        return vocabulary[int(value)] if 0 <= value < len(vocabulary) else "unknown"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def global_importance(contributions: Array, names: Sequence[str]) -> dict[str, float]:
    """Return mean |SHAP| per feature of n rows, shape (n, features + 1), largest first."""
    values = np.abs(contributions[:, :-1]).mean(axis=0)
    ranked = sorted(zip(names, values.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked)


def plot_importance(importance: Mapping[str, float]) -> bytes:
    """Return a PNG of mean |SHAP| per feature."""
    from matplotlib.figure import Figure

    shown = list(importance.items())[:BARS_MAXIMUM][::-1]
    figure = Figure(figsize=(6.4, 1.0 + 0.24 * len(shown)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(shown)), [value for _, value in shown], color="#3566a8")
    axes.set_yticks(range(len(shown)), [WORDS.get(name, name.replace("_", " ")) for name, _ in shown], fontsize=8)
    axes.set_xlabel("mean |SHAP| (log-odds)")
    axes.spines[["top", "right"]].set_visible(False)
    return palette_png(figure)


def plot_beeswarm(contributions: Array, matrix: Array, names: Sequence[str]) -> bytes:
    """Return a PNG of the SHAP value of each of n rows per feature, coloured by the feature's own value.

    The picture that the shap package made known, drawn here because that package spreads points by global randomness.
    """
    from matplotlib.figure import Figure

    ranked = list(global_importance(contributions, names))[:SWARMS_MAXIMUM][::-1]
    figure = Figure(figsize=(7.2, 1.0 + 0.3 * len(ranked)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0.0, color="#9aa4af", linewidth=0.8)
    points = None
    for level, name in enumerate(ranked):
        place = list(names).index(name)
        effect = contributions[:, place]
        points = axes.scatter(
            effect,
            level + _spread(effect),
            c=_share(matrix[:, place]),
            s=5,
            cmap="coolwarm",
            vmin=0,
            vmax=1,
            linewidths=0,
        )
    axes.set_yticks(range(len(ranked)), [WORDS.get(name, name.replace("_", " ")) for name in ranked], fontsize=8)
    axes.set_xlabel("SHAP value (log-odds)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    if points is not None:
        bar = figure.colorbar(points, ax=axes, ticks=[0, 1], aspect=40)
        bar.set_ticklabels(["low", "high"])
        bar.set_label("value of the feature")
    return palette_png(figure)


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
