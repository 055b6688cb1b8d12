"""Glances: SVG that fits where Dagster shows Markdown in place, readable and well-formed."""

from __future__ import annotations

from datetime import date, timedelta
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.glances import (
    BAD,
    CHARACTERS_MAXIMUM,
    GOOD,
    QUIET,
    WIDTH,
    Bar,
    Estimate,
    _fitting,
    bars,
    columns,
    forest,
)

SVG = "{http://www.w3.org/2000/svg}"
DAYS = [(date(2026, 6, 2) + timedelta(days=number), 100.0 + number) for number in range(120)]


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
    _fitting(draw, len(days), "t")
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
