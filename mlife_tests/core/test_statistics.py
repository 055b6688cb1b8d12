"""Intervals cover what they claim; glances and pictures are small, well-formed and the same again."""

from __future__ import annotations

import io
from datetime import date, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from PIL import Image

from mlife_assets.core import glances, statistics
from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.glances import BAD, CHARACTERS_MAXIMUM, GOOD, QUIET, WIDTH, Bar, Estimate, bars, columns, forest
from mlife_assets.core.pictures import COLOURS, palette_png
from mlife_assets.core.statistics import day_multiplicities, paired_bootstrap_interval, resampled_means

SVG = "{http://www.w3.org/2000/svg}"
DAYS = [(date(2026, 6, 2) + timedelta(days=number), 100.0 + number) for number in range(120)]


def share_covered(lower: list[float], upper: list[float], truth: float) -> float:
    return float(np.mean((np.array(lower) <= truth) & (truth <= np.array(upper))))


def test_bounds_are_the_order_statistics_of_their_tails_and_turn_with_the_sides() -> None:
    """Of 400 resamples 10 lie in a tail of 2.5 %: the bounds are the tenth from either end."""
    values = np.random.default_rng(6).exponential(size=50)
    interval = paired_bootstrap_interval(values, 400, 0.025, 7)
    means = np.sort(resampled_means(values, 400, 7))
    assert (interval.lower, interval.upper) == (means[9], means[-10])
    assert (interval.estimate, interval.level, interval.n) == (values.mean(), 0.95, 50)
    other = paired_bootstrap_interval(-values, 400, 0.025, 7)
    assert (other.estimate, other.lower, other.upper) == (-interval.estimate, -interval.upper, -interval.lower)


def test_resampled_means_have_the_error_of_a_mean() -> None:
    values = np.random.default_rng(1).beta(2, 3, 900)
    means = resampled_means(values, 4_000, seed=5)
    assert means.mean() == pytest.approx(values.mean(), abs=2e-3)
    assert means.std() == pytest.approx(values.std() / 30, rel=0.05)
    assert np.array_equal(means, resampled_means(values, 4_000, seed=5))
    assert not np.array_equal(means, resampled_means(values, 4_000, seed=6))


def test_resampling_refuses_what_has_no_mean() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="0 users"):
        resampled_means(np.zeros(0), 10, 1)
    with pytest.raises(InvalidInputError, match="row 1"):
        resampled_means(np.array([1.0, np.nan]), 10, 1)


def test_bootstrap_covers_skewed_differences() -> None:
    rng = np.random.default_rng(3)
    intervals = []
    for seed in range(600):
        differences = np.where(rng.random(400) < 0.3, rng.exponential(0.4, 400), 0.0)
        intervals.append(paired_bootstrap_interval(differences, 400, 0.025, seed))
    covered = share_covered([i.lower for i in intervals], [i.upper for i in intervals], 0.12)
    assert 0.92 <= covered <= 0.975


