"""A wrong join in the transformation is seen by nobody but the row recompute, and it blocks the day."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.monitoring import pair_findings
from mlife_assets.components.shown.says_why import ROW_RECOMPUTE_MISMATCH
from mlife_assets.recruiting.overnight import CHANGED_METHOD
from mlife_assets.recruiting.recompute.compare import METHOD

NEXT_USER = """
    update marts.user_features as mart set {column} = other.{column}
    from (
        select user_id, lead({column}, 1, {column}) over (order by user_id) as {column}
        from marts.user_features where as_of_date = ?
    ) as other
    where mart.as_of_date = ? and mart.user_id = other.user_id
"""
NEXT_JOB = NEXT_USER.replace("user_features", "job_features").replace("user_id", "job_id")


def change(home, sql: str, *parameters) -> None:
    with duckdb.connect(str(home.settings.places.warehouse)) as connection:
        connection.execute(sql, parameters)


def report(home, day):
    return home.platform.of_model().reports.read("data_quality_report", day)


def found(home, day, method: str) -> dict[str, bool]:
    return {finding.column: finding.is_alarm for finding in report(home, day).findings if finding.method == method}


def test_lived_days_are_the_same_to_the_bit(lived, lived_world) -> None:
    """Today's rows on every day, and what was logged wherever the eve had scored: dbt and pandas tell one story."""
    sentences = []
    for number in range(1, lived_world.DAYS + 1):
        day = lived.home.day(number)
        findings = [finding for finding in report(lived.home, day).findings if finding.method == METHOD]
        assert [finding.is_alarm for finding in findings] == [False, False], findings
        sentences += [finding.sentence for finding in findings]
    same = "feature rows of {day} were derived again from raw events and are the same to the bit."
    assert [f"500 {same.format(day=lived.home.day(n))}" for n in range(1, lived_world.DAYS + 1)] == sentences[::2]
    logged = [sentence for sentence in sentences if "logged on" in sentence and "same to the bit" in sentence]
    assert len(logged) >= 2


def test_nobody_changes_overnight_but_for_the_pay_in_cents(lived, lived_world) -> None:
    for number in range(1, lived_world.DAYS + 1):
        changed = found(lived.home, lived.home.day(number), CHANGED_METHOD)
        assert set(changed) >= {"latitude", "user_occupation_group", "reservation_pay_usd_per_hour"}
        alarmed = {column for column, is_alarm in changed.items() if is_alarm}
        assert alarmed == ({"reservation_pay_usd_per_hour"} if number == lived_world.FAULT_DAY else set())


@pytest.mark.parametrize(
    ("of_user", "of_job", "touched"),
    [
        pytest.param("user_clicks_7d", "job_applies_7d", set(), marks=pytest.mark.proof),
        ("taste_3", "pay_usd_per_hour", {"taste_match", "log_pay_ratio"}),
    ],
)
def test_a_wrong_join_of_one_column_of_each_side_blocks_the_day(copied, lived_world, of_user, of_job, touched) -> None:
    """Every marginal stays as it was, so only the comparison with the raw log can tell."""
    day = copied.day(lived_world.DAYS)
    for sql, column in ((NEXT_USER, of_user), (NEXT_JOB, of_job)):
        change(copied, sql.format(column=column), day, day)
    result = copied.run_assets(day, keys.DATA_QUALITY_REPORT, keys.RETRAIN_DECISION)
    quality = report(copied, day)
    assert {finding.column for finding in quality.alarms if finding.method == METHOD} == {of_user, of_job, *touched}
    assert f"{of_user}: " in quality.sentence
    assert f"{of_job}: " in quality.sentence
    assert "are not what raw events give; first usr_" in quality.sentence
    (decided,) = result.asset_materializations_for_node("monitoring__retrain_decision")
    assert decided.metadata["verdict"].value == "block"
    (check,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "no_quality_fault"]
    assert check.metadata["runbook"].value.endswith(ROW_RECOMPUTE_MISMATCH.removeprefix("docs").removesuffix(".md"))


def test_a_row_that_was_logged_otherwise_is_found(lived, lived_world, monkeypatch) -> None:
    """What was really used is held against the log too, so a fault between mart and score shows the day after."""
    platform, day = lived.home.platform, lived.home.day(2)
    read = pair_findings._logged

    def altered(*arguments) -> pa.Table:
        rows = read(*arguments)
        values = np.array(rows["features"].to_pylist())
        values[5, 3] = np.nextafter(values[5, 3], np.inf)
        place = rows.schema.get_field_index("features")
        return rows.set_column(place, "features", pa.array(values.tolist(), pa.list_(pa.float64())))

    monkeypatch.setattr(pair_findings, "_logged", altered)
    findings = pair_findings.recomputed_day_findings(platform, day, platform.tables.read("monitoring_sample", day))
    (alarm,) = [finding for finding in findings if finding.is_alarm]
    name = platform.of_model().scorers.champion(day).feature_spec.names[3]
    assert alarm.column == name
    assert f"1 of {len(read(platform, lived.home.day(1), 500))} feature rows logged on" in alarm.sentence


def test_a_mart_that_lacks_a_column_is_a_fault_and_no_exception(copied, lived_world) -> None:
    day = copied.day(lived_world.DAYS)
    change(copied, "alter table marts.job_features drop column job_longitude")
    copied.run_assets(day, keys.DATA_QUALITY_REPORT)
    alarms = {(finding.column, finding.method) for finding in report(copied, day).alarms}
    assert alarms == {("", "schema"), ("", "volume")}
    assert "job_features lack column job_longitude" in report(copied, day).sentence
