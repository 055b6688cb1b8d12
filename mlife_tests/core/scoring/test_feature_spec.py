"""Features and calibrators: one row alone is a batch, a cold start gets the prior, and JSON keeps every bit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NewerVersionError
from mlife_assets.core.examples import ExampleSpec, RateRole
from mlife_assets.core.scoring import feature_spec
from mlife_assets.core.scoring.calibrator import FLOOR, FLOOR_OF_ALL, Calibrator
from mlife_assets.core.scoring.feature_spec import STRENGTH_MAXIMUM, FeatureSpec, examples_matrix, fit_rate, seen_matrix

ROLE = RateRole("click_rate", "clicks", "shown")
RATE = feature_spec.SmoothedRate("click_rate", "clicks", "shown", prior_rate=0.1, prior_strength=20.0)
SPEC = FeatureSpec(("clicks", "shown", "city"), (("city", ("a", "b")),), (RATE,))
ROLES = ExampleSpec(
    entity="who", time="day", label="done", label_time="mature", features=("clicks", "shown"),
    categoricals=("city", "shift"), rates=(ROLE,), vocabularies=(("shift", ("night", "day")),),
)  # fmt: skip
COUNTS = st.one_of(st.integers(0, 10_000).map(float), st.floats(allow_nan=True, allow_infinity=True))
STEPS = Calibrator("isotonic", (-2.0, 0.1, 3.0), (0.0, 0.25, 1.0))
SIGMOID = Calibrator("sigmoid", (1.5, -0.7), ())
CURVE = Calibrator("centred_isotonic", (-3.0, -2.0, 0.1, 3.0), log_odds=(-6.0, -5.0, -4.9, 1.0))
LINE = Calibrator("logistic", (-1.0, 1.0), log_odds=(-2.2, 0.8))
FLAT = Calibrator("base_rate", (-1.0, 1.0), log_odds=(-2.001, -1.999))
RAW = np.array([-1e300, -9.0, -2.0, 0.0, 0.1, 1.0 / 3.0, 3.0, 9.0, 1e300])
OF_0_1_0 = (
    (
        '{"method":"isotonic","probability":[1e-06,0.004,0.02,0.02,0.31],"raw":[-7.25,-5.1,-3.75,-3.0,0.125]}',
        [1e-06, 0.004, 0.01229629629629629, 0.02, 0.029280000000000007, 0.31],
    ),
    (
        '{"method":"sigmoid","probability":[],"raw":[0.8437,-0.2191]}',
        [0.0004045219316513, 0.0107507585350818, 0.0192391760868511, 0.0472765622410025, 0.0650200136059269, 0.9591327],
    ),
)
"""Files of release 0.1.0, and what it made of the scores -9, -5.1, -4.4, -3.3, -2.9 and 4."""


def examples(rows: int = 6) -> pa.Table:
    return pa.table(
        {
            "clicks": pa.array([1, 0, None, 3, 2, 0][:rows], pa.int64()),
            "shown": pa.array([10, 0, None, 30, 20, 5][:rows], pa.int64()),
            "city": pa.array(["b", "c", None, "b", "a", "b"][:rows], pa.string()),
            "shift": pa.array(["day", "dawn", None, "night", "day", "day"][:rows], pa.string()),
        }
    )


def rates_of(clicks: list[float], shown: list[float]) -> list[float]:
    matrix = np.column_stack([clicks, shown, np.zeros(len(clicks))])
    return SPEC.expanded(matrix)[:, -1].tolist()


def drawn_counts(strength: float, mean: float, rows: int, seed: int, most: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    trials = rng.integers(0, most, rows)
    rate = rng.beta(mean * strength, (1 - mean) * strength, rows)
    return rng.binomial(trials, rate).astype(float), trials.astype(float)


def test_a_rate_moves_from_the_prior_to_its_own_share_and_unknown_counts_are_none() -> None:
    assert rates_of([0.0, np.nan, 0.0], [0.0, np.nan, np.nan]) == [0.1, 0.1, 0.1]
    assert rates_of([10, 100, 0], [20, 200, 180]) == pytest.approx([12 / 40, 102 / 220, 2 / 200], rel=1e-15)
    assert rates_of([-3, 0, -3], [-5, -5, 20]) == pytest.approx([0.1, 0.1, 2 / 40], rel=1e-15)
    # A missing count is not a zero: no clicks known of 50 shown is not the rate of no clicks of 50.
    assert rates_of([np.nan, 4.0, np.nan], [50.0, np.nan, np.nan]) == [0.1, 0.1, 0.1]
    assert rates_of([0.0], [50.0])[0] == pytest.approx(2 / 70, rel=1e-15)


@given(st.lists(st.tuples(COUNTS, COUNTS, st.sampled_from([0.0, 1.0, np.nan])), min_size=1, max_size=9))
def test_a_row_alone_is_the_batch_and_no_count_breaks_a_rate(rows: list[tuple[float, float, float]]) -> None:
    matrix = np.array(rows)
    batch = SPEC.expanded(matrix)
    alone = np.concatenate([SPEC.expanded(matrix[place : place + 1]) for place in range(len(matrix))])
    assert batch.shape == (len(matrix), len(SPEC.model_names))
    assert batch[:, :3].tobytes() == matrix.tobytes()
    assert alone.tobytes() == batch.tobytes()
    assert np.isfinite(batch[:, 3]).all()
    possible = (matrix[:, 0] <= matrix[:, 1]) & (matrix[:, 1] >= 0)
    assert ((batch[possible, 3] >= 0) & (batch[possible, 3] <= 1)).all()


def test_names_are_the_matrix_then_the_rates() -> None:
    assert SPEC.model_names == ("clicks", "shown", "city", "click_rate")
    assert SPEC.categorical == ("city",)
    plain = replace(SPEC, rates=())
    matrix = np.ones((2, 3))
    assert plain.expanded(matrix) is matrix


@pytest.mark.parametrize(
    ("mean", "strength", "most"), [(0.1, 8.0, 60), (0.3, 40.0, 60), (0.03, 30.0, 60), (0.3, 6.0, 5)]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_prior_of_a_beta_binomial_is_found(mean: float, strength: float, most: int, seed: int) -> None:
    found = fit_rate(ROLE, *drawn_counts(strength, mean, 40_000, seed, most))
    assert found.prior_rate == pytest.approx(mean, rel=0.03)
    assert found.prior_strength == pytest.approx(strength, rel=0.12)
    assert (found.name, found.successes, found.trials) == ("click_rate", "clicks", "shown")


def test_the_prior_is_found_where_few_rows_have_most_trials() -> None:
    """The heaviest rows pull the mean towards themselves, which the estimator takes into account."""
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(3_000):
        trials = np.array([400] + [20] * 8)
        hits = rng.binomial(trials, rng.beta(2.0, 2.0, 9))
        shares.append(1 / (1 + fit_rate(ROLE, hits.astype(float), trials.astype(float)).prior_strength))
    assert np.mean(shares) == pytest.approx(1 / (1 + 4.0), rel=0.15)


def test_a_hand_worked_prior() -> None:
    """Mean 1/2; 4 x (1/4)^2 twice is 1/2, of which 1/4 is chance; room 8 - 32/8 - 1 = 3; so 1/3, which is 2 trials."""
    found = fit_rate(ROLE, np.array([1.0, 3.0]), np.array([4.0, 4.0]))
    assert (found.prior_rate, found.prior_strength) == (0.5, pytest.approx(2.0, rel=1e-12))


@pytest.mark.parametrize(
    ("hits", "trials", "rate", "strength"),
    [
        ([], [], 0.5, feature_spec.STRENGTH_MINIMUM), ([0, 0], [0, 0], 0.5, feature_spec.STRENGTH_MINIMUM),
        ([3], [10], 0.3, STRENGTH_MAXIMUM), ([0, 0, 0], [5, 9, 2], 0.0, STRENGTH_MAXIMUM),
        ([5, 9, 2], [5, 9, 2], 1.0, STRENGTH_MAXIMUM), ([3, 3, 3], [10, 10, 10], 0.3, STRENGTH_MAXIMUM),
        ([0, 50, 0, 50], [50, 50, 50, 50], 0.5, feature_spec.STRENGTH_MINIMUM),
    ],
    ids=["no rows", "no trials", "one row", "never", "always", "all alike", "all or nothing"],
)  # fmt: skip
def test_a_prior_stays_within_its_bounds(hits: list[float], trials: list[float], rate: float, strength: float) -> None:
    found = fit_rate(ROLE, np.array(hits, dtype=float), np.array(trials, dtype=float))
    assert found.prior_rate == pytest.approx(rate)
    assert found.prior_strength == strength


def test_rows_that_say_nothing_do_not_move_a_prior() -> None:
    hits, trials = drawn_counts(8.0, 0.1, 500, 1)
    expected = fit_rate(ROLE, hits, trials)
    noise_hits = np.array([np.nan, 5.0, 3.0, np.inf, 1.0, 1.0])
    noise_trials = np.array([9.0, np.nan, 0.0, 20.0, np.inf, -4.0])
    found = fit_rate(ROLE, np.concatenate([hits, noise_hits]), np.concatenate([trials, noise_trials]))
    assert found == expected


def test_a_negative_count_of_successes_is_none_in_the_prior_too() -> None:
    assert fit_rate(ROLE, np.array([-8.0, 4.0]), np.array([10.0, 10.0])).prior_rate == pytest.approx(0.2)


def test_a_spec_is_fitted_on_the_rows() -> None:
    spec = feature_spec.fit_feature_spec(examples(), ROLES)
    assert spec.names == ("clicks", "shown", "city", "shift")
    assert dict(spec.vocabularies) == {"city": ("a", "b", "c"), "shift": ("night", "day")}
    assert spec.rates[0].prior_rate == pytest.approx(6 / 65)
    matrix = examples_matrix(examples(), spec)
    assert matrix[:, 2].tolist() == pytest.approx([1, 2, np.nan, 1, 0, 1], nan_ok=True)
    assert matrix[:, 3].tolist() == pytest.approx([1, np.nan, np.nan, 0, 1, 1], nan_ok=True)
    assert matrix[:, 0].tolist() == pytest.approx([1, 0, np.nan, 3, 2, 0], nan_ok=True)


def test_what_a_model_sees_of_some_rows_is_that_of_all_of_them() -> None:
    expected = SPEC.expanded(examples_matrix(examples(), SPEC))
    mask = np.array([True, False, True, True, False, True])
    assert seen_matrix(examples(), SPEC).tobytes() == expected.tobytes()
    assert seen_matrix(examples(), SPEC, mask).tobytes() == expected[mask].tobytes()


def test_a_part_of_a_spec_has_what_its_rates_count() -> None:
    part = SPEC.only(["click_rate"])
    assert part == FeatureSpec(("clicks", "shown"), (), (RATE,))
    assert np.array_equal(seen_matrix(examples(), part)[:, -1], seen_matrix(examples(), SPEC)[:, -1])
    assert SPEC.only(["city", "none"]) == FeatureSpec(("city",), SPEC.vocabularies)


def test_texts_of_any_arrow_type_have_the_same_codes() -> None:
    expected = examples_matrix(examples(), SPEC)
    for kind in (pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        table = examples()
        column = table["city"].combine_chunks()
        column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
        found = examples_matrix(table.set_column(2, "city", column), SPEC)
        assert found.tobytes() == expected.tobytes()
    assert examples_matrix(examples(0), SPEC).shape == (0, 3)


def test_a_constant_replaces_what_the_table_says() -> None:
    assert examples_matrix(examples(), SPEC, {"city": "a"})[:, 2].tolist() == [0.0] * 6
    assert np.isnan(examples_matrix(examples().drop_columns(["city"]), SPEC, {"city": "z"})[:, 2]).all()


def test_an_open_vocabulary_is_capped_at_its_most_frequent_values() -> None:
    rare = [f"a{place:03d}" for place in range(150)]
    common = [f"c{place:03d}" for place in range(feature_spec.VOCABULARY_MAXIMUM - 50) for _ in range(2)]
    rows = len(rare) + len(common)
    table = pa.table({"clicks": [0] * rows, "shown": [0] * rows, "city": rare + common, "shift": ["day"] * rows})
    spec = feature_spec.fit_feature_spec(table, ROLES)
    cities = dict(spec.vocabularies)["city"]
    assert len(cities) == feature_spec.VOCABULARY_MAXIMUM
    assert list(cities) == sorted(cities)
    assert set(cities) == {*common, *rare[:50]}
    order = np.random.default_rng(1).permutation(rows)
    assert feature_spec.fit_feature_spec(table.take(pa.array(order)), ROLES) == spec
    matrix = examples_matrix(table, spec)
    assert int(np.isnan(matrix[:, 2]).sum()) == 100


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InvalidInputError, match="lack column city"):
        examples_matrix(examples().drop_columns(["city"]), SPEC)
    with pytest.raises(InvalidInputError, match="lack column shown"):
        feature_spec.fit_feature_spec(examples().drop_columns(["shown"]), ROLES)


@given(
    prior=st.floats(0, 1),
    strength=st.floats(feature_spec.STRENGTH_MINIMUM, STRENGTH_MAXIMUM),
    texts=st.lists(st.text(max_size=4), max_size=5, unique=True),
)
def test_json_keeps_every_bit(prior: float, strength: float, texts: list[str]) -> None:
    spec = FeatureSpec(
        ("clicks", "shown", "city"),
        (("city", tuple(texts)),),
        (feature_spec.SmoothedRate("click_rate", "clicks", "shown", prior, strength),),
    )
    found = FeatureSpec.from_json(spec.to_json())
    assert found == spec
    assert found.to_json() == spec.to_json()
    assert found.version == spec.version


def test_the_version_follows_everything_that_decides_a_score() -> None:
    versions = {
        spec.version
        for spec in (
            SPEC,
            replace(SPEC, names=("shown", "clicks", "city")),
            replace(SPEC, vocabularies=(("city", ("b", "a")),)),
            replace(SPEC, rates=()),
            replace(SPEC, rates=(replace(RATE, prior_strength=np.nextafter(20.0, 21.0)),)),
        )
    }
    assert len(versions) == 5


def test_equal_rows_have_equal_hashes_and_others_do_not() -> None:
    matrix = np.array([[0.0, np.nan], [-0.0, -np.nan], [0.0, 0.0], [np.nextafter(0, 1), np.nan], [np.nan, 0.0]])
    found = feature_spec.feature_hashes(matrix)
    assert found[0] == found[1]
    assert len(set(found)) == 4
    assert feature_spec.feature_hashes(np.asfortranarray(matrix)) == found
    assert [feature_spec.feature_hashes(matrix[row : row + 1])[0] for row in range(5)] == found
    assert feature_spec.feature_hashes(np.zeros((0, 2))) == []


def test_a_constant_that_no_training_row_had_is_named_with_what_is_known() -> None:
    assert feature_spec.unseen_values(SPEC, {"city": "a", "clicks": "many", "weather": "rain"}) == []
    assert feature_spec.unseen_values(SPEC, {"city": "atlantis"}) == [
        "city is 'atlantis' in all rows, which the model has not learned from (it knows a, b): it is scored as missing."
    ]
    nothing = replace(SPEC, vocabularies=(("city", ()),))
    assert "(it knows none)" in feature_spec.unseen_values(nothing, {"city": "a"})[0]


def as_in_0_1_0(record: dict[str, Any], raw: np.ndarray) -> np.ndarray:
    """The arithmetic of release 0.1.0, written out: its bits depend on the machine's exponential."""
    if record["method"] == "isotonic":
        values = np.interp(raw, np.array(record["raw"]), np.array(record["probability"]))
    else:
        slope, intercept = record["raw"]
        values = 1.0 / (1.0 + np.exp(-np.clip(slope * raw + intercept, -30.0, 30.0)))
    return np.clip(values, 1e-6, 1.0 - 1e-6)