@pytest.mark.parametrize(
    ("values", "resamples", "alpha", "error", "message"),
    [
        ([1.0], 400, 0.025, NotEnoughEvidenceError, "1 users"),
        ([1.0, float("nan")], 400, 0.025, InvalidInputError, "row 1"),
        ([1.0, 2.0], 70, 0.025, InvalidInputError, "70 resamples"),
        ([1.0, 2.0], 400, 0.5, InvalidInputError, "alpha is 0.5"),
    ],
)
def test_bootstrap_refuses_what_it_cannot_bound(
    values: list[float], resamples: int, alpha: float, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        paired_bootstrap_interval(np.array(values), resamples, alpha, 1)


def test_wilson_hand_worked() -> None:
    interval = statistics.wilson_interval(0, 10)
    assert interval.lower == 0.0
    assert interval.upper == pytest.approx(3.8416 / 13.8416, abs=1e-4)
    assert (interval.estimate, interval.n) == (0.0, 10)


@pytest.mark.parametrize(
    ("counts", "error"), [((5, 4), InvalidInputError), ((-1, 4), InvalidInputError), ((0, 0), None)]
)
def test_impossible_counts_and_no_evidence_are_refused(counts: tuple[int, int], error: type[Exception] | None) -> None:
    with pytest.raises(error or NotEnoughEvidenceError, match="successes" if error else "0 units"):
        statistics.wilson_interval(*counts)


def test_block_resamples_keep_days_together_and_their_number() -> None:
    single, triple = day_multiplicities(30, 1, 3_000, 7), day_multiplicities(30, 3, 3_000, 7)
    for drawn in (single, triple):
        assert drawn.shape == (3_000, 30)
        assert np.all(drawn.sum(axis=1) == 30)
        assert drawn.mean(axis=0) == pytest.approx(np.ones(30), abs=0.12)
    assert np.corrcoef(single[:, 10], single[:, 11])[0, 1] == pytest.approx(0, abs=0.08)
    assert np.corrcoef(triple[:, 10], triple[:, 11])[0, 1] == pytest.approx(2 / 3, abs=0.08)
    assert np.corrcoef(triple[:, 0], triple[:, 29])[0, 1] == pytest.approx(2 / 3, abs=0.08)
    assert np.array_equal(single, day_multiplicities(30, 1, 3_000, 7))
    assert not np.array_equal(single, day_multiplicities(30, 1, 3_000, 8))


@pytest.mark.parametrize(("days", "block_days", "resamples"), [(5, 6, 10), (5, 0, 10), (0, 1, 10), (5, 1, 0)])
def test_impossible_blocks_are_refused(days: int, block_days: int, resamples: int) -> None:
    with pytest.raises(InvalidInputError, match="block_days is"):
        day_multiplicities(days, block_days, resamples, 1)


def test_what_blocks_hide_of_days_that_depend_on_each_other_is_added() -> None:
    """Effects that keep half of themselves: the mean of n days varies by 3 / n, of which blocks of 7 see 2.43 / n."""
    rng, days = np.random.default_rng(6), 700
    found, plain = [], []
    long, short = day_multiplicities(days, 7, 1_000, 1) / days, day_multiplicities(days, 3, 1_000, 2) / days
    for _ in range(60):
        effects = [rng.normal() / np.sqrt(0.75)]
        for _ in range(days - 1):
            effects.append(0.5 * effects[-1] + rng.normal())
        values = np.array(effects) * np.sqrt(0.75)  # of variance 1
        plain.append(np.var(long @ values) * days)
        found.append(np.var(statistics.widened_for_blocks(long @ values, 7, short @ values, 3)) * days)
    assert np.mean(plain) == pytest.approx(2.43, abs=0.15)
    assert np.mean(found) == pytest.approx(2.9, abs=0.2)
    assert np.all(np.array(found) >= np.array(plain) * (1 - 1e-9))


def test_resamples_that_are_all_alike_stay_so() -> None:
    alike = np.full(10, 0.3)
    assert np.array_equal(statistics.widened_for_blocks(alike, 7, np.arange(10.0), 3), alike)


def test_expanded_percentiles_hold_their_level_with_few_units() -> None:
    """The plain percentile interval of 14 units errs on about 4 % of samples on each side, not on 2.5 %."""
    rng = np.random.default_rng(5)
    samples, units = 2_000, 14
    values = rng.normal(size=(samples, units))
    means = np.array([day_multiplicities(units, 1, 1_000, seed) @ row / units for seed, row in enumerate(values)])
    expanded = [statistics.expanded_percentile_interval(0.0, resampled, 0.025, units) for resampled in means]
    plain = np.sort(means, axis=1)[:, 24]
    assert np.mean(plain > 0) > 0.034
    assert 0.015 <= np.mean([interval.lower > 0 for interval in expanded]) <= 0.035
    assert 0.015 <= np.mean([interval.upper < 0 for interval in expanded]) <= 0.035
    assert (expanded[0].level, expanded[0].n) == (0.95, 14)


def test_expanded_percentiles_are_hand_worked() -> None:
    """14 units: t = 2.1604 with 13 degrees of freedom, times sqrt(14 / 13) is 2.2419, beyond which 1.248 % lie."""
    interval = statistics.expanded_percentile_interval(5_000.0, np.arange(10_000.0), 0.025, 14)
    assert (interval.lower, interval.upper) == (123.0, 9_876.0)


@pytest.mark.parametrize(
    ("resampled", "alpha", "n", "error", "message"),
    [
        (np.ones(400), 0.025, 1, NotEnoughEvidenceError, "1 units"),
        (np.array([1.0, np.nan]), 0.025, 20, InvalidInputError, "row 1"),
        (np.ones(400), 0.5, 20, InvalidInputError, "alpha is 0.5"),
        (np.ones(40), 0.025, 20, InvalidInputError, "40 resamples have no tail"),
    ],
)
def test_expanded_percentiles_refuse_what_they_cannot_bound(
    resampled: np.ndarray, alpha: float, n: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        statistics.expanded_percentile_interval(0.0, resampled, alpha, n)


def test_students_lower_bound_is_hand_worked_and_errs_as_often_as_it_says() -> None:
    assert statistics.student_lower_bound(1.0, 0.5, 0.025, 10) == pytest.approx(1.0 - 0.5 * 2.2622, abs=1e-4)
    assert statistics.student_lower_bound(0.3, 0.0, 0.001, 2) == 0.3
    values = np.random.default_rng(5).normal(size=(20_000, 12))
    errors = values.std(axis=1, ddof=1) / np.sqrt(12)
    pairs = zip(values.mean(axis=1), errors, strict=True)
    above = [statistics.student_lower_bound(float(mean), float(error), 0.01, 12) > 0 for mean, error in pairs]
    assert np.mean(above) == pytest.approx(0.01, abs=0.002)


def test_students_lower_bound_refuses_what_it_cannot_bound() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="1 units, at least 2 needed"):
        statistics.student_lower_bound(0.0, 1.0, 0.01, 1)
    with pytest.raises(InvalidInputError, match=r"alpha is 0\.5"):
        statistics.student_lower_bound(0.0, 1.0, 0.5, 10)


def drawn(markdown: str) -> ElementTree.Element:
    """Return the drawing of a glance, as a browser reads it."""
    assert len(markdown) <= CHARACTERS_MAXIMUM
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda _: True
    (paragraph,) = parser.parseInline(markdown)
    assert paragraph.children
    (image,) = paragraph.children
    address = str(image.attrs["src"])
    assert address.startswith("data:image/svg+xml,")
    return ElementTree.fromstring(unquote(address.removeprefix("data:image/svg+xml,")))


def words(svg: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def colours(svg: ElementTree.Element) -> list[str]:
    return [one.get("stroke", "") for one in svg.iter() if one.get("stroke") in {GOOD, BAD, QUIET}]


def estimate(name: str, lower: float, upper: float) -> Estimate:
    return Estimate(name, (lower + upper) / 2, lower, upper)


def test_a_forest_says_each_value_with_its_bounds_and_what_the_line_is() -> None:
    svg = drawn(forest([estimate("human", 0.08, 0.12)], "MAP@10", limit=0.0, limit_words="margin 0"))
    assert words(svg) == ["human: +0.100 (+0.080 to +0.120)", "upright: margin 0"]


@pytest.mark.parametrize(
    ("lower", "upper", "colour"),
    [(0.01, 0.03, GOOD), (-0.03, -0.01, BAD), (-0.01, 0.03, QUIET), (0.0, 0.0, QUIET), (0.0, 0.03, QUIET)],
)
def test_an_interval_is_coloured_only_where_it_leaves_the_line_behind(lower: float, upper: float, colour: str) -> None:
    svg = drawn(forest([estimate("champion", lower, upper)], "MAP@10", limit=0.0, limit_words="margin 0"))
    assert colours(svg) == [colour]


def test_an_interval_lies_where_its_numbers_say() -> None:
    rows = [estimate("a", -1.0, 0.0), estimate("b", 0.0, 1.0)]
    svg = drawn(forest(rows, "t", limit=0.0, limit_words="zero"))
    lines = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("stroke-width") == "2"]
    middle = WIDTH // 2
    assert lines == [f"M4 23H{middle}M{middle} 57H{WIDTH - 4}"]


def test_bars_that_alarm_are_red_and_in_order() -> None:
    svg = drawn(bars([Bar("pay", 2.0, True), Bar("distance", 0.5, False)], "t", limit=1.0, unit=" x limit"))
    assert words(svg) == ["pay: 2 x limit", "distance: 0.5 x limit"]
    assert colours(svg) == [BAD, QUIET]


def test_rows_beyond_the_space_are_counted_and_the_first_are_kept() -> None:
    rows = [Bar(f"a_rather_long_name_of_a_column_{number}", 30.0 - number, number < 3) for number in range(30)]
    said = words(drawn(bars(rows, "t", limit=1.0, unit=" x limit")))
    shown = len(said) - 1
    assert 4 <= shown < 30
    assert said[0].startswith("a_rather_long_name_of_a_colu"[:27])
    assert said[-1] == f"{30 - shown} more"
    estimates = [estimate(f"week {number}", -0.01, 0.02) for number in range(30)]
    said = words(drawn(forest(estimates, "t", limit=0.0, limit_words="no lift")))
    assert said[-1] == f"upright: no lift; {30 - len(said) + 1} more"


def test_a_label_is_shortened_before_its_value() -> None:
    (said,) = words(drawn(bars([Bar("x" * 80, 1.5, False)], "t")))
    assert said == "x" * 27 + "…: 1.5"


def test_columns_keep_the_newest_days() -> None:
    (said,) = words(drawn(columns(DAYS, "revenue", unit="$")))
    assert said.endswith("to 29 Sep, at most $219 a day")
    (said,) = words(drawn(columns(DAYS[:3], "revenue", unit="$")))
    assert said == "02 Jun to 04 Jun, at most $102 a day"


def test_what_is_drawn_of_many_days_is_what_is_drawn_of_those_that_can_fit() -> None:
    """Each count is drawn until one fits, so the costs of a drawing must not grow with the square of all days."""
    days = [(date(2026, 6, 2) + timedelta(days=number), number % 7 * 1.0) for number in range(3_000)]
    drawn_counts = list[int]()

    def draw(count: int) -> str:
        drawn_counts.append(count)
        return "M4 0H4" * count

    assert columns(days, "revenue", unit="$") == columns(days[-200:], "revenue", unit="$")
    glances._fitting(draw, len(days), "t")
    assert len(drawn_counts) < 50, "the shortest rows that there can be fit nearly at once"
    assert min(drawn_counts) * len("M4 0H4") > CHARACTERS_MAXIMUM - 60, "as many as fit"


def test_columns_of_nothing_earned_are_flat_and_no_division_by_zero() -> None:
    svg = drawn(columns([(date(2026, 6, 2), 0.0)], "revenue", unit="$"))
    assert next(svg.iter(f"{SVG}path")).get("d") == "M10 60V60"


@pytest.mark.parametrize("name", ["a<b>&c", "50 % (of #1)", "back\\slash", "new\nline", "quote ' and \""])
def test_any_label_arrives_as_it_was_written(name: str) -> None:
    (said,) = words(drawn(bars([Bar(name, 1.0, False)], "t")))
    assert said == f"{name}: 1".replace("\n", " ")


def test_a_glance_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="the glance 'weeks' has no row"):
        forest([], "weeks", limit=0.0, limit_words="no lift")
    with pytest.raises(InvalidInputError, match="at most 999 characters"):
        bars([Bar("pay", 1.0, False)], "t" * 1_000)


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
