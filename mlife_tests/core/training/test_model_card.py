"""The model card: complete, escaped, self-contained, honest about what is missing, readable on a phone."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mlife_assets.core.pages.document import card_key, nav
from mlife_assets.core.pictures import data_uri
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy, policy_version
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.training import gate
from mlife_assets.core.training.explain import plot_importance
from mlife_assets.core.training.fairness.audit import audit_fairness, user_outcomes
from mlife_assets.core.training.fairness.results import FairnessAudit
from mlife_assets.core.training.model_card.describe import describe_model
from mlife_assets.core.training.model_card.facts import CardMetric, CardSubject, CardWindow, ModelCard, derived_limits
from mlife_assets.core.training.model_card.page import render_model_card
from mlife_assets.core.training.reliability import Calibration, calibration
from mlife_assets.recruiting.policies import LabelPolicy

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DAY = date(2026, 6, 2)
PICTURES = {
    title: data_uri(plot_importance({"a": value}, {}))
    for title, value in (("SHAP values", 1.0), ("SHAP value by distance in km", 2.0))
}
HOSTILE = "</title></style><script>window.pwned=1</script>\"'><img src=x onerror=window.pwned=1>&\x00\ud800"
VOID = {"meta", "link", "wbr", "img"}
BARE = ModelCard("mdl_bare", CardSubject("Late flights", ("For planning gates.",), "a flight arrives late"))
SUBJECT = CardSubject(
    title="Who applies to which job",
    purpose=("For ranking open jobs for one person.", "Not for deciding about people."),
    outcome_name="a person applies within 7 days",
    data=(("apply window", "7 days"), ("hire window", "30 days")),
    limits=("It learned from a simulated market.",),
    feature_words={"taste_match": "match of interests"},
    measure_words={"exposure": "Exposure: who is shown the well-paid"},
)


class Reader(HTMLParser):
    """Fails on a tag that is closed out of order; collects tags, attributes and the text of the body."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "wbr":
            self.words.append(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def text_of(card: ModelCard) -> str:
    return " ".join("".join(read(render_model_card(card)).words).split())


def measured(slope: float = 1.0, shift: float = 0.0, rows: int = 20_000) -> Calibration:
    """The calibration of probabilities whose log-odds are `slope` times too far out and `shift` too low."""
    rng = np.random.default_rng(3)
    log_odds = rng.normal(-3.5, 1.2, rows)
    outcome = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    said = 1 / (1 + np.exp(-(slope * (log_odds + 3.5) - 3.5 - shift)))
    return calibration(said, outcome, cluster_ids=np.arange(rows) // 4)


def audited(gap: float = 0.0) -> FairnessAudit:
    """An audit of 4,000 people; the scores of one sex are lower by `gap`."""
    rng = np.random.default_rng(5)
    users = np.array([f"u{number:04d}" for number in range(4_000)])
    sex = rng.choice(["Female", "Male", "unknown"], len(users), p=[0.45, 0.45, 0.1]).astype(object)
    race = rng.choice(["Asian", "White", "Native American or Alaska Native"], len(users), p=[0.495, 0.495, 0.01])
    scores = rng.normal(size=(len(users), 2)) - gap * (sex == "Female")[:, None]
    outcomes = user_outcomes(
        np.repeat(users, 2), np.tile(["a", "b"], len(users)), scores.ravel(), rng.normal(18, 3, 2 * len(users)),
        budget=1_000, depth=1, seed=1,
    )  # fmt: skip
    return audit_fairness("mdl_x", outcomes, sex, race.astype(object), PromotionPolicy())


@pytest.fixture(scope="module")
def artifact(models: ModuleType) -> Any:
    policy = TrainingPolicy()
    return models.tiny_artifact(
        1, trees=3, validation_start_date="2026-05-04", quarantined_rows=1234, trees_by_step={"is_applied": 133},
        calibrator="isotonic, sigmoid", validation_value=0.0712,
        importance={"taste_match": 0.4, "distance_km": 0.3, **{f"feature_{place}": 0.01 for place in range(20)}},
        policy=asdict(policy), policy_version=policy_version(policy), code_version="0.3.0",
        something_new={"nobody": ["told", "the card"]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def decision(artifact: Any) -> gate.PromotionDecision:
    """The verdict of the real gate on a ranking that the challenger knows better than the human and the champion."""
    rng = np.random.default_rng(11)
    users, jobs = 300, 8
    truth = rng.random((users, jobs))
    relevant = truth > np.sort(truth, axis=1)[:, [-2]]
    user, job = (grid.ravel() for grid in np.meshgrid(np.arange(users), np.arange(jobs), indexing="ij"))
    day = np.full(users * jobs, np.datetime64("2026-05-20"))
    examples = gate.GateExamples(user, job, day, relevant.ravel(), day + 8)

    def contender(version: str, noise: float, end: date | None = None) -> gate.Contender:
        scores = truth + noise * rng.normal(size=truth.shape)
        return gate.on_examples(examples, version, scores.ravel(), training_end_date=end)

    sides = {
        "challenger": contender(artifact.model_version, 0.1, date(2026, 5, 10)),
        "champion": contender("mdl_before", 0.3, date(2026, 4, 10)), "human": contender("recruiter_rule", 0.8),
        "simple": contender("simple_rule", 0.2),
    }  # fmt: skip
    policy = PromotionPolicy(minimum_users_with_positives=100, bootstrap_resamples=300)
    return gate.decide_promotion(gate.Hearing(examples, sides, gate.Terms(DAY), measured()), policy)


@pytest.fixture(scope="module")
def card(artifact: Any, decision: gate.PromotionDecision) -> ModelCard:
    policies = {"label": LabelPolicy(), "promotion": PromotionPolicy(calibration_slope_minimum=0.75)}
    card = describe_model(
        artifact, replace(SUBJECT, policies=policies), as_of=DAY, decision=decision, calibration=measured(),
        fairness=audited(), pictures=PICTURES,
        windows=(CardWindow("gate", date(2026, 5, 12), date(2026, 5, 26), "read once", 2_400, 300),),
    )  # fmt: skip
    return replace(card, metrics=(CardMetric("AUC", 0.812, 0.8, 0.824, "on validation"), *card.metrics))


def test_the_card_holds_every_part_with_its_numbers(card, artifact, decision) -> None:
    page, words = render_model_card(card), text_of(card)
    headings = re.findall(r"<h2>([^<]+)", page)
    assert headings == [
        "Limits and known failure modes", "What the gate said", "Compared by MAP@10", "Calibration", "Fairness",
        "Data and windows", "Features", "Method", "Policies", "Provenance",
    ]  # fmt: skip
    assert decision.outcome == "promoted"
    for sentence in (*decision.sentences, *(condition.sentence for condition in decision.conditions)):
        assert sentence in words
    for comparison in decision.comparisons:
        delta = comparison.delta
        difference = f"{delta.estimate:+.4f} {delta.lower:+.4f} to {delta.upper:+.4f}"
        asked = (
            "a win need not beat it"
            if comparison.against == "simple"
            else f"bound of a win {comparison.win_bound:+.4f}, must exceed {comparison.margin:g}"
        )
        assert f"{difference} {asked}" in words
        assert f"{comparison.other_map:.3f}" in words
    slope = card.calibration
    for told in (
        f"{slope.slope:.3f} {slope.slope_lower:.3f} to {slope.slope_upper:.3f}",
        f"{slope.level.estimate:.3f} {slope.level.lower:.3f} to {slope.level.upper:.3f}",
        "1 is right; the gate counts 0.75 to 1.25 as right",
        "below 1 too much is promised; the gate counts 0.67 to 1.5 as right",
        "20,000 rows outside the training", "1,234", "0.8 to 0.824", "12060, 16980, 19100, 33100", "0.3.0",
        "3 Apr 2026 to 10 May 2026", "4 May 2026 to 10 May 2026", "12 May 2026 to 26 May 2026", "apply window 7 days",
        "told, the card", "match of interests", "learning_rate 0.15", "gate_weeks 4", "0.1, worth 20 trials",
        artifact.training_data_hash,
        artifact.model_version,
        "a person applies within 7 days",
        f"{decision.users_with_positives} users with positives resampled in pairs, 95 % intervals.",
        "by sex and race or ethnicity: lowest ratio",
        "rising none",
        "Exposure: who is shown the well-paid",
        "Scoring: whose best score lies above the median",
        "It learned from a simulated market.",
    ):  # fmt: skip
        assert told in words, told
    for table in card.fairness.tables:
        for row in table.rows:
            people = f"{row.users:,} people, rate " if row.users is not None else ""
            assert f"{row.category} {people}" in words
            if row.lower is not None:
                assert f"{row.ratio:.2f} {row.lower:.2f} to {row.upper:.2f}" in words
    assert "Native American or Alaska Native" in words
    assert "too few people" in words


def test_what_is_missing_is_said_to_be_missing() -> None:
    words = text_of(BARE)
    for told in (
        "not judged by a gate", "No gate judged this model.", "No comparison was made",
        "Not measured on outcomes outside the training.", "Not audited.", "No window was recorded.",
        "The importance of features was not measured.", "No policy was recorded.", "was not audited for fairness",
        "probabilities are a ranking only",
    ):  # fmt: skip
        assert told in words
    assert "MAP" not in words
    assert "None" not in words


def test_examples_without_an_item_have_no_map_and_no_human(artifact) -> None:
    rng, rows = np.random.default_rng(2), 4_000
    truth, day = rng.random(rows), np.datetime64("2026-04-01") + np.arange(rows) % 28
    examples = gate.GateExamples(np.arange(rows), None, day, rng.random(rows) < truth / 2, day + 8)
    contender = gate.on_examples(examples, artifact.model_version, truth, training_end_date=date(2026, 3, 20))
    hearing = gate.Hearing(examples, {"challenger": contender}, gate.Terms(DAY), measured())
    decision = gate.decide_promotion(hearing, PromotionPolicy(bootstrap_resamples=300))
    words = text_of(describe_model(artifact, SUBJECT, decision=decision))
    for told in (
        "Compared by average precision", "28 days, or blocks of days, resampled in pairs", "ranking in use not given",
        "simple none was fitted", "champion there was none", "No ranking in use was given", "Not audited.",
    ):  # fmt: skip
        assert told in words
    assert "MAP" not in words


def test_a_measure_with_nothing_to_compare_says_so(card) -> None:
    empty = tuple(replace(table, rows=()) for table in card.fairness.tables)
    words = text_of(replace(card, fairness=replace(card.fairness, tables=empty)))
    assert "by sex and race or ethnicity: nothing to compare" in words
    assert re.search("Lowest impact ratio [–-] of 0 compared", words)


def test_pictures_stand_with_the_features_the_first_open_the_others_folded(card) -> None:
    page = render_model_card(card)
    shown = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert shown == [(source, title) for title, source in PICTURES.items()]
    first, second = (page.index(f'alt="{title}"') for title in PICTURES)
    assert page.index("Features</h2>") < first < page.index("<summary>SHAP value by distance") < second
    assert "<img" not in render_model_card(replace(card, pictures={}))


def test_limits_follow_from_the_facts(card) -> None:
    def told(changed: ModelCard) -> str:
        return " ".join(derived_limits(changed))

    def judged(**changes: Any) -> str:
        return told(replace(card, decision=replace(card.decision, **changes)))

    assert "fewer than 1,000" in told(card)
    assert "38 days, not a whole year" in told(card)
    assert "isotonic" in told(card)
    assert "sigmoid" not in told(card)
    assert "It was held against a rule, recruiter_rule, and not against people." in told(card)
    human = replace(card.decision.against("human"), model_version="panel:3f9a1c")
    panel = judged(comparisons=(human, *card.comparisons[1:]))
    assert "Beating panel:3f9a1c means beating the people of that panel" in panel
    assert "proxy" not in panel
    assert "covers all mature outcomes of the gate's days that no contender caused" in told(card)
    shown = judged(cohort="shown")
    assert "covers the items that users were shown from the gate's days on without a choice of a contender" in shown
    assert "covers outcomes of explored texts" in judged(cohort="explored texts")
    assert "exposure_kind, job_occupation_group, metro_code" in told(card)
    assert "did not promote" not in told(card)
    for outcome in ("refused", "not_enough_evidence"):
        assert "did not promote" in judged(outcome=outcome)
    assert "overconfident" in told(replace(card, calibration=measured(slope=1.6)))
    assert "underconfident" in told(replace(card, calibration=measured(slope=0.6)))
    unsure = replace(measured(), slope=0.97, slope_lower=0.9, slope_upper=1.04)
    assert not re.search("overconfident|underconfident", told(replace(card, calibration=unsure)))
    assert "predicts too many" in told(replace(card, calibration=measured(shift=-0.5)))
    assert "predicts too few" in told(replace(card, calibration=measured(shift=0.5)))
    assert "predicts too" not in told(card)
    unfair = told(replace(card, fairness=audited(gap=1.5)))
    assert re.search(r"Impact ratios proven below 0\.8: .*Female \(selection\)", unfair)
    assert "proven below" not in told(card)
    long = tuple(replace(w, first=date(2024, 1, 1), positives=5_000) for w in card.windows if w.name == "training")
    assert "whole year" not in told(replace(card, windows=long))
    assert "fewer than" not in told(replace(card, windows=long))


def test_the_figures_of_the_header_are_those_of_the_facts(card) -> None:
    figures = re.findall(r"<dt>([^<]+)</dt><dd><strong>([^<]+)</strong>", render_model_card(card))
    lowest = min(row.ratio for _, row in card.fairness.compared)
    assert figures == [
        ("MAP@10", f"{card.comparisons[0].challenger_map:.3f}"),
        ("Calibration slope", f"{card.calibration.slope:.2f}"),
        ("Training examples", "600"),
        ("Lowest impact ratio", f"{lowest:.2f}"),
    ]


def test_drawings_show_what_was_measured(card) -> None:
    page = render_model_card(card)
    reliability = page[page.index('aria-label="Reliability') :].split("</svg>")[0]
    points = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', reliability)]
    assert len(points) == len(card.calibration.bins)
    assert points == sorted(points), "said ascends from left to right"
    assert all(upper >= lower for (_, lower), (_, upper) in zip(points[1:], points, strict=False))
    assert reliability.count('class="whisker"') == len(points)
    differences = page[page.index('aria-label="Differences') :].split("</svg>")[0]
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', differences)]
    deltas = [card.decision.against(name).delta.estimate for name in ("human", "simple", "champion", "random")]
    assert np.argsort(places).tolist() == np.argsort(deltas).tolist()
    strips = page.count('class="strip-plot"')
    assert strips == sum(row.ratio is not None for table in card.fairness.tables for row in table.rows)


def test_the_card_loads_nothing_and_runs_nothing(card) -> None:
    page = render_model_card(card)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"data:image/png;base64,[^\"]+", "", page))
    for tag, attributes in read(page).tags:
        assert tag != "script"
        assert attributes.get("src", "data:image/png;").startswith("data:image/png;")
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "data:,") == "data:,", tag
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert "script-src" not in page


def test_a_card_links_to_other_pages_where_there_are_any(card) -> None:
    assert "<nav" not in render_model_card(card)
    assert '<a href="../../dashboard/index.html">' in render_model_card(card, nav(card_key(card.model_version)))


def test_each_step_has_its_own_calibrator(artifact) -> None:
    """A funnel of two steps was said to be isotonic and a sigmoid at once."""
    first = replace(artifact.stages[0], step="is_clicked")
    second = replace(first, step="is_applied", calibrator=Calibrator("sigmoid", (1.0, 0.0), ()))
    isotonic = replace(first, calibrator=Calibrator("isotonic", (0.0, 1.0), (0.1, 0.2)))
    two = describe_model(replace(artifact, stages=(isotonic, second)), SUBJECT)
    assert two.method[:2] == (("calibrator of is_clicked", "isotonic"), ("calibrator of is_applied", "sigmoid"))
    limits = " ".join(derived_limits(two))
    assert "The calibrator of the step is_clicked is isotonic" in limits
    assert "The calibrator of the step is_applied is a sigmoid curve" in limits
    assert "calibrator isotonic, sigmoid" not in text_of(two)
    one = describe_model(replace(artifact, stages=(second,)), SUBJECT)
    assert one.method[0] == ("calibrator", "sigmoid")
    told = " ".join(derived_limits(one))
    assert "The calibrator is a sigmoid curve" in told
    assert "isotonic" not in told


@pytest.mark.parametrize(
    ("calibrator", "words"),
    [
        (Calibrator("centred_isotonic", (0.0, 1.0), log_odds=(-1.0, 1.0)), "The calibrator is a curve through the"),
        (Calibrator("logistic", (0.0, 1.0), log_odds=(-1.0, 1.0)), "The calibrator is a logistic curve"),
        (Calibrator("base_rate", (0.0, 1.0), log_odds=(-1.0, -0.999)), "The scores said nothing of the outcome"),
    ],
)
def test_a_card_says_what_its_calibrator_cannot_do(artifact, calibrator: Calibrator, words: str) -> None:
    stage = replace(artifact.stages[0], calibrator=calibrator)
    assert words in " ".join(derived_limits(describe_model(replace(artifact, stages=(stage,)), SUBJECT)))


def test_a_card_says_which_fit_came_to_a_limit(artifact) -> None:
    limits = {"is_clicked": "maximum of trees", "is_applied": "first tree"}
    card = describe_model(replace(artifact, manifest={**artifact.manifest, "trees_at_limit": limits}), SUBJECT)
    told = " ".join(derived_limits(card))
    assert "The fit of is_clicked took as many trees as it may" in told
    assert "The fit of is_applied stopped at its first tree" in told
    assert "maximum of trees" in text_of(card)
    free = describe_model(replace(artifact, manifest={**artifact.manifest, "trees_at_limit": {}}), SUBJECT)
    assert "The fit of" not in " ".join(derived_limits(free))


def hostile(card: ModelCard) -> ModelCard:
    subject = CardSubject(
        HOSTILE, (HOSTILE,), HOSTILE, (), (HOSTILE,), feature_words={HOSTILE: HOSTILE}, measure_words={HOSTILE: HOSTILE}
    )
    decision = replace(
        card.decision, objective=HOSTILE, cohort=HOSTILE, sentences=(HOSTILE,),
        comparisons=tuple(replace(one, against=HOSTILE, model_version=HOSTILE) for one in card.comparisons[:1]),
        conditions=tuple(replace(one, name=HOSTILE, sentence=HOSTILE) for one in card.decision.conditions),
    )  # fmt: skip
    row = replace(card.fairness.tables[0].rows[0], category=HOSTILE)
    table = replace(card.fairness.tables[0], measure=HOSTILE, attribute=HOSTILE, rows=(row,))
    return replace(
        card, model_version=HOSTILE, subject=subject, decision=decision, data=((HOSTILE, HOSTILE),),
        windows=(CardWindow(HOSTILE, DAY, DAY, HOSTILE),), metrics=(CardMetric(HOSTILE, 1.0, note=HOSTILE),),
        fairness=replace(card.fairness, tables=(table,)), importance={HOSTILE: {HOSTILE: 1.0}},
        pictures={HOSTILE: PICTURES["SHAP values"], HOSTILE + "2": PICTURES["SHAP values"]},
        vocabularies={HOSTILE: (HOSTILE,)}, policies={HOSTILE: ((HOSTILE, HOSTILE),)}, method=((HOSTILE, HOSTILE),),
        provenance=((HOSTILE, HOSTILE),),
    )  # fmt: skip


def test_every_text_is_escaped(card) -> None:
    page = render_model_card(hostile(card))
    for tag, attributes in read(page).tags:
        assert tag != "script"
        assert tag != "img" or attributes["src"].startswith("data:image/png;base64,")
        assert "onerror" not in attributes
    page.encode()


def test_the_same_facts_give_the_same_bytes_in_any_order_of_maps(card) -> None:
    turned = replace(
        card,
        vocabularies=dict(reversed(card.vocabularies.items())),
        importance={stage: dict(reversed(values.items())) for stage, values in card.importance.items()},
        decision=replace(card.decision, comparisons=card.comparisons[::-1]),
    )
    first = replace(turned, decision=card.decision)
    assert render_model_card(first).encode() == render_model_card(card).encode()
    kept = re.compile(r"<section[^>]*aria-label=\"Compared.*?</section>", re.S)
    assert kept.search(render_model_card(turned)).group() == kept.search(render_model_card(card)).group()


def test_a_part_that_nobody_measured_removes_no_other(card) -> None:
    for name in ("calibration", "fairness", "slope_bounds", "decision", "as_of_date"):
        assert "Provenance" in text_of(replace(card, **{name: None}))
    for name in ("windows", "data", "method", "provenance", "metrics"):
        assert "Calibration" in text_of(replace(card, **{name: ()}))
    for name in ("comparisons", "conditions", "sentences"):
        assert "Calibration" in text_of(replace(card, decision=replace(card.decision, **{name: ()})))


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1280, "dark")])
def test_a_card_has_no_fault_and_fits_the_screen(look, card, width: int, scheme: str) -> None:
    for name, facts in (("full", card), ("bare", BARE), ("hostile", hostile(card))):
        page = render_model_card(facts, nav(card_key("mdl_x")))
        seen = look(page, width, scheme)
        assert (seen.problems, seen.requests, seen.faults) == ([], [], []), name
        assert seen.width <= width, name
        assert len(page) < 1_000_000


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_no_table_of_a_card_is_cut_off(browser: Browser, card, tmp_path: Path, width: int) -> None:
    file = tmp_path / "card.html"
    file.write_text(render_model_card(card), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(file.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
    assert page.evaluate("window.pwned") is None
    assert page.get_by_role("img", name="Reliability").bounding_box()["width"] > 250
    page.get_by_text("Not for deciding about people.").wait_for()
    for words in ("Difference", "undecided", "Outcomes"):
        found = page.locator(".scroll", has_text=words).all()
        assert found, words
        for part in found:
            assert part.evaluate("part => part.scrollWidth <= part.clientWidth"), words
    page.close()


@pytest.mark.browser
def test_what_is_folded_is_open_on_paper(browser: Browser, card, tmp_path: Path) -> None:
    file = tmp_path / "card.html"
    file.write_text(render_model_card(card), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    assert page.get_by_text("learning_rate").first.is_visible()
    page.close()


def test_a_card_says_of_each_step_up_to_which_day_it_was_trained(artifact) -> None:
    told = {
        "training_start_date": "2026-04-01", "training_end_date": "2026-05-15",
        "trained_to": {"is_clicked": "2026-05-15", "is_applied": "2026-05-10"}, "validation_start_date": "2026-05-04",
        "validation_end_date": "2026-05-10", "label": "is_applied", "examples": 5_000, "positives": 70,
        "examples_by_step": {"is_clicked": 5_600, "is_applied": 5_000},
    }  # fmt: skip
    card = describe_model(replace(artifact, manifest={**artifact.manifest, **told}), SUBJECT)
    windows = {one.name: (one.first, one.last, one.rows) for one in card.windows}
    assert windows == {
        "training": (date(2026, 4, 1), date(2026, 5, 10), 5_000),
        "validation": (date(2026, 5, 4), date(2026, 5, 10), None),
        "is_clicked": (date(2026, 4, 1), date(2026, 5, 15), 5_600),
    }
    assert card.positives == 70
    assert not [name for name, _ in card.data if name.startswith("trained_to")]
    early = {
        "first_day": "2026-05-11", "last_day": "2026-05-15", "rows": 600, "positives": 9, "share_of_positives": 0.96,
    }  # fmt: skip
    taught = describe_model(replace(artifact, manifest={**artifact.manifest, **told, "early_label": early}), SUBJECT)
    window = next(one for one in taught.windows if one.name == "early_label")
    assert (window.first, window.last, window.rows, window.positives) == (date(2026, 5, 11), date(2026, 5, 15), 600, 9)
    assert ("early_label.share_of_positives", "0.96") in taught.data
    assert not [name for name, _ in (*taught.data, *taught.method) if name.endswith("_day")]
    together = {**told, "trained_to": {"is_applied": "2026-05-15"}}
    alone = describe_model(replace(artifact, manifest={**artifact.manifest, **together}), SUBJECT)
    assert [one.name for one in alone.windows] == ["training", "validation"]