@pytest.mark.parametrize("calibrator", [STEPS, SIGMOID, CURVE, LINE, FLAT])
def test_one_score_alone_is_a_batch_and_no_probability_is_0_or_1(calibrator: Calibrator) -> None:
    found = calibrator.probabilities(RAW)
    assert np.all(np.diff(found) >= 0)
    assert found.min() > 0
    assert found.max() < 1
    alone = np.concatenate([calibrator.probabilities(RAW[row : row + 1]) for row in range(len(RAW))])
    assert found.tobytes() == alone.tobytes()


@pytest.mark.parametrize("calibrator", [STEPS, SIGMOID])
def test_what_0_1_0_fitted_is_cut_off_as_it_was(calibrator: Calibrator) -> None:
    found = calibrator.probabilities(RAW)
    assert (found.min(), found.max()) == (FLOOR, 1 - FLOOR)


def test_a_curve_approaches_its_ends_and_never_reaches_them() -> None:
    found = LINE.probabilities(np.array([-1e6, -1e3, -50.0, 50.0, 1e3, 1e6]))
    assert np.all(np.diff(found) > 0)
    assert found[0] == pytest.approx(FLOOR_OF_ALL, rel=1e-3)
    assert 1 - found[-1] == pytest.approx(FLOOR_OF_ALL, rel=1e-3)
    assert found[2] < FLOOR, "the bend begins where 0.1.0 cut off"


