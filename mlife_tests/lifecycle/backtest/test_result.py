"""What a replay says: costly steps once, criteria and their intervals, the recommended policy, and the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import IntegrityError, NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.policies import BacktestPolicy
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.lifecycle.backtest.contestants import NAMES
from mlife_assets.lifecycle.backtest.measure import Criterion, Measured, Ranking, log_loss, measure
from mlife_assets.lifecycle.backtest.page import (
    decision_rows,
    differences,
    is_alarmed,
    lanes,
    plot_replay,
    policy_rows,
    render_backtest,
    signs_used,
)
from mlife_assets.lifecycle.backtest.replay import HELD
from mlife_assets.lifecycle.backtest.result import Work, recommend, short_of_weekly

ROOT = Path(__file__).resolve().parents[3]
POLICY = BacktestPolicy(bootstrap_resamples=400)
WORK = {
    "governed": Work(8, 5), "frozen": Work(1, 0), "naive": Work(40, 39), "every_alarm": Work(12, 11),
    "constant": Work(0, 0),
}  # fmt: skip
RESAMPLES = 400


def test_a_step_is_computed_once_and_comes_back_to_the_bit(store):
    value = {"b": [0.1 + 0.2, 1e-300], "a": "ü"}
    assert Checkpoints(store, "h").remember("one", lambda: value) == value
    again = Checkpoints(store, "h")
    assert again.remember("one", lambda: pytest.fail("computed again")) == value
    assert again.found == 1


def test_other_steps_and_other_inputs_do_not_meet(store):
    Checkpoints(store, "h").remember("one", lambda: 1)
    assert Checkpoints(store, "h").remember("two", lambda: 2) == 2
    assert Checkpoints(store, "other").remember("one", lambda: 3) == 3
    assert Checkpoints(store, "h").remember("one", lambda: 4) == 1


def test_a_step_that_fails_leaves_nothing_and_not_a_number_is_no_result(store):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Checkpoints(store, "h").remember("one", fail)
    with pytest.raises(ValueError, match="Out of range"):
        Checkpoints(store, "h").remember("one", lambda: float("nan"))
    assert store.objects == {}


@pytest.mark.parametrize("change", [b'"result":2', b'"result":', b"\xff"])
def test_a_changed_checkpoint_is_refused(store, change):
    Checkpoints(store, "h").remember("one", lambda: 1)
    (key,) = store.objects
    store.objects[key] = store.objects[key].replace(b'"result":1', change)
    with pytest.raises(IntegrityError, match="delete it and run again"):
        Checkpoints(store, "h").remember("one", lambda: 1)


def test_a_checkpoint_of_another_step_is_refused(store):
    kept = Checkpoints(store, "h")
    kept.remember("one", lambda: 1)
    (one,) = store.objects
    kept.remember("two", lambda: 2)
    (two,) = set(store.objects) - {one}
    store.objects[two] = store.objects[one]
    with pytest.raises(IntegrityError, match="of two was changed"):
        kept.remember("two", lambda: 2)


def test_seconds_are_kept_with_the_step_and_survive(store):
    ticks = iter([10.0, 12.5])
    assert Timings(store, "h", lambda: next(ticks)).measure("one", lambda: "x") == "x"
    later = Timings(store, "h", lambda: pytest.fail("measured again"))
    assert later.seconds("one") == 2.5
    with pytest.raises(NotFoundError):
        later.seconds("two")


@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.integers(1, 8))
def test_average_precision_is_the_gates_and_a_weight_is_a_repetition(seed, rows, levels):
    rng = np.random.default_rng(seed)
    score, outcome = rng.integers(0, levels, rows).astype(float), rng.random(rows) < 0.4
    outcome[0] = True
    ranking = Ranking.of(score)
    found = ranking.average_precision(outcome, np.ones(rows))
    assert found == pytest.approx(average_precision(score, outcome), abs=1e-12)
    weights = rng.integers(0, 3, rows)
    weights[0] = 1
    repeated = average_precision(np.repeat(score, weights), np.repeat(outcome, weights))
    assert ranking.average_precision(outcome, weights.astype(float)) == pytest.approx(repeated, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(10, 80), st.integers(1, 6), st.integers(1, 5))
def test_several_rankings_are_the_mean_of_each_by_its_positives(seed, rows, levels, count):
    rng = np.random.default_rng(seed)
    score, outcome = rng.integers(0, levels, rows).astype(float), rng.random(rows) < 0.4
    codes, weights = rng.integers(0, count, rows), rng.integers(0, 3, rows)
    outcome[0], weights[0] = True, 1
    parts = [
        (average_precision(np.repeat(score[own], weights[own]), np.repeat(outcome[own], weights[own])), positives)
        for code in range(count)
        if (positives := int((weights * outcome)[own := codes == code].sum()))
    ]
    expected = np.average([value for value, _ in parts], weights=[positives for _, positives in parts])
    found = Ranking.of(score, codes).average_precision(outcome, weights.astype(float))
    assert found == pytest.approx(expected, abs=1e-12)


def test_nothing_ranks_nothing():
    assert Ranking.of(np.zeros(0)).average_precision(np.zeros(0, dtype=bool), np.zeros(0)) == 0.0
    assert Ranking.of(np.ones(3)).average_precision(np.zeros(3, dtype=bool), np.ones(3)) == 0.0


def served(rng, days=70, rows=40):
    codes = np.repeat(np.arange(days), rows)
    signal = rng.normal(size=len(codes))
    outcome = rng.random(len(codes)) < 1 / (1 + np.exp(1 - signal))
    return codes, signal, outcome


def measured(probabilities, outcome, codes, days=70, policy=POLICY):
    return measure(probabilities, outcome, codes, days, policy, period_days=7)


def test_a_better_policy_is_separated_from_a_worse_one_and_equal_ones_are_equal():
    rng = np.random.default_rng(5)
    codes, signal, outcome = served(rng)
    good = 1 / (1 + np.exp(1 - signal))
    noisy = 1 / (1 + np.exp(1 - 0.3 * signal + rng.normal(size=len(signal))))
    found = measured({"a": good, "b": noisy, "c": good.copy()}, outcome, codes)
    for criterion in found.criteria.values():
        assert criterion.gain("a", "b").lower > 0.03
        assert criterion.gain("b", "a").estimate == -criterion.gain("a", "b").estimate
        same = criterion.gain("a", "c")
        assert same.lower == same.estimate == same.upper == 0
        assert criterion.is_as_good("c", "a")
        assert criterion.is_as_good("a", "b")
        assert not criterion.is_as_good("b", "a")
        interval = criterion.interval("a")
        assert interval.n == 10
        assert interval.lower < interval.estimate < interval.upper
    assert found.log_loss.values["a"] == pytest.approx(log_loss(good, outcome))
    assert found.average_precision.margin == POLICY.margin_average_precision
    assert found.log_loss.margin == POLICY.margin_log_loss


def test_the_margin_is_held_against_the_lower_bound():
    codes, signal, outcome = served(np.random.default_rng(8))
    probabilities = {
        "a": 1 / (1 + np.exp(1 - signal)),
        "b": 1 / (1 + np.exp(1 - signal + np.random.default_rng(9).normal(size=len(signal)) / 3)),
    }
    gain = measured(probabilities, outcome, codes).average_precision.gain("b", "a")
    assert gain.lower < gain.estimate < 0
    for margin, is_as_good in ((-gain.lower + 1e-6, True), (-gain.lower - 1e-6, False)):
        policy = BacktestPolicy(bootstrap_resamples=400, margin_average_precision=margin)
        found = measured(probabilities, outcome, codes, policy=policy).average_precision
        assert found.is_as_good("b", "a") is is_as_good


def test_knowing_when_it_happens_often_counts_over_all_rows_and_not_within_periods():
    """`level` knows the season and nothing of a row, `order` the other way round."""
    rng = np.random.default_rng(11)
    days = 140
    codes = np.repeat(np.arange(days), 40)
    season, signal = np.where(codes // 7 % 2, 2.0, -2.0), rng.normal(size=len(codes))
    outcome = rng.random(len(codes)) < 1 / (1 + np.exp(1 - season - signal))
    level, order = (1 / (1 + np.exp(1 - logit)) for logit in (season, signal))
    found = measured({"level": level, "order": order}, outcome, codes, days)
    assert found.average_precision.gain("level", "order").estimate > 0
    assert found.log_loss.gain("level", "order").estimate > 0
    assert found.within_periods.gain("order", "level").lower > 0.05


def test_a_period_of_one_class_dilutes_nothing():
    codes, signal, outcome = served(np.random.default_rng(12))
    good, bad = 1 / (1 + np.exp(1 - signal)), 1 / (1 + np.exp(1 + signal))
    longer = np.concatenate([codes, np.repeat(np.arange(70, 140), 40)])
    one_class = np.concatenate([outcome, np.repeat([True, False], 35 * 40)])
    plain = measured({"a": good, "b": bad}, outcome, codes).within_periods
    other = measured({"a": np.tile(good, 2), "b": np.tile(bad, 2)}, one_class, longer, 140).within_periods
    assert other.values == pytest.approx(plain.values)


def test_log_loss_is_per_row_however_many_rows_a_resample_draws():
    codes = np.repeat(np.arange(70), 1 + 30 * (np.arange(70) % 2))
    outcome = np.arange(len(codes)) % 3 == 0
    interval = measured({"a": np.full(len(codes), 0.5)}, outcome, codes).log_loss.interval("a")
    assert [interval.lower, interval.estimate, interval.upper] == pytest.approx([np.log(2)] * 3)


def test_days_that_share_a_fate_widen_the_interval():
    rng = np.random.default_rng(6)
    codes, signal, outcome = served(rng)
    luck = np.repeat(rng.normal(size=10), 7)[codes]
    probability = 1 / (1 + np.exp(1 - signal))
    shared = rng.random(len(codes)) < 1 / (1 + np.exp(1 - signal - 2 * luck))
    widths = []
    for labels in (outcome, shared):
        interval = measured({"a": probability}, labels, codes).average_precision.interval("a")
        widths.append(interval.upper - interval.lower)
    assert widths[1] > 2 * widths[0]


def test_too_few_days_and_one_class_are_refused():
    codes = np.repeat(np.arange(55), 10)
    outcome = np.arange(550) % 3 == 0
    half = {"a": np.full(550, 0.5)}
    with pytest.raises(NotEnoughEvidenceError, match="has 55 days, 56 needed"):
        measured(half, outcome, codes, 55)
    with pytest.raises(NotEnoughEvidenceError, match="0 of 550 served rows"):
        measured(half, np.zeros(550, dtype=bool), codes, 56)


def test_log_loss_is_that_of_the_outcome():
    assert log_loss(np.array([0.8, 0.8]), np.array([True, False])) == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2)


def criterion(
    values: dict[str, float], half: float, *, is_lower_better: bool = False, margin: float = 0.01
) -> Criterion:
    """Return a criterion in which each policy scatters by itself; intervals of differences are about `half` wide."""
    rng = np.random.default_rng(3)
    # The quantile of a difference of two, widened for forty blocks.
    scatter = {name: rng.normal(size=RESAMPLES) * half / 2.03 / np.sqrt(2) for name in values}
    resampled = {name: value + scatter[name] - scatter[name].mean() for name, value in values.items()}
    return Criterion(values, resampled, margin, is_lower_better, 40, 0.025)


def results_of(half=0.003, *, within=(), losses=(), constant=0.2, **values: float) -> Measured:
    values = {**values, "constant": constant}
    loss = {**dict.fromkeys(values, 0.5), "constant": 0.6, **dict(losses)}
    ranked = criterion(values, half), criterion({**values, **dict(within)}, half)
    return Measured(*ranked, criterion(loss, 0.002, is_lower_better=True))


def said(found) -> str:
    return " ".join(found.sentences)


def test_a_weekly_refit_is_recommended_and_less_work_is_reported():
    found = recommend(results_of(governed=0.4, frozen=0.35, naive=0.403, every_alarm=0.403), WORK)
    assert found.policy == "naive"
    assert found.sentences[0].startswith("Recommended: naive retraining (average precision 0.403")
    assert found.sentences[0].endswith("40 trainings, 39 refits).")
    less = "is less work than naive retraining, and"
    margins = "(0.01 of average precision, 0.01 of average precision within periods, 0.01 of log loss)"
    assert f"Governed retraining {less} lost at most the margin here {margins}." in said(found)
    assert f"The frozen model {less} may lose more than the margin by average" in said(found)
    assert "Governed retraining gains over naive retraining: average precision -0.0030 (" in said(found)
    assert "; 5 refits against 39." in said(found)
    found = recommend(results_of(0.05, governed=0.4, frozen=0.4, naive=0.4, every_alarm=0.4), WORK)
    assert "lost at most the margin" not in said(found), "a wide interval shows nothing"
    more = {**WORK, "governed": Work(44, 43)}
    found = recommend(results_of(governed=0.5, frozen=0.3, naive=0.4, every_alarm=0.3), more)
    assert "Governed retraining is less work" not in said(found)


@pytest.mark.parametrize("by", ["within", "losses"])
def test_each_criterion_counts(by):
    """The frozen model is level in one ranking of all rows; it orders the rows of a period worse, or errs in level."""
    worse = {"within": {"frozen": 0.35}, "losses": {"frozen": 0.55}}[by]
    found = results_of(governed=0.4, frozen=0.4, naive=0.4, every_alarm=0.4, **{by: worse})
    what = {"within": "average precision within periods", "losses": "log loss"}[by]
    assert short_of_weekly(found, "frozen") == [what]
    assert f"The frozen model is less work than naive retraining, and may lose more than the margin by {what}." in said(
        recommend(found, WORK)
    )


def test_how_often_a_weekly_refit_was_right_is_what_is_recorded():
    record = json.loads((ROOT / "benchmarks" / "results" / "replays.json").read_text())
    second = [one["policies"] for one in record["replays"] if one["part"] == "second half"]

    def near(what: str, sign: int) -> int:
        return sum(
            max(sign * one[what] for one in half.values()) - sign * half["naive"][what] <= 0.01 for half in second
        )

    pooled, within, loss = near("average_precision", 1), near("within_periods", 1), near("log_loss", -1)
    mean, _, upper = record["regret_of_always"]["naive"]
    assert mean <= record["thresholds"]["mean_regret"]
    assert upper <= record["thresholds"]["upper_regret"]
    assert f"{len(second)} recorded histories" in HELD
    assert f"on {pooled} in average precision, on {within} within periods, on {loss} in log loss" in HELD
    told = (ROOT / "docs" / "what_a_change_has_to_show.md").read_text()
    assert f"| always weekly | {pooled} | {within} | {loss} |" in told
    least = [str(sum(one["is_right"][what] for one in record["halves"])) for what in record["halves"][0]["is_right"]]
    assert f"on the first half, on {least[0]}, {least[1]} and {least[2]}." in HELD
    assert f"| {' | '.join(least)} |" in told


def test_nobody_is_told_to_rank_by_what_is_not_shown_to_rank():
    losses = {"governed": 0.7, "frozen": 0.7, "constant": 0.6}
    found = said(recommend(results_of(governed=0.4, frozen=0.2, naive=0.2, every_alarm=0.2, losses=losses), WORK))
    assert "is better than governed retraining (-0.1000" in found
    assert found.count("rank by these models") == 1
    _, _, after = found.partition("rank by these models")
    assert "is better than the frozen model (-0.1000" in after
    assert "these models are not shown to rank better either." in after


def test_nothing_is_shown_as_minus_nothing():
    even = criterion(dict.fromkeys(WORK, 0.5), 0.0, is_lower_better=True)
    found = said(recommend(Measured(even, even, even), WORK))
    assert "average precision +0.0000 (+0.0000 to +0.0000)" in found
    assert "-0.0000" not in found


def test_a_constant_that_nothing_beats_is_recommended_and_said():
    level = dict.fromkeys(("governed", "frozen", "naive", "every_alarm"), 0.2)
    found = recommend(results_of(constant=0.2, losses={"constant": 0.5}, **level), WORK)
    assert found.policy == "constant"
    assert "Nothing is shown to beat one probability for everybody" in said(found)
    one_does = recommend(results_of(constant=0.2, losses={"constant": 0.5}, **(level | {"naive": 0.22})), WORK)
    assert one_does.policy == "naive"
    assert "Nothing is shown to beat" not in said(one_does)


def test_models_that_rank_and_say_worse_probabilities_than_a_constant_are_named():
    losses = {"frozen": 0.7, "constant": 0.6}
    found = recommend(results_of(governed=0.4, frozen=0.3, naive=0.4, every_alarm=0.4, losses=losses), WORK)
    assert "By log loss one probability for everybody is better than the frozen model (-0.1000" in said(found)
    assert "Nothing is shown to beat" not in said(found)


def test_with_a_margin_of_zero_policies_that_serve_the_same_are_as_good_as_each_other():
    names = ("governed", "frozen", "naive", "every_alarm", "constant")
    same = Criterion(dict.fromkeys(names, 0.4), dict.fromkeys(names, np.full(RESAMPLES, 0.4)), 0.0, False, 40, 0.025)
    found = recommend(Measured(same, same, same), WORK)
    assert found.policy == "constant"


@pytest.fixture(scope="module")
def page(changed) -> str:
    return render_backtest(changed.result, changed.cost)


def words(page: str) -> str:
    return " ".join(unescape(re.sub("<[^>]+>", " ", page)).split())


def test_the_page_says_what_was_found(page, changed):
    told = words(page)
    result = changed.result
    for sentence in (*result.recommendation.sentences, *result.limits, *result.notes):
        assert " ".join(sentence.split()) in told
    for one in result.policies:
        assert f"{one.score.average_precision.estimate:.4f}" in told
        assert f"{one.fitted_rows:,}" in told
        assert f" {one.trainings} {one.fits} {one.refusals} {one.installations} {one.fitted_rows:,} " in told
    for gains in result.gains.values():
        for name, versus in gains.items():
            assert name in told
            assert f"{versus.estimate:+.4f}" in told
    for title in ("Average precision", "Regret, cumulated", "Trainings, cumulated", "Labels", "What each policy did"):
        assert title in told
    assert "which was installed ungated" in told


def test_every_action_of_every_policy_has_its_sign(changed):
    drawing = lanes(changed.result)
    for name in NAMES:
        assert f">{name}<" in drawing
    acted = [d for one in changed.result.policies for d in one.decisions if d.action != "wait"]
    assert len(re.findall(r'class="sign ', drawing)) == len(acted)
    alarmed = [d for one in changed.result.policies for d in one.decisions if is_alarmed(d.codes)]
    assert len(re.findall(r'class="run m-tick"', drawing)) == len(alarmed) > 0
    assert {kind for kind, _, _ in signs_used(changed.result)} == {d.action for d in acted}


def test_decisions_of_governed_are_newest_first_with_codes(changed, page):
    acted = [one for one in changed.result.policy("governed").decisions if one.action != "wait"]
    summary, rows = decision_rows(changed.result)
    assert [row.decision for row in rows] == acted[::-1]
    waited = len(changed.result.policy("governed").decisions) - len(acted)
    assert summary.startswith(f"{waited:,} of ")
    for one in acted:
        for code in one.codes:
            assert f"<code>{code}</code>" in page


def test_the_recommended_policy_is_marked(changed, page):
    chosen = changed.result.recommendation.policy
    assert [row.name for row in policy_rows(changed.result, changed.cost) if row.is_chosen] == [chosen]
    assert re.search(rf'<tr class="chosen"><th scope="row">{chosen}\n', page)
    assert page.count('class="chosen"') == 1


def test_the_margin_is_drawn(changed, page):
    gains = changed.result.gains
    drawn = differences(changed.result)
    assert [what for what, _ in drawn] == list(gains)
    for what, drawing in drawn:
        assert drawing.count('class="limit c-threshold"') == len(gains[what])
        assert f"Governed against each other, {what}" in page


def test_text_from_data_is_never_markup_and_a_note_stands_before_the_figures(changed):
    evil = '<img src=x onerror="alert(1)">'
    page = render_backtest(replace(changed.result, title=evil, source=evil, notes=("A note.",)), changed.cost)
    assert "<img" not in page
    assert page.count("&lt;img src=x") == 3
    assert page.index("A note.") < page.index('class="tiles"')


def test_the_page_loads_nothing_and_is_the_same_each_time(page, changed):
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page == render_backtest(changed.result, changed.cost)


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_the_page_has_no_fault_and_fits_its_window(page, look, width, scheme):
    seen = look(page, width, scheme)
    assert (seen.problems, seen.requests, seen.faults) == ([], [], [])
    assert seen.width <= width
    assert len(page) < 1_000_000


@pytest.mark.browser
def test_a_sign_says_what_was_done(page, browser, tmp_path: Path):
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    tab = browser.new_page()
    tab.goto(file.as_uri())
    sign = tab.locator(".sign[data-tip]").first
    sign.scroll_into_view_if_needed()
    sign.hover(force=True)
    assert "installed" in tab.locator("#tip").inner_text()
    tab.close()


def test_the_picture_is_small_and_the_same_each_time(changed, calm):
    one = plot_replay(changed.result)
    assert one[:4] == b"\x89PNG"
    assert len(one) < 60_000
    assert plot_replay(changed.result) == one
    assert plot_replay(calm.result) != one
