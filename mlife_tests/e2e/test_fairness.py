"""The audit in a lived world: it judges the challenger, the gate reads it, and no user's answer leaves the table."""

from __future__ import annotations

import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlife_assets.components.graph import keys
from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.model.evaluation import _audit
from mlife_assets.components.model.explanation import stored_pictures
from mlife_assets.components.model.fairness import (
    FAIRNESS_REPORT,
    FOLDS_REPORT,
    audit_folds,
    audit_model,
    audited_pairs,
    audited_users,
    day_fairness_conditions,
)
from mlife_assets.components.predictions.scores import CANDIDATES_TABLE
from mlife_assets.core.training.fairness.audit import CONDITION, fairness_condition
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, FairnessAudit
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import add_days

COLUMNS = {"sex", "race_ethnicity", "race", "ethnicity", "gender"}
ANSWERS = {*SEXES, *ETHNICITIES}


def training_days(lived) -> list:
    return lived.home.platform.tables.report_days("challenger")


def test_every_challenger_was_audited_and_the_gate_read_it(lived) -> None:
    tables = lived.home.platform.tables
    days = training_days(lived)
    assert len(days) >= 2
    assert days[0] == add_days(lived.home.settings.days.first_lived_date, -1), "the first, before any day was scored"
    for day in days:
        version = tables.read_report("challenger", day)["model_version"]
        audit = FairnessAudit.from_report(tables.read_report(FAIRNESS_REPORT, day))
        assert audit.model_version == version
        assert audit.compared
        conditions = {one["name"]: one for one in tables.read_report(PROMOTION_REPORT, day)["conditions"]}
        expected = fairness_condition(audit, version)
        assert conditions[CONDITION]["sentence"] == expected.sentence
        assert conditions[CONDITION]["is_met"] == expected.is_met
        assert expected.is_met, "the market treats nobody by sex or race"
        by_folds = fairness_condition(FairnessAudit.from_report(tables.read_report(FOLDS_REPORT, day)), version)
        assert conditions[f"{CONDITION}_by_folds"]["sentence"] == f"On the weeks of the folds: {by_folds.sentence}"
        assert conditions[f"{CONDITION}_by_folds"]["is_met"] == by_folds.is_met


def test_a_day_without_an_audit_is_refused_and_its_card_has_neither_audit_nor_pictures(lived) -> None:
    platform, day = lived.home.platform, add_days(training_days(lived)[0], -1)
    assert (_audit(platform, day, "mdl_any"), stored_pictures(platform.of_model(), day, "mdl_any")) == (None, {})
    conditions = day_fairness_conditions(platform, day, "mdl_any")
    assert [one.name for one in conditions] == [CONDITION, f"{CONDITION}_by_folds"]
    for condition in conditions:
        assert not condition.is_met
        assert "no fairness audit" in condition.sentence


def test_the_audited_pairs_are_those_that_may_be_texted_about(lived) -> None:
    """Everybody is scored; audited is what the model does to those whom a text can reach."""
    platform, day = lived.home.platform, lived.home.day(1)
    users, scored = audited_users(platform, day), platform.tables.read(CANDIDATES_TABLE, day)
    texted = scored.filter(pc.and_(scored["is_consented"], pc.is_valid(scored["time_zone"])))
    assert audited_pairs(platform, day, users).equals(texted)
    assert 0 < texted.num_rows < scored.num_rows


def test_an_audit_repeats_to_the_byte(lived) -> None:
    platform, day = lived.home.platform, training_days(lived)[0]
    version = platform.tables.read_report("challenger", day)["model_version"]
    stored = FairnessAudit.from_report(platform.tables.read_report(FAIRNESS_REPORT, day))
    assert audit_model(platform, version, day) == stored
    by_folds = FairnessAudit.from_report(platform.tables.read_report(FOLDS_REPORT, day))
    assert audit_folds(platform, version, day) == by_folds != stored


def test_by_folds_every_user_is_audited_once_in_a_week_of_their_own(lived) -> None:
    """Users of several weeks would count several times, and bounds would be too narrow."""
    platform, day = lived.home.platform, training_days(lived)[-1]
    version = platform.tables.read_report("challenger", day)["model_version"]
    audit = audit_folds(platform, version, day)
    assert audit is not None
    ranked = gate_days(day, platform.of_model().model.label_step.maturity_days, platform.of_model().model.promotion)
    reachable = [audited_users(platform, one) for one in ranked]
    most = {user for users in reachable for user in users["user_id"].to_pylist()}
    assert 0.8 * min(users.num_rows for users in reachable) < audit.users <= len(most)
    assert sum(users.num_rows for users in reachable) > 1.8 * audit.users


def test_the_asset_shows_aggregates_and_a_warning_at_most(lived, tmp_path) -> None:
    home = lived.home.copy_to(tmp_path / "copy")
    result = home.run_assets(training_days(lived)[0], keys.FAIRNESS_AUDIT)
    shown = result.asset_materializations_for_node("model__fairness_audit")[0].metadata
    text = repr(shown)
    assert "usr_" not in text
    assert {"impact_by_sex", "impact_by_race_ethnicity", "impact_by_sex_and_race_ethnicity"} <= set(shown)
    assert "data:image/png" in shown["impact_ratios"].value
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert check.severity.value == "WARN"


def test_no_answer_leaves_the_restricted_table(lived) -> None:
    """Neither as a column nor as a value, in landing files, lake, truth tables or the warehouse."""
    folder: Path = lived.home.folder
    restricted = folder / "private" / "audit_attributes.parquet"
    assert stat.S_IMODE(restricted.stat().st_mode) == 0o600
    files = [path for path in sorted(folder.rglob("*.parquet")) if path != restricted]
    assert len(files) > 50
    for path in files:
        schema = pq.read_schema(path)
        assert not COLUMNS & set(schema.names), path
        for place, field in enumerate(schema):
            if pa.types.is_string(field.type) and field.name not in {"body"}:
                seen = pq.ParquetFile(path).read(columns=[schema.names[place]])[0].unique().to_pylist()
                assert not ANSWERS & set(seen), f"{path}: {field.name}"
    for name in ("user_features", "job_features", "labelled_examples"):
        day = lived.home.day(1)
        table = lived.home.platform.warehouse.read(name, start=day, end=day)
        assert not COLUMNS & set(table.column_names), name


def test_json_outside_the_audit_report_names_no_category(lived) -> None:
    for path in sorted((lived.home.folder / "lake").rglob("*.json*")):
        text = path.read_text(encoding="utf-8", errors="replace")
        if not {FAIRNESS_REPORT, FOLDS_REPORT} & set(path.parts):
            told = [name for name in ETHNICITIES[2:] if name in text]
            is_verdict = f"/reports/{PROMOTION_REPORT}/" in path.as_posix()
            assert is_verdict or not told, path
            assert "race_ethnicity" not in text, path