@given(
    slope=st.floats(0.01, 20),
    level=st.floats(-8, 2),
    start=st.floats(-30, 30),
    gaps=st.lists(st.floats(1e-3, 2.0), min_size=1, max_size=30),
)
def test_distinct_scores_get_distinct_probabilities_in_the_same_order(
    slope: float, level: float, start: float, gaps: list[float]
) -> None:
    """Far out the room between floats near 1 is the limit: a thousandth apart is kept apart at any score here."""
    line = Calibrator("logistic", (0.0, 1.0), log_odds=(level, level + slope))
    raw = start + np.concatenate([[0.0], np.cumsum(gaps)])
    assert np.all(np.diff(line.probabilities(raw)) > 0)


def test_a_curve_goes_through_its_knots_and_its_outer_lines_go_on() -> None:
    assert STEPS.probabilities(np.array([0.1]))[0] == 0.25
    assert SIGMOID.probabilities(np.array([0.7 / 1.5]))[0] == pytest.approx(0.5, abs=1e-15)
    found = CURVE.probabilities(np.array([-5.0, *CURVE.raw, 4.0]))
    assert np.log(found / (1 - found)) == pytest.approx([-8.0, *CURVE.log_odds, 1.0 + 5.9 / 2.9])


@pytest.mark.parametrize(
    "calibrator", [STEPS, SIGMOID, CURVE, LINE, FLAT, Calibrator("logistic", (1 / 3, 0.7), log_odds=(0.1 + 0.2, 1.0))]
)
def test_json_keeps_every_bit_of_a_calibrator(calibrator: Calibrator) -> None:
    again = Calibrator.from_json(calibrator.to_json())
    assert again == calibrator
    assert again.probabilities(RAW).tobytes() == calibrator.probabilities(RAW).tobytes()


