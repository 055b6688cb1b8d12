"""Plots of SHAP values: importance, the swarm of all features, the dependence on one, the waterfall of one row.

Concept: these are the plots of the shap package. It draws on pyplot's current figure and spreads points by numpy's
global generator, so `_figure` lends it a figure and a seed and restores both. Pyplot has one current figure for all
threads: callers in several threads must hold a lock.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pictures import data_uri, palette_png
from mlife_assets.core.scoring.estimators import import_shap
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec
from mlife_assets.core.scoring.reasons import ScoreParts, Words, global_importance, words_of

BARS_MAXIMUM = 20
SWARMS_MAXIMUM = 12
STEPS_MAXIMUM = 10
CATEGORIES_MAXIMUM = 20
LABEL_CHARACTERS = 42
SCALE_COLOURS = 96
SEED = 0
PADDING_INCHES = 0.1
BLUE, GREY = "#3566a8", "#9aa4af"


def plot_importance(importance: Mapping[str, float], words: Words) -> bytes:
    """Return a PNG of mean |SHAP| per feature."""
    from matplotlib.figure import Figure

    shown = sorted(importance.items(), key=lambda one: (-one[1], one[0]))[:BARS_MAXIMUM][::-1]
    figure = Figure(figsize=(6.4, 1.0 + 0.24 * len(shown)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(shown)), [value for _, value in shown], color=BLUE)
    axes.set_yticks(range(len(shown)), [_label(name, words) for name, _ in shown], fontsize=8)
    axes.set_xlabel("mean |SHAP|, in the unit of the score")
    axes.spines[["top", "right"]].set_visible(False)
    return palette_png(figure)


def plot_dependences(
    contributions: Array, matrix: Array, spec: FeatureSpec, words: Words, limit: int
) -> dict[str, bytes]:
    """Return the dependence on each of the strongest features that vary, as PNG by feature, the strongest first."""
    ranked = global_importance(contributions, spec.model_names)
    varying = [name for name in ranked if len(np.unique(matrix[:, spec.model_names.index(name)])) > 1]
    return {name: plot_dependence(name, contributions, matrix, spec, words) for name in varying[:limit]}


def plot_beeswarm(contributions: Array, matrix: Array, spec: FeatureSpec, words: Words) -> bytes:
    """Return a PNG of the SHAP value of each of n rows per feature, coloured by the feature's own value.

    A category is grey: its code is neither high nor low. Features beyond the strongest share one swarm.
    """
    count = min(SWARMS_MAXIMUM, len(spec.model_names))
    with _figure(8.0, 1.0 + 0.36 * count) as figure:
        axes = figure.add_subplot()
        import_shap().plots.beeswarm(
            _explanation(contributions, matrix, spec, words),
            max_display=SWARMS_MAXIMUM,
            ax=axes,
            plot_size=None,
            show=False,
            s=6,
            color_bar_label="value of the feature" + (" (grey: a category)" if spec.categorical else ""),
        )
        _small_text(figure)
        axes.set_xlabel("SHAP value, in the unit of the score", fontsize=10)
        return palette_png(figure, SCALE_COLOURS)


def plot_dependence(name: str, contributions: Array, matrix: Array, spec: FeatureSpec, words: Words) -> bytes:
    """Return a PNG of the SHAP value of one feature against its value, for n rows.

    Colour is the feature that explains most of the rest; a missing value is a tick at the left edge.

    Args:
        name: one of `spec.model_names`.
        contributions: `Scorer.contributions`, shape (n, model_names + 1).
        matrix: model inputs, shape (n, model_names).
        spec: names and vocabularies; a category is drawn as the mean of its rows.
        words: descriptions of features.

    Raises:
        InvalidInputError: there is no such feature.
    """
    if name not in spec.model_names:
        raise InvalidInputError(f"there is no feature {name}; use one of {', '.join(spec.model_names)}")
    place = spec.model_names.index(name)
    if name in spec.categorical:
        return _category_means(
            words_of(name, words), contributions[:, place], matrix[:, place], dict(spec.vocabularies)[name]
        )
    shap = import_shap()
    drawn = shap.Explanation(contributions[:, :-1], data=matrix.copy(), feature_names=_labels(spec, words))
    with _figure(7.2, 3.8) as figure:
        axes = figure.add_subplot()
        shap.plots.scatter(drawn[:, place], color=drawn, ax=axes, show=False, dot_size=8)
        _small_text(figure)
        axes.set_ylabel("SHAP value, in the unit of the score", fontsize=10)
        return palette_png(figure, SCALE_COLOURS)


def for_pages(beeswarm: bytes, dependences: Mapping[str, bytes], words: Words) -> dict[str, str]:
    """Return a model's pictures for a page: data URIs by title, the swarm first."""
    titled = {f"SHAP value by {words_of(name, words)}": png for name, png in dependences.items()}
    return {title: data_uri(png) for title, png in {"SHAP values": beeswarm, **titled}.items()}


