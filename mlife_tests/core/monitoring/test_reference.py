"""References and samples, and the plots that show what moved against them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.monitoring import plots as module
from mlife_assets.core.monitoring.columns import LABEL, Wording
from mlife_assets.core.monitoring.contributions import with_contributions
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.plots import (
    DECISIONS_SHOWN,
    PANELS_MAXIMUM,
    PerformanceDay,
    RankingDay,
    plot_decisions,
    plot_findings,
    plot_moved,
    plot_performance,
)
from mlife_assets.core.monitoring.reference import (
    STORED_FORM,
    MonitoringReference,
    build_reference,
    check_examples,
    is_readable,
    most_frequent,
    plain_values,
    profile,
    tidy,
)
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.monitoring.sampling import hash_ids, in_shares, sample_pairs
from mlife_assets.core.monitoring.thresholds import COLUMN_SIZES, JOINT_SIZES, Threshold, sizes_of
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

DAYS = np.array(["2026-05-01"] * 4 + ["2026-05-02"] * 2, dtype="datetime64[D]")
DAY = date(2026, 6, 11)
PLOT_DAY = date(2026, 6, 2)
PNG = b"\x89PNG\r\n\x1a\n"


def test_storage_gives_back_the_same_reference(reference) -> None:
    stored = reference.with_thresholds(
        [Threshold("ks", "pay", 0.1, 1 / 3, 0.2, 14, 0.01)], sizes_of(MonitoringPolicy())
    )
    tables, facts = stored.to_tables()
    again = MonitoringReference.from_tables(tables, json.loads(json.dumps(facts, sort_keys=True)))
    assert again == stored
    assert again.content_hash == reference.content_hash


def test_content_hash_sees_every_value_and_which_columns_are_watched(reference) -> None:
    """Calculators are fitted on them: another choice on the same sample must not find those of this one."""
    silent = replace(reference.columns, unalarmed=(*reference.columns.unalarmed, "distance_km"))
    assert replace(reference, columns=silent).content_hash != reference.content_hash
    pay = reference.sample["pay_usd_per_hour"].to_numpy().copy()
    pay[17] += 1e-9
    index = reference.sample.schema.get_field_index("pay_usd_per_hour")
    other = replace(reference, sample=reference.sample.set_column(index, "pay_usd_per_hour", pa.array(pay)))
    assert other.content_hash != reference.content_hash


def test_only_present_columns_are_watched(reference) -> None:
    assert "job_click_rate" not in reference.columns.watched
    assert "metro_code" in reference.columns.categorical
    assert "metro_code" not in reference.columns.closed
    assert "tenure_days" in reference.columns.watched
    assert "tenure_days" not in reference.columns.alarming
    assert reference.profile("metro_code").values == ("12060", "16980", "19100", "33100", "35620")
    assert reference.columns.residual == ("log_pay_ratio", "distance_km")
    assert "user_id" in reference.examples.column_names, "limits ask which rows are alike"
    assert "tenure_days" not in reference.examples.column_names
    assert 0 < reference.profile("days_since_last_click").missing_share < 1
    with pytest.raises(InvalidInputError, match="no column nothing"):
        reference.profile("nothing")


def test_a_day_is_its_own_rows(reference, world) -> None:
    day = reference.days[4]
    expected = tidy(world.day(4, 600), reference.columns, ["pay_usd_per_hour"])["pay_usd_per_hour"].to_numpy()
    assert np.array_equal(reference.day(day)["pay_usd_per_hour"].to_numpy(), expected)


def test_bad_references_are_refused(pairs_world, world, reference) -> None:
    sample = world.sample(days=8, rows=50)
    counts, examples = pairs_world.pair_rows(days=8), reference.examples
    settings = {
        "model_version": "m", "as_of": reference.as_of_date, "examples": examples, "columns": PAIR_COLUMNS,
        "ids": ("user_id", "job_id"),
    }  # fmt: skip
    build_reference(sample=sample, pair_rows=counts, **settings)
    with pytest.raises(NotEnoughEvidenceError, match="7 days, 8 needed"):
        build_reference(sample=world.sample(days=7, rows=50), pair_rows=counts, **settings)
    with pytest.raises(InvalidInputError, match="pair_rows lacks 2026-04-08"):
        build_reference(sample=sample, pair_rows=pairs_world.pair_rows(days=7), **settings)
    with pytest.raises(InvalidInputError, match="lack column job_id"):
        build_reference(sample=sample.drop_columns(["job_id"]), pair_rows=counts, **settings)
    with pytest.raises(InvalidInputError, match="not a stored reference"):
        MonitoringReference.from_tables({}, {"form": STORED_FORM, "columns": {}})


def test_an_immature_or_unscored_example_is_refused(pairs_world) -> None:
    examples = pairs_world.scored_examples(1, first=pairs_world.START, days=3, per_day=10)
    last_mature = pairs_world.START + timedelta(days=2 + 8)
    check_examples(examples, last_mature)
    with pytest.raises(InvalidInputError, match="label_mature_date of example 20"):
        check_examples(examples, last_mature - timedelta(days=1))
    with pytest.raises(InvalidInputError, match="probability of example 0"):
        check_examples(pairs_world.replaced(examples, probability=np.full(30, 1.5)), last_mature)
    with pytest.raises(InvalidInputError, match="lack column is_positive"):
        check_examples(examples.drop_columns(["is_positive"]), last_mature)
    labels = pa.array([None, *[True] * 29])
    with pytest.raises(InvalidInputError, match="is_positive of example 0 is null"):
        check_examples(examples.drop_columns(["is_positive"]).append_column("is_positive", labels), last_mature)


def test_steps_and_contributions_are_kept_hashed_and_restored(pairs_world, world) -> None:
    sample = world.sample(days=8, rows=50)
    values = np.random.default_rng(1).standard_normal((sample.num_rows, 4))
    explained = with_contributions(sample, values, ("distance_km", "tenure_days", "user_click_rate"))
    settings = {
        "model_version": "m", "columns": PAIR_COLUMNS, "ids": ("user_id", "job_id"),
        "as_of": pairs_world.START + timedelta(days=30), "sample": explained,
        "pair_rows": pairs_world.pair_rows(days=8),
        "examples": pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=10),
    }  # fmt: skip
    clicks = pairs_world.scored_examples(2, first=pairs_world.START, days=14, per_day=10)
    who = {LABEL: {"fold_1": 100, "fold_2": 40}, "click": {"fold_2": 140}}
    known = replace(build_reference(**settings, steps={"click": clicks}), scored_by=who)
    assert known.columns.contribution == ("shap_distance_km",)
    assert [profile.column for profile in known.profiles if profile.column.startswith("shap_")] == []
    assert known.columns.restricted_to(["openings"]).contribution == ()
    tables, facts = known.to_tables()
    assert set(tables) == {"sample", "examples", "clicks"} == set(facts["tables"])
    again = MonitoringReference.from_tables(tables, json.loads(json.dumps(facts)))
    assert again == known
    assert again.scored_by == who
    released = {name: fact for name, fact in facts.items() if name != "scored_by"}
    assert MonitoringReference.from_tables(tables, released).scored_by == {}
    assert again.scored("click").column_names == again.scored(LABEL).column_names
    without = build_reference(**settings)
    assert (without.outcomes, known.outcomes) == ((LABEL,), (LABEL, "click"))
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        without.scored("click")
    assert without.content_hash != known.content_hash
    late = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=25), days=1, per_day=10)
    with pytest.raises(InvalidInputError, match="label_mature_date of example 0"):
        build_reference(**settings, steps={"click": late})


def test_a_reference_of_another_form_is_not_read(reference) -> None:
    """Its limits of outcomes were learned along standardised values and would be held against ranks."""
    tables, facts = reference.to_tables()
    bare = {name: value for name, value in facts.items() if name != "form"}
    for form, told in (({"form": 1}, 1), ({}, 1), ({"form": STORED_FORM + 1}, STORED_FORM + 1)):
        assert not is_readable(bare | form)
        with pytest.raises(InvalidInputError, match=f"in form {told}, this version reads form {STORED_FORM}; build it"):
            MonitoringReference.from_tables(tables, bare | form)


def test_a_day_that_cannot_be_compared_says_why(reference, world) -> None:
    day, policy = reference.day(reference.days[0]), MonitoringPolicy()
    known = reference.with_thresholds((), sizes_of(policy))

    def why(pairs: pa.Table) -> str | None:
        return known.why_incomparable(pairs, policy, JOINT_SIZES)

    assert why(day) is None
    assert why(day.slice(0, 300)) is None
    assert "299 pairs were sampled, 600 on" in why(day.slice(0, 299))
    assert "0 pairs were sampled" in why(day.slice(0, 0))
    assert "lack distance_km" in why(day.drop_columns("distance_km"))


@pytest.mark.parametrize("name", JOINT_SIZES)
def test_a_size_that_changed_since_limits_were_learned_is_reported_where_it_matters(reference, name: str) -> None:
    day, policy = reference.day(reference.days[0]), MonitoringPolicy()
    known = reference.with_thresholds((), sizes_of(policy))
    other = replace(policy, **{name: 1_500})
    words = (
        f"Not judged: since limits were learned the policy has changed in {name} ({getattr(policy, name):,} then, "
        f"1,500 now); materialize monitoring_reference for {reference.as_of_date} again."
    )
    assert known.why_incomparable(day, other, JOINT_SIZES) == words
    is_of_columns = name == "sample_rows_per_day"
    assert known.why_incomparable(day, other, COLUMN_SIZES) == (words if is_of_columns else None)
    learned_anew = known.with_thresholds((), sizes_of(other))
    assert learned_anew.why_incomparable(day, other, JOINT_SIZES) is None


def test_limits_of_unknown_sizes_are_not_applied(reference) -> None:
    why = reference.with_thresholds(()).why_incomparable(
        reference.day(reference.days[0]), MonitoringPolicy(), COLUMN_SIZES
    )
    assert why.startswith("Not judged: it was not kept with how many rows limits were learned; materialize")


def test_numbers_by_hand_and_shares_of_the_worst_day() -> None:
    found = profile("pay", pa.chunked_array([[1.0, 2.0, 2.0, np.nan], [0.0, 5.0]]), DAYS)
    assert (found.minimum, found.maximum, found.median, found.mean) == (0.0, 5.0, 2.0, 2.0)
    assert found.standard_deviation == pytest.approx(np.sqrt(14 / 5))
    assert found.values == ()
    assert found.missing_share == 0.25
    assert found.zero_share == 0.5
    assert found.most_frequent_share == 0.5
    text = profile("city", pa.chunked_array([["a", "a", "a", "b"], [None, "b"]]), DAYS)
    assert text.missing_share == 0.5
    assert text.most_frequent_share == 0.75
    assert text.values == ("a", "b")
    assert (text.median, text.mean, text.standard_deviation) == (None, None, None)


def test_missing_values_are_never_the_most_frequent_but_count_as_rows() -> None:
    assert most_frequent(plain_values(pa.chunked_array([[None, None, "b"]]))) == ("b", pytest.approx(1 / 3))
    assert most_frequent(np.array([np.nan, np.nan, 0.5])) == ("0.5", pytest.approx(1 / 3))
    assert most_frequent(np.array([np.nan])) == ("none", 0.0)


def pairs(users: int, jobs: int) -> tuple[list[str], list[str]]:
    return [f"usr_{u:05d}" for u in range(users) for _ in range(jobs)], [
        f"job_{j}" for _ in range(users) for j in range(jobs)
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 80))
def test_the_sample_does_not_depend_on_row_order_or_container(seed: int, rows: int) -> None:
    users, jobs = (np.array(ids) for ids in pairs(12, 5))
    chosen = sample_pairs(users, jobs, as_of=DAY, seed=7, rows=rows)
    order = np.random.default_rng(seed).permutation(len(users))
    table = pa.table({"u": users[order], "j": jobs[order]})
    again = sample_pairs(table["u"], table["j"].combine_chunks().dictionary_encode(), as_of=DAY, seed=7, rows=rows)
    assert list(zip(users[chosen], jobs[chosen], strict=True)) == list(
        zip(users[order][again], jobs[order][again], strict=True)
    )
    assert len(chosen) == min(rows, len(users))


def test_the_sample_is_the_same_in_every_process() -> None:
    assert sample_pairs(list("abcde"), list("vwxyz"), as_of=DAY, seed=13, rows=3).tolist() == [4, 2, 0]


def test_a_small_sample_is_part_of_a_large_one_and_days_differ() -> None:
    users, jobs = pairs(100, 10)
    small = sample_pairs(users, jobs, as_of=DAY, seed=7, rows=50)
    assert small.tolist() == sample_pairs(users, jobs, as_of=DAY, seed=7, rows=400)[:50].tolist()
    other_day = sample_pairs(users, jobs, as_of=date(2026, 6, 12), seed=7, rows=50)
    other_seed = sample_pairs(users, jobs, as_of=DAY, seed=8, rows=50)
    assert len(set(small) & set(other_day)) < 15
    assert len(set(small) & set(other_seed)) < 15


def test_the_sample_is_fair_to_users_and_jobs() -> None:
    users, jobs = pairs(200, 20)
    picked = np.concatenate([sample_pairs(users, jobs, as_of=DAY, seed=s, rows=1_000) for s in range(40)])
    by_job = np.bincount(picked % 20, minlength=20)
    assert by_job.min() > 0.85 * by_job.mean()
    assert by_job.max() < 1.15 * by_job.mean()


@pytest.mark.parametrize("counts", [(30, 10), (1, 2, 4), (0, 5, 3), (7,)])
def test_every_run_of_places_falls_in_shares(counts: tuple[int, ...]) -> None:
    places = np.arange(5_000, dtype=np.int64)
    numbers = in_shares(places, counts)
    expected = np.array(counts) / sum(counts)
    for run in (slice(0, 200), slice(1_234, 1_434), slice(0, 5_000, 7)):
        seen = np.bincount(numbers[run], minlength=len(counts)) / len(numbers[run])
        assert np.allclose(seen, expected, atol=0.025)
    assert np.array_equal(in_shares(places[40:90], counts), numbers[40:90])
    assert set(in_shares(places, [0] * len(counts)).tolist()) == {len(counts) - 1}


PINNED = {
    "": 0x0, "a": 0x6232969000262121, "12345678": 0x2416549DE3C10B28, "usr_0000001": 0x745D07560516CC5A,
    "1234567812345678": 0x418A83F6F6147A76, "job_é": 0x2124962E4FB55AAB, "求人_0001": 0xFB1D326560C9BD09,
    "a\x00b": 0x26AC6666F530887F, "\U0001f600" * 5: 0x05B210FCEB8AFD55,
}  # fmt: skip
"""Empty, of one byte, of exactly and of more than one and two words, of several bytes a character, with a zero byte."""


def test_hashes_never_change() -> None:
    """Another hash is another sample: limits would hold for one and be applied to the other."""
    assert dict(zip(PINNED, hash_ids(list(PINNED), "id").tolist(), strict=True)) == PINNED
    alone = {text: int(hash_ids([text], "id")[0]) for text in PINNED}
    assert alone == PINNED, "what an id is hashed with does not matter"
    column = pa.chunked_array([list(PINNED)[:4], list(PINNED)[4:]])
    for ids in (column, column.combine_chunks().dictionary_encode(), pa.array(["x", *PINNED])[1:]):
        assert hash_ids(ids, "id").tolist() == list(PINNED.values())


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInputError, match="entity of row 1 is null"):
        sample_pairs(["a", None], ["x", "y"], as_of=DAY, seed=1, rows=1)
    with pytest.raises(InvalidInputError, match="1 ids of entities for 2 of items"):
        sample_pairs(["a"], ["x", "y"], as_of=DAY, seed=1, rows=1)
    with pytest.raises(InvalidInputError, match="rows is 0"):
        sample_pairs(["a"], ["x"], as_of=DAY, seed=1, rows=0)
    assert sample_pairs([], [], as_of=DAY, seed=1, rows=5).tolist() == []


def picture(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.mode == "P"
    assert len(data) <= 40_000
    return np.asarray(image.convert("RGB")).astype(int)


def red(pixels: np.ndarray) -> int:
    return int((np.abs(pixels - [192, 57, 43]).sum(axis=2) < 40).sum())


def drawn(alarms: int) -> bytes:
    values = {f"a_long_feature_name_{k}": 0.2 if k < alarms else 0.05 for k in range(30)}
    findings = [Finding("data", name, "ks", value, 0.1, value > 0.1, "x") for name, value in values.items()]
    facts = {"as_of": PLOT_DAY, "model_version": "m", "sample_rows": 1, "ok": "", "alarm": ""}
    return plot_findings(conclude("data_drift_report", findings=findings, **facts))


def test_alarming_bars_are_red_and_a_report_without_findings_is_drawn_too() -> None:
    assert red(picture(drawn(0))) == 0
    assert red(picture(drawn(6))) > 1.5 * red(picture(drawn(3))) > 0
    assert drawn(3) == drawn(3)
    report = conclude("r", as_of=PLOT_DAY, model_version=None, sample_rows=0, findings=[], ok="fine", alarm="")
    assert picture(plot_findings(report)).shape[0] > 50


def test_decisions_are_drawn_in_time_order() -> None:
    verdicts = ["wait"] * 9 + ["block"] + ["retrain"] + ["wait"] * 10
    decisions = [
        RetrainDecision(PLOT_DAY + timedelta(days=k), verdict, ("data_alarm",) if k == 10 else (), (), "m")
        for k, verdict in enumerate(verdicts)
    ]
    data = plot_decisions(decisions)
    assert data == plot_decisions(decisions[::-1])
    assert red(picture(data)) > 0
    assert picture(plot_decisions([])).size > 0


def test_the_newest_decisions_are_drawn_and_no_older_ones() -> None:
    decisions = [
        RetrainDecision(PLOT_DAY + timedelta(days=k), "wait", (), (), "m") for k in range(DECISIONS_SHOWN + 30)
    ]
    assert plot_decisions(decisions) == plot_decisions(decisions[30:])
    assert plot_decisions(decisions) != plot_decisions(decisions[31:])


def test_an_alarm_that_does_not_count_is_pale() -> None:
    def drawn_with(code: str) -> np.ndarray:
        return picture(plot_decisions([RetrainDecision(PLOT_DAY, "wait", (code,), (), "m")]))

    def pale(pixels: np.ndarray) -> int:
        return int((np.abs(pixels - [234, 181, 174]).sum(axis=2) < 30).sum())

    counted, dismissed = drawn_with("data_alarm"), drawn_with("data_alarm_unimportant")
    assert pale(counted) < 100 < pale(dismissed)
    assert red(dismissed) < red(counted)


def report(*moved: str, kind: str = "data") -> MonitoringReport:
    findings = [Finding(kind, name, "kolmogorov_smirnov", 0.5, 0.1, True, "moved") for name in moved]
    return conclude(
        "r", as_of=date(2026, 4, 10), model_version="m", sample_rows=200, findings=findings, ok="", alarm="x"
    )


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the axes of what is drawn."""
    seen: list[Any] = []

    def keep(figure: Any) -> bytes:
        seen.extend(one for one in figure.axes if one.axison)
        return PNG

    monkeypatch.setattr(module, "palette_png", keep)
    return seen