@pytest.mark.parametrize(("text", "expected"), OF_0_1_0)
def test_a_calibrator_of_0_1_0_scores_to_the_bit_and_keeps_its_bytes(text: str, expected: list[float]) -> None:
    found = Calibrator.from_json(text)
    raw = np.array([-9.0, -5.1, -4.4, -3.3, -2.9, 4.0])
    assert found.to_json() == text, "the bytes are hashed into the version of the model"
    assert found.probabilities(raw) == pytest.approx(expected, rel=1e-7)
    many = np.linspace(-40, 40, 4_001)
    assert found.probabilities(many).tobytes() == as_in_0_1_0(json.loads(text), many).tobytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_odds": [-2.2, -2.2]}, "does not rise from knot 0"),
        ({"log_odds": [0.8, -2.2]}, "does not rise from knot 0"),
        ({"raw": [1.0, 1.0]}, "does not rise from knot 0"),
        ({"raw": [1.0, -1.0], "log_odds": [1.0, -1.0]}, "does not rise from knot 0"),
        ({"log_odds": [0.8, float("nan")]}, "does not rise from knot 0"),
        ({"log_odds": [0.8]}, "2 knots and 1 values"),
        ({"raw": [1.0], "log_odds": [0.8]}, "1 knots and 1 values"),
    ],
)
def test_a_curve_that_does_not_rise_is_refused(changes: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Calibrator.from_json(json.dumps(json.loads(LINE.to_json()) | changes))


def test_a_method_of_a_later_release_asks_for_an_upgrade() -> None:
    with pytest.raises(NewerVersionError, match="'beta', unknown to this mlife; upgrade mlife"):
        Calibrator.from_json('{"method":"beta","raw":[1.0,2.0]}')