def plot_waterfall(parts: ScoreParts, words: Words) -> bytes:
    """Return a PNG that leads from the expected score to the score of one row, feature by feature."""
    row = import_shap().Explanation(
        np.array(list(parts.contributions.values())),
        base_values=parts.expected,
        data=np.array([_plain(parts.values[name]) for name in parts.contributions], dtype=object),
        feature_names=[_label(name, words) for name in parts.contributions],
    )
    with _figure(8.0, 1.2 + 0.42 * min(STEPS_MAXIMUM, len(parts.contributions))) as figure:
        figure.add_subplot()
        import_shap().plots.waterfall(row, max_display=STEPS_MAXIMUM, show=False)
        _small_text(figure)
        return palette_png(figure)


def _category_means(title: str, effect: Array, values: Array, vocabulary: tuple[str, ...]) -> bytes:
    from matplotlib.figure import Figure

    means = [(effect[values == code].mean(), text) for code, text in enumerate(vocabulary) if (values == code).any()]
    shown = sorted(sorted(means, key=lambda one: -abs(one[0]))[:CATEGORIES_MAXIMUM])
    figure = Figure(figsize=(6.4, 1.0 + 0.22 * max(len(shown), 4)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(shown)), [mean for mean, _ in shown], color=BLUE)
    axes.set_yticks(range(len(shown)), [_plain(text) for _, text in shown], fontsize=7)
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_xlabel(f"mean SHAP value of {_short(title)}, in the unit of the score", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return palette_png(figure)


def _explanation(contributions: Array, matrix: Array, spec: FeatureSpec, words: Words) -> Any:
    """Return contributions of n rows in shap's class; categories are objects, so that they get no colour."""
    import pandas as pd

    data = pd.DataFrame(matrix)
    for place, name in enumerate(spec.model_names):
        if name in spec.categorical:
            data[place] = data[place].astype(object)
    return import_shap().Explanation(contributions[:, :-1], data=data, feature_names=_labels(spec, words))


@contextmanager
def _figure(width: float, height: float) -> Iterator[Any]:
    """Lend pyplot a current figure, its settings and numpy's global generator; restore them afterwards."""
    import matplotlib as mpl

    if mpl.get_backend(auto_select=False) is None:
        mpl.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    state = np.random.get_state()  # noqa: NPY002 - shap draws from it
    np.random.seed(SEED)  # noqa: NPY002
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an empty column has no percentiles
        figure = plt.figure(
            figsize=(width, height), dpi=90, layout=ConstrainedLayoutEngine(w_pad=PADDING_INCHES, h_pad=PADDING_INCHES)
        )
        try:
            yield figure
        finally:
            plt.close(figure)
            np.random.set_state(state)  # noqa: NPY002


def _small_text(figure: Any) -> None:
    """Make the text of shap, which is meant for a notebook, fit a picture of metadata."""
    for axes in figure.axes:
        axes.xaxis.label.set_fontsize(10)
        axes.yaxis.label.set_fontsize(10)
        axes.tick_params(labelsize=9)


def _labels(spec: FeatureSpec, words: Words) -> list[str]:
    return [_label(name, words) for name in spec.model_names]


def _label(name: str, words: Words) -> str:
    return _short(words_of(name, words))


def _short(text: str) -> str:
    return _plain(text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1] + "…")


def _plain(text: str) -> str:
    return text.replace("$", r"\$")