def test_a_picture_is_small_and_the_same_bytes_again(reference: MonitoringReference, world: Any) -> None:
    names = [name for name in reference.sample.column_names if name not in {"as_of_date", "user_id", "job_id"}]
    picture = plot_moved(report(*names), reference, world.day(30))
    assert picture is not None
    assert picture.startswith(PNG)
    assert len(picture) <= 40_000
    assert plot_moved(report(*names), reference, world.day(30)) == picture


def test_nothing_that_moved_is_no_picture(reference: MonitoringReference, world: Any) -> None:
    day = world.day(30)
    assert plot_moved(report(), reference, day) is None
    assert plot_moved(report("calibration_level"), reference, day) is None
    assert plot_moved(report("distance_km"), reference, day.drop_columns(["distance_km"])) is None


def test_both_sides_are_shares_of_their_own_rows(reference: MonitoringReference, world: Any, axes: list[Any]) -> None:
    day = world.day(30)
    shifted = day.set_column(
        day.column_names.index("distance_km"), "distance_km", pa.array(day["distance_km"].to_numpy() + 10_000.0)
    )
    plot_moved(report("distance_km"), reference, shifted)
    (panel,) = axes
    assert panel.get_title(loc="left") == "distance_km"
    before, after = (patch.get_path().vertices for patch in panel.patches)
    edges = panel.get_xlim()
    middle = sum(edges) / 2
    assert before[:, 1].max() == pytest.approx(100, abs=15)  # all of the reference at the left end
    assert before[before[:, 1] > 0][:, 0].max() < middle < after[after[:, 1] > 0][:, 0].min()


