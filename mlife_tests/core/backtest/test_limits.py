"""What a replay says that it cannot show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlife_assets.core.backtest.limits import limits


def test_a_calm_replay_was_watched_most_of_the_time(calm):
    governed = calm.contestants["governed"]
    assert 0 < governed.windows_without_outcomes < governed.windows / 2, "each champion begins without outcomes"
    assert calm.result.limits[0].startswith(f"In {governed.windows_without_outcomes} of {governed.windows} windows")
    assert f"after at least {governed.history.model.backtest.warmup_days} days." in " ".join(calm.result.limits)


def test_a_replay_with_too_few_outcomes_to_watch_says_what_it_would_take(replayed, rows, model):
    plain = model()
    asking = replace(plain, monitoring=replace(plain.monitoring, minimum_mature_positives=1_000))
    found = replayed(rows(), asking)
    governed = found.contestants["governed"]
    assert governed.windows == governed.windows_without_outcomes == found.result.windows
    (told,) = [sentence for sentence in found.result.limits if "to see a concept drift" in sentence]
    assert told.startswith(f"In {governed.windows} of {governed.windows} windows")
    per_day = governed.history.sizes.positives_per_day
    assert f"1,000 positives since its model serves, about {1_000 / per_day:,.0f} days of this history" in told


@pytest.mark.parametrize(
    ("is_prequential", "words"), [(True, "the recipe, by folds of 9 days"), (False, "on a holdout")]
)
def test_how_the_gate_judges_is_said_as_it_is(calm, is_prequential, words):
    """Both ways open to what is not inferior while a drift is confirmed, here as on the platform."""
    governed = calm.contestants["governed"]
    policy = replace(governed.history.model.backtest, gate_is_prequential=is_prequential, gate_fold_days=9)
    history = replace(governed.history, model=replace(governed.history.model, backtest=policy))
    (told,) = [sentence for sentence in limits(history, governed) if "may not judge like this" in sentence]
    assert words in told
    assert "while a drift is confirmed or the model too old for what is not inferior" in told
    assert "proven better" not in told
