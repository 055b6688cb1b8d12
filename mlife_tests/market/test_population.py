"""Who people are and what is public of them: tastes, invented answers, contacts; and the shipped cut of public data."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import phonenumbers
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.core.windows import add_days
from mlife_assets.market import private_files
from mlife_assets.market.catalogue import area_codes, load_catalogue
from mlife_assets.market.population import Population, draw_population, epoch_us, published_taste
from mlife_assets.market.private_files import (
    DOMAINS,
    FEMALE_LEANING,
    ParquetAuditAttributes,
    ParquetContactBook,
    ParquetMailBook,
    contact_book_bytes,
    draw_audit_attributes,
    draw_contacts,
    mail_address,
    mail_book_bytes,
)
from mlife_assets.market.world import (
    RELEASED_CALIBRATION,
    Calibration,
    Injection,
    MarketConfig,
    drifted_taste,
    tiny_config,
)
from mlife_assets.recruiting.events import OCCUPATION_GROUPS
from mlife_assets.recruiting.mail.addresses import normalise_address

CONFIG = MarketConfig(users=4_000, jobs=50, seed=4)
CATALOGUE = load_catalogue()
DRIFT = add_days(CONFIG.start_date, 30)
DELAY = Calibration().people.taste_delay_days
USERS = [f"usr_{number:07d}" for number in range(20_000)]
TRADES = [OCCUPATION_GROUPS[number % len(OCCUPATION_GROUPS)] for number in range(20_000)]


def drawn(config: MarketConfig) -> Population:
    return draw_population(config, CATALOGUE)


@pytest.fixture(scope="module")
def people() -> Population:
    return drawn(CONFIG)


def test_people_differ_in_what_they_weigh_and_weigh_the_average_together(people) -> None:
    for weight in (people.pay_weight, people.distance_weight):
        assert weight.mean() == pytest.approx(1.0, abs=0.03)
        assert np.log(weight).std() == pytest.approx(0.5, abs=0.03)
        assert weight.min() > 0
    together = np.corrcoef([people.pay_weight, people.distance_weight, people.activity, people.view_rate])
    assert np.abs(together[0, 1:]).max() < 0.05
    assert np.abs(together[1, 2:]).max() < 0.05


def test_the_weights_leave_every_older_draw_alone(people) -> None:
    released = drawn(replace(CONFIG, calibration=RELEASED_CALIBRATION))
    for name in ("latitude", "reservation_pay", "taste", "activity", "view_rate", "signed_up_us"):
        assert np.array_equal(getattr(people, name), getattr(released, name))
    assert (released.pay_weight == 1.0).all()
    assert (released.distance_weight == 1.0).all()
    noise, less = people.shown_taste - people.taste, released.shown_taste - released.taste
    assert np.allclose(noise / 0.7, less / 0.35)


def test_a_third_of_what_is_published_of_a_taste_is_noise(people) -> None:
    shown = published_taste(CONFIG, people, DRIFT)
    known = (shown != 0).any(axis=1)
    share = np.corrcoef(shown[known].ravel(), people.taste[known].ravel())[0, 1] ** 2
    assert share == pytest.approx(1 / 1.49, abs=0.02)


@pytest.mark.parametrize("name", ["new_taste_cluster", "correlation_only"])
def test_a_drift_of_tastes_is_published_when_it_is_a_week_old(name: str) -> None:
    config = replace(CONFIG, injections=(Injection(name, DRIFT, size=0.5),))
    people = drawn(config)
    noise = people.shown_taste - people.taste
    before, after = (published_taste(config, people, add_days(DRIFT, DELAY + late)) for late in (-1, 0))
    unmoved = published_taste(CONFIG, people, add_days(DRIFT, DELAY - 1))
    assert np.array_equal(before, unmoved)
    moved = drifted_taste(config.seed, config.injections, DRIFT, people.taste)
    known = people.signed_up_us >= 0
    assert np.allclose(after[known], (moved + noise)[known])
    assert 0.4 < (after != before).any(axis=1)[known].mean() < 0.6


def test_who_has_just_signed_up_has_no_taste_until_the_first_publication() -> None:
    config = replace(CONFIG, injections=(Injection("new_city", DRIFT, size=1.0),))
    people = drawn(config)
    late = epoch_us(add_days(DRIFT, 1)) - 1
    assert people.signed_up_us.max() <= late
    newcomers = people.signed_up_us >= epoch_us(DRIFT)
    assert newcomers.sum() == config.dormant_users
    assert (published_taste(config, people, add_days(DRIFT, DELAY - 1))[newcomers] == 0).all()
    shown = published_taste(config, people, add_days(DRIFT, DELAY))
    assert np.allclose(shown, people.shown_taste)


def test_without_delay_a_taste_is_published_on_the_day_it_is_felt(people) -> None:
    prompt = replace(CONFIG, calibration=CONFIG.calibration.changed(taste_delay_days=0))
    shown = published_taste(prompt, people, CONFIG.start_date)
    known = people.signed_up_us >= 0
    assert np.allclose(shown[known], people.shown_taste[known])
    first = published_taste(CONFIG, people, CONFIG.start_date)
    recent = known & (people.signed_up_us >= epoch_us(add_days(CONFIG.start_date, 1 - DELAY)))
    assert 10 < recent.sum() < 100
    assert np.array_equal((first == 0).all(axis=1)[known], recent[known])


@pytest.fixture(scope="module")
def answered() -> dict[str, list[str]]:
    return draw_audit_attributes(7, USERS, TRADES).to_pydict()


def test_shares_are_plausible_and_some_are_unknown(answered) -> None:
    sexes, ethnicities = Counter(answered["sex"]), Counter(answered["race_ethnicity"])
    assert set(sexes) == {*SEXES, UNKNOWN}
    assert set(ethnicities) == {*ETHNICITIES, UNKNOWN}
    assert sexes[UNKNOWN] / 20_000 == pytest.approx(0.04, abs=0.006)
    assert ethnicities[UNKNOWN] / 20_000 == pytest.approx(0.07, abs=0.008)
    assert sexes["Female"] / 20_000 == pytest.approx(0.48, abs=0.05)
    for name, share in zip(ETHNICITIES, private_files.ETHNICITY_SHARES, strict=True):
        assert ethnicities[name] / 20_000 == pytest.approx(0.93 * share, rel=0.15, abs=0.004), name
    assert sum(private_files.ETHNICITY_SHARES) == pytest.approx(1.0)


def test_trades_lean_mildly_and_the_two_answers_are_independent_otherwise(answered) -> None:
    sex, trade = np.array(answered["sex"]), np.array(TRADES)
    women = {group: float((sex[(trade == group) & (sex != UNKNOWN)] == "Female").mean()) for group in OCCUPATION_GROUPS}
    for group, share in women.items():
        assert share == pytest.approx(0.5 + FEMALE_LEANING.get(group, 0.0), abs=0.06), group
    plain = [g for g in OCCUPATION_GROUPS if g not in FEMALE_LEANING]
    of_plain = np.isin(trade, plain) & (sex != UNKNOWN)
    is_white = np.array(answered["race_ethnicity"]) == "White"
    shares = [is_white[of_plain & (sex == one)].mean() for one in ("Female", "Male")]
    assert shares[0] == pytest.approx(shares[1], abs=0.06)


def test_an_answer_depends_on_the_seed_the_user_and_the_trade_only(answered) -> None:
    few = draw_audit_attributes(7, USERS[500:400:-1], TRADES[500:400:-1]).to_pydict()
    assert few == {name: values[500:400:-1] for name, values in answered.items()}
    other = draw_audit_attributes(8, USERS, TRADES).to_pydict()
    same = np.mean([one == two for one, two in zip(answered["sex"], other["sex"], strict=True)])
    assert 0.4 < same < 0.6


def test_the_table_is_the_same_every_time_and_complete(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(private_files.audit_attribute_bytes(tiny_config()))
    assert path.read_bytes() == private_files.audit_attribute_bytes(tiny_config())
    people = draw_population(tiny_config(), load_catalogue())
    ids, trades = people.user_ids.tolist(), [OCCUPATION_GROUPS[place] for place in people.group]
    groups = ParquetAuditAttributes(path).groups_of([*ids, "nobody"])
    expected = draw_audit_attributes(tiny_config().seed, ids, trades)
    assert list(groups.sex) == [*expected["sex"].to_pylist(), UNKNOWN]
    assert list(groups.race_ethnicity) == [*expected["race_ethnicity"].to_pylist(), UNKNOWN]
    assert "Female" not in repr(groups)


def test_trades_that_do_not_fit_are_refused_and_a_large_seed_is_a_seed() -> None:
    with pytest.raises(InvalidInputError, match="1 occupation groups for 2 users"):
        draw_audit_attributes(1, ["a", "b"], ["11"])
    with pytest.raises(InvalidInputError, match="'99' in row 1"):
        draw_audit_attributes(1, ["a", "b"], ["11", "99"])
    assert draw_audit_attributes(MarketConfig(seed=2**63).seed, USERS[:5], TRADES[:5]).num_rows == 5


@pytest.fixture(scope="module")
def numbers() -> list[str | None]:
    return draw_contacts(MarketConfig())["phone_number"].to_pylist()


def test_every_number_is_fictional_and_unique(numbers) -> None:
    assert len(set(numbers)) == len(numbers) == 11_500
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", one) for one in numbers)
    assert len({one[2:5] for one in numbers}) >= 100


def test_numbers_are_valid_and_of_the_persons_zone(numbers) -> None:
    config, catalogue = MarketConfig(), load_catalogue()
    people = draw_population(config, catalogue)
    zones = {code: zone for zone, codes in area_codes().items() for code in codes}
    homes = [catalogue.metros[metro].time_zone for metro in people.metro.tolist()]
    at_home = [zones[number[2:5]] == home for number, home in zip(numbers, homes, strict=True)]
    assert sum(at_home) / len(at_home) > 0.95
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers[::200])


def test_a_world_with_too_many_people_has_people_without_number() -> None:
    numbers = draw_contacts(MarketConfig(users=30_000))["phone_number"].to_pylist()
    given = [number for number in numbers if number]
    assert len(given) == len(set(given)) == 100 * sum(len(codes) for codes in area_codes().values())


def test_the_book_is_the_same_every_time(tmp_path) -> None:
    path = tmp_path / "book.parquet"
    path.write_bytes(contact_book_bytes(tiny_config()))
    assert path.read_bytes() == contact_book_bytes(tiny_config())
    book = ParquetContactBook(path)
    assert str(book.phone_numbers(["usr_0000001"])["usr_0000001"]).startswith("+1")
    assert book.phone_numbers(["nobody"]) == {"nobody": None}
    assert book.accounts_with(str(book.phone_numbers(["usr_0000001"])["usr_0000001"])) == ["usr_0000001"]
    assert book.accounts_with("+12125559999") == []


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("contact book", lambda path: ParquetContactBook(path).phone_numbers(["usr_0000001"])),
        ("mail book", lambda path: ParquetMailBook(path).mail_addresses(["usr_0000001"])),
        ("audit table", lambda path: ParquetAuditAttributes(path).groups_of(["usr_0000001"])),
    ],
    ids=["numbers", "mail_addresses", "answers"],
)
def test_a_missing_or_broken_book_is_not_an_empty_one(kind, read, tmp_path) -> None:
    with pytest.raises(NotFoundError, match=kind):
        read(tmp_path / "none.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read(broken)


def test_addresses_are_fictional_and_unique_and_say_nothing():
    typed = [mail_address(7, user_id) for user_id in USERS]
    given = [one for one in typed if one]
    usable = [one for one in given if normalise_address(one) == one]
    assert len(set(given)) == len(given)
    assert 0.92 < len(given) / len(USERS) < 0.96
    assert 0.001 < 1 - len(usable) / len(given) < 0.006
    assert {one.split("@")[1] for one in usable} == set(DOMAINS)
    assert all(domain.endswith(".example") for domain in DOMAINS)
    assert not [one for one in given if "usr" in one]
    assert mail_address(8, USERS[1]) != mail_address(7, USERS[1])


def test_no_random_number_is_drawn(monkeypatch):
    before = contact_book_bytes(tiny_config())

    def drawn(*_, **__):
        raise AssertionError("a stream of the market moved")

    people = private_files.draw_population(tiny_config(), private_files.load_catalogue())
    monkeypatch.setattr(private_files, "draw_population", lambda *_: people)
    monkeypatch.setattr(np.random, "default_rng", drawn)
    monkeypatch.setattr(np.random, "Generator", drawn)
    first = mail_book_bytes(tiny_config())
    monkeypatch.undo()
    assert mail_book_bytes(tiny_config()) == first
    assert contact_book_bytes(tiny_config()) == before


def test_the_book_answers_for_everybody(tmp_path):
    path, first = tmp_path / "book.parquet", "usr_0000001"
    path.write_bytes(mail_book_bytes(tiny_config()))
    addresses = ParquetMailBook(path).mail_addresses([first, "nobody"])
    assert addresses == {first: mail_address(tiny_config().seed, first), "nobody": None}


def test_metros_are_real_and_complete() -> None:
    metros = load_catalogue().metros
    assert len({metro.metro_code for metro in metros}) == len(metros) == 17
    assert metros[0].metro_code == "35620"
    for metro in metros:
        assert ZoneInfo(metro.time_zone)
        assert 24 < metro.latitude < 50
        assert -125 < metro.longitude < -66


def test_every_group_has_occupations_and_every_metro_their_wages() -> None:
    catalogue = load_catalogue()
    assert set(catalogue.occupation_group.tolist()) == set(range(len(OCCUPATION_GROUPS)))
    assert (np.diff(catalogue.log_wages, axis=2) >= 0).all()
    wages = np.exp(catalogue.log_wages)
    assert 5 < wages.min() < wages.max() < 150
    assert np.allclose(catalogue.group_shares().sum(axis=1), 1)


def test_wages_interpolate_between_percentiles() -> None:
    catalogue, zero = load_catalogue(), np.zeros(3, dtype=np.int64)
    low, middle, high = catalogue.log_wage(zero, zero, np.array([-9.0, 0.0, 9.0]))
    assert low == catalogue.log_wages[0, 0, 0]
    assert np.isclose(middle, catalogue.log_wages[0, 0, 2])
    assert np.isclose(high, catalogue.log_wages[0, 0, 4])


def test_seasons_differ_by_trade() -> None:
    catalogue = load_catalogue()
    construction = OCCUPATION_GROUPS.index("47")
    assert catalogue.season(date(2026, 7, 15))[construction] > catalogue.season(date(2026, 1, 15))[construction] + 0.05
    assert np.allclose(catalogue.seasonal.mean(axis=1), 1, atol=0.02)
