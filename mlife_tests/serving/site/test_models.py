from __future__ import annotations

from datetime import date

from mlife_assets.serving.site.models import ShownModel, ShownVersion, overview

VERSIONS = (
    ShownVersion("mdl_2", date(2013, 2, 3), 23_035, "promoted", True),
    ShownVersion("mdl_1", date(2013, 1, 29), 20_000, None, False),
)


def test_each_model_says_who_serves_and_lists_its_versions() -> None:
    page = overview([ShownModel("late_flights", "mdl_2", ("It is <well>.",), VERSIONS)])
    assert "mdl_2 serves." in page
    assert "It is &lt;well&gt;." in page
    assert '<a href="../models/mdl_2/card.html">mdl_2</a></td><td>2013-02-03</td><td>23,035</td>' in page
    assert "<td>mdl_1</td><td>2013-01-29</td><td>20,000</td><td>not judged</td><td></td>" in page


def test_a_model_without_a_version_and_a_home_without_a_model_say_so() -> None:
    page = overview([ShownModel("late_flights", None, (), ())])
    assert "No model was promoted yet." in page
    assert "<table>" not in page
    assert "Nothing was decided yet" in overview([])