def test_a_new_category_stands_first_with_nothing_before(reference, world, axes) -> None:
    day = world.day(30, new_city=0.3)
    plot_moved(report("metro_code"), reference, day)
    (panel,) = axes
    bars = panel.patches
    before, after = bars[: len(bars) // 2], bars[len(bars) // 2 :]
    new = set(day["metro_code"].to_pylist()) - set(reference.sample["metro_code"].to_pylist())
    assert panel.get_yticklabels()[-1].get_text() in new
    assert before[-1].get_width() == 0
    share = np.mean([value in new for value in day["metro_code"].to_pylist()])
    assert after[-1].get_width() == pytest.approx(100 * share)


def test_columns_beyond_the_space_are_counted(reference: MonitoringReference, world: Any, axes: list[Any]) -> None:
    names = [name for name in reference.sample.column_names if name not in {"as_of_date", "user_id", "job_id"}]
    plot_moved(report(*names), reference, world.day(30))
    assert len(axes) == PANELS_MAXIMUM < len(names)
    legend = axes[0].figure.legends[0]
    assert f"{len(names) - PANELS_MAXIMUM} more columns moved" in legend.get_texts()[1].get_text()


def test_a_column_without_values_has_an_empty_side(reference: MonitoringReference, world: Any, axes: list[Any]) -> None:
    day = world.day(30)
    gone = day.set_column(day.column_names.index("distance_km"), "distance_km", pa.nulls(day.num_rows, pa.float64()))
    plot_moved(report("distance_km"), reference, gone)
    before, after = (patch.get_path().vertices[:, 1].max() for patch in axes[0].patches)
    assert before > 0
    assert after == 0


WORDS = {LABEL: Wording("sales"), "quote": Wording("quotes")}
performance_plot = partial(plot_performance, words=WORDS)
RANKING = [RankingDay(PLOT_DAY + timedelta(days=k), 0.45, 0.3, 0.1) for k in range(5)]


def performance(realised: float, *, days: int = 9, outcomes=tuple(WORDS), allowed: float | None = 0.05):
    return [
        PerformanceDay(PLOT_DAY + timedelta(days=k), outcome, metric, 0.75, realised, allowed)
        for k in range(days)
        for outcome in outcomes
        for metric in METRICS
    ]


def test_a_day_alarms_when_it_falls_short_by_more_than_allowed() -> None:
    assert not PerformanceDay(PLOT_DAY, LABEL, "roc_auc", 0.75, 0.5, None).is_alarm
    assert not PerformanceDay(PLOT_DAY, LABEL, "roc_auc", 0.75, 0.5, 0.25).is_alarm
    assert PerformanceDay(PLOT_DAY, LABEL, "roc_auc", 0.75, 0.5, 0.24).is_alarm


def test_what_falls_short_is_red_and_what_does_not_is_not() -> None:
    assert red(picture(performance_plot(performance(0.74), RANKING))) == 0
    assert red(picture(performance_plot(performance(0.6), RANKING))) > 50
    assert red(picture(performance_plot(performance(0.6, allowed=None), RANKING))) == 0


def test_there_is_a_panel_for_what_is_known_only() -> None:
    def height(*args) -> int:
        return picture(performance_plot(*args)).shape[0]

    both, one = performance(0.74), performance(0.74, outcomes=(LABEL,))
    assert height(both, RANKING) > height(both, []) > height(one, []) > height([], [])
    assert height([], RANKING) < height(one, RANKING)


def test_the_same_days_give_the_same_bytes_in_any_order() -> None:
    days = performance(0.6)
    assert performance_plot(days, RANKING) == performance_plot(days[::-1], RANKING[::-1])
