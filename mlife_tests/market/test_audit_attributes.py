"""Invented answers of the audit table: a function of seed and user, plausible, private."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.market.audit_attributes import (
    ETHNICITY_LEANING,
    ETHNICITY_SHARES,
    FEMALE_LEANING,
    ParquetAuditAttributes,
    audit_attribute_bytes,
    draw_audit_attributes,
)
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.population import draw_population
from mlife_assets.market.world import MarketConfig, tiny_config
from mlife_assets.recruiting.events import OCCUPATION_GROUPS

USERS = [f"usr_{number:07d}" for number in range(20_000)]
TRADES = [OCCUPATION_GROUPS[number % len(OCCUPATION_GROUPS)] for number in range(20_000)]


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[str]]:
    return draw_audit_attributes(7, USERS, TRADES).to_pydict()


def test_shares_are_plausible_and_some_are_unknown(drawn) -> None:
    sexes, ethnicities = Counter(drawn["sex"]), Counter(drawn["race_ethnicity"])
    assert set(sexes) == {*SEXES, UNKNOWN}
    assert set(ethnicities) == {*ETHNICITIES, UNKNOWN}
    assert sexes[UNKNOWN] / 20_000 == pytest.approx(0.04, abs=0.006)
    assert ethnicities[UNKNOWN] / 20_000 == pytest.approx(0.07, abs=0.008)
    assert sexes["Female"] / 20_000 == pytest.approx(0.48, abs=0.05)
    for name, share in zip(ETHNICITIES, ETHNICITY_SHARES, strict=True):
        assert ethnicities[name] / 20_000 == pytest.approx(0.93 * share, rel=0.15, abs=0.004), name
    assert sum(ETHNICITY_SHARES) == pytest.approx(1.0)


def test_trades_lean_mildly_and_the_two_answers_are_independent_otherwise(drawn) -> None:
    sex, trade = np.array(drawn["sex"]), np.array(TRADES)
    women = {group: float((sex[(trade == group) & (sex != UNKNOWN)] == "Female").mean()) for group in OCCUPATION_GROUPS}
    for group, share in women.items():
        assert share == pytest.approx(0.5 + FEMALE_LEANING.get(group, 0.0), abs=0.06), group
    plain = [g for g in OCCUPATION_GROUPS if g not in FEMALE_LEANING]
    of_plain = np.isin(trade, plain) & (sex != UNKNOWN)
    is_white = np.array(drawn["race_ethnicity"]) == "White"
    assert is_white[of_plain & (sex == "Female")].mean() == pytest.approx(
        is_white[of_plain & (sex == "Male")].mean(), abs=0.06
    )


def test_leanings_name_trades_and_categories_that_exist() -> None:
    assert set(FEMALE_LEANING) <= set(OCCUPATION_GROUPS)
    assert set(ETHNICITY_LEANING) <= set(ETHNICITIES)
    assert {group for leaning in ETHNICITY_LEANING.values() for group in leaning} <= set(OCCUPATION_GROUPS)


def test_an_answer_depends_on_the_seed_the_user_and_the_trade_only(drawn) -> None:
    few = draw_audit_attributes(7, USERS[500:400:-1], TRADES[500:400:-1]).to_pydict()
    assert few == {name: values[500:400:-1] for name, values in drawn.items()}
    other = draw_audit_attributes(8, USERS, TRADES).to_pydict()
    same = np.mean([one == two for one, two in zip(drawn["sex"], other["sex"], strict=True)])
    assert 0.4 < same < 0.6


def test_the_market_does_not_draw_from_the_audit_table() -> None:
    """No stream of the market is used, so the people are those of a world without the table."""
    before = draw_population(tiny_config(), load_catalogue())
    draw_audit_attributes(1, before.user_ids.tolist(), [OCCUPATION_GROUPS[place] for place in before.group])
    after = draw_population(tiny_config(), load_catalogue())
    assert np.array_equal(before.taste, after.taste)
    assert np.array_equal(before.latitude, after.latitude)


def test_the_table_is_the_same_every_time_and_complete(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(audit_attribute_bytes(tiny_config()))
    assert path.read_bytes() == audit_attribute_bytes(tiny_config())
    config = tiny_config()
    people = draw_population(config, load_catalogue())
    groups = ParquetAuditAttributes(path).groups_of(people.user_ids.tolist())
    expected = draw_audit_attributes(
        config.seed, people.user_ids.tolist(), [OCCUPATION_GROUPS[place] for place in people.group]
    )
    assert list(groups.sex) == expected["sex"].to_pylist()
    assert list(groups.race_ethnicity) == expected["race_ethnicity"].to_pylist()
    assert "Female" not in repr(groups)


def test_who_is_not_in_the_table_is_unknown(tmp_path) -> None:
    (tmp_path / "a.parquet").write_bytes(audit_attribute_bytes(tiny_config()))
    groups = ParquetAuditAttributes(tmp_path / "a.parquet").groups_of(["nobody"])
    assert (groups.sex, groups.race_ethnicity) == ((UNKNOWN,), (UNKNOWN,))


def test_a_missing_or_broken_table_is_not_an_empty_one(tmp_path) -> None:
    with pytest.raises(NotFoundError, match="audit table"):
        ParquetAuditAttributes(tmp_path / "none.parquet").groups_of(["usr_0000001"])
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        ParquetAuditAttributes(broken).groups_of(["usr_0000001"])


def test_trades_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="1 occupation groups for 2 users"):
        draw_audit_attributes(1, ["a", "b"], ["11"])
    with pytest.raises(InvalidInputError, match="'99' in row 1"):
        draw_audit_attributes(1, ["a", "b"], ["11", "99"])


def test_a_large_seed_is_a_seed() -> None:
    assert draw_audit_attributes(MarketConfig(seed=2**63).seed, USERS[:5], TRADES[:5]).num_rows == 5
