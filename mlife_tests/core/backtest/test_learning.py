"""How far the gate reaches back, and what a model may learn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.backtest.learning import Learner, score
from mlife_assets.core.examples import ExampleSpec

DAY = date(2025, 3, 1)


@pytest.fixture
def learner(store):
    def build(history):
        return Learner(history, Checkpoints(store, history.content_hash), Timings(store, history.content_hash, float))

    return build


def positives(history, first: date, as_of: date) -> int:
    return int(np.count_nonzero(history.outcome[history.known(as_of, since=first)]))


def test_the_gate_takes_the_fewest_newest_days_that_hold_its_evidence(history, rows, learner, study):
    needed = 500
    plain = study()
    built = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=needed)))
    found = learner(built).gate_window(DAY, None)
    assert found.positives == positives(built, found.first_day, DAY) >= needed
    assert positives(built, found.first_day + timedelta(days=1), DAY) < needed
    assert f"begins on {found.first_day} with {found.positives:,} positives" in found.sentence


def test_the_gate_takes_fourteen_days_at_least(history, rows, learner):
    built = history(rows())
    found = learner(built).gate_window(DAY, None)
    assert found.first_day == DAY - timedelta(days=14)
    assert positives(built, found.first_day + timedelta(days=1), DAY) > 200, "the days bind, not the positives"


def test_longer_blocks_need_as_many_of_them(history, rows, learner, study):
    """With the days of single ones the gate would refuse every challenger for want of blocks, each time for a fit."""
    plain = study()
    built = history(rows(), replace(plain, promotion=replace(plain.promotion, gate_block_days=2)))
    assert learner(built).gate_window(DAY, None).first_day == DAY - timedelta(days=28)


def test_the_gate_stays_behind_the_champions_last_training_day(history, rows, learner):
    found = learner(history(rows())).gate_window(DAY, DAY - timedelta(days=10))
    assert found.first_day is None
    count = positives(history(rows()), DAY - timedelta(days=9), DAY)
    told = f"the mature rows after 2025-02-19, the champion's last training day, hold {count} on 9."
    assert told in found.sentence
    assert learner(history(rows())).gate_window(DAY, DAY - timedelta(days=15)).first_day == DAY - timedelta(days=14)


def test_the_gate_takes_a_share_of_the_rows_at_most(history, rows, learner, study):
    plain = study()
    built = history(rows(), replace(plain, backtest=replace(plain.backtest, gate_rows_share_maximum=0.2)))
    found = learner(built).gate_window(DAY, None)
    assert found.first_day is None, "14 of 59 days are more than a fifth"
    assert learner(built).gate_window(DAY + timedelta(days=20), None).first_day is not None


def test_with_an_item_entities_are_counted_once(history, rows, learner, study):
    table = rows()
    rng = np.random.default_rng(0)
    who = [f"u{code}" for code in rng.integers(0, 90, table.num_rows)]
    items = [f"i{row}" for row in range(table.num_rows)]
    table = table.set_column(0, "who", [who]).append_column("what", [items])
    plain = study()
    roles = ExampleSpec(**{**plain.roles.__dict__, "item": "what"})
    promotion = replace(plain.promotion, minimum_users_with_positives=80)
    built = history(table, replace(plain, roles=roles, promotion=promotion))
    found = learner(built).gate_window(DAY, None)
    places = built.known(DAY, since=found.first_day)
    won = built.rows["who"].take(places[built.outcome[places]]).unique()
    assert len(won) == found.positives >= 80
    later = built.known(DAY, since=found.first_day + timedelta(days=1))
    assert len(built.rows["who"].take(later[built.outcome[later]]).unique()) < 80


def test_a_fit_learns_from_what_was_mature_and_is_shared(history, rows, learner, store):
    built = history(rows(window_days=5))
    one = learner(built)
    fit = one.fit(DAY)
    assert fit.rows == len(built.known(DAY))
    assert fit.last_day == DAY - timedelta(days=5)
    assert one.fit(DAY) is fit
    written = len(store.objects)
    again = learner(built).fit(DAY)
    assert again.artifact.model_version == fit.artifact.model_version
    assert len(store.objects) == written, "a second learner reads what the first has kept"


def test_the_verdict_is_the_gates_own_on_rows_that_neither_has_seen(history, rows, learner):
    built = history(rows())
    one = learner(built)
    champion, start = one.fit(DAY), DAY + timedelta(days=20)
    as_of = start + timedelta(days=20)
    said = one.judge(one.fit(start), start, as_of, champion)
    assert said.outcome == "refused"
    assert said.unmet == ("beats_champion",)
    assert said.gain_at_most is not None
    assert abs(said.gain_at_most) < 0.1
    early = one.judge(one.fit(start), DAY - timedelta(days=5), as_of, champion)
    assert "champion_trained_before_gate" in early.unmet
    assert early.gain_at_most is None


def test_scores_do_not_look_at_labels(history, rows, learner):
    table = rows()
    built = history(table)
    artifact = learner(built).fit(DAY).artifact
    flipped = history(table.set_column(2, "won", [[not one for one in table["won"].to_pylist()]]))
    places = np.arange(500)
    assert np.array_equal(score(built, artifact, places).raw, score(flipped, artifact, places).raw)
