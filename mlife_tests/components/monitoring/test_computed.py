from __future__ import annotations

from mlife_assets.adapters.nannyml_calculators import engine
from mlife_assets.components.monitoring.computed import badges, computed_by_entry


def test_with_nannyml_it_has_the_badge_and_is_named() -> None:
    assert badges() == {"nannyml"}
    assert computed_by_entry("data_drift_report") == {"computed_by": "NannyML 0.13.1"}
    assert computed_by_entry("data_quality_report") == {}


def test_without_nannyml_no_badge_says_so_and_the_report_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    assert badges() == {"scikitlearn"}
    assert "pip install 'mlife[nannyml]'" in computed_by_entry("concept_drift_report")["computed_by"]
