"""What a replay cannot show, in sentences.

Belongs here: the limits of any replay, and how much of this one passed unwatched. Does not belong here: the replay
(`replay`), what is recommended (`recommendation`).

Concept: what could not be judged is said beside what was, with what it would take.
"""

from __future__ import annotations

from mlife_assets.core.backtest.contestants import Contestant, Watching
from mlife_assets.core.backtest.history import History


def limits(history: History, governed: Contestant) -> tuple[str, ...]:
    """Return what a replay of a history cannot show, what governed could not see first."""
    policy = history.model.backtest
    return (
        *_unjudged(history, governed),
        "A replay shows what the policies would have done with this one history. Another history may favour another.",
        "What is served changes nothing in a replay: outcomes are those of the file, whatever a model would have "
        "chosen.",
        "The first champion was installed ungated, the same for all policies, "
        f"after at least {policy.warmup_days} days.",
        "Cost is shown beside what it brings and not weighed against it: of policies that are as good, the one that "
        "installs fewest models is recommended.",
        "Quality checks see what a file shows: missing values and closed vocabularies. What landed late or twice is "
        "not in it.",
        "What is normal is learned from the weeks before a model serves. Where these hold the change that it was "
        "trained for, monitoring of it is blunt until its next training; of every_alarm most, whose weeks are older.",
        "A deployment may not judge like this. Here the gate judges "
        + (
            f"the recipe, by folds of {policy.gate_fold_days} days, "
            if policy.gate_is_prequential
            else "one model, on a holdout that it has not learned from, "
        )
        + "and asks for a win, or while a drift is confirmed or the model too old for what is not inferior. The daily "
        "pipeline of mlife asks the same, as its promotion policy says by folds or by a holdout, and there new "
        "labels alone are a reason for a fit, too.",
    )


def _unjudged(history: History, governed: Contestant) -> list[str]:
    """Return how much of the replay passed without enough outcomes to watch, and what it would take."""
    if not isinstance(governed, Watching) or not governed.windows_without_outcomes:
        return []
    needed = history.model.monitoring.minimum_mature_positives
    days = history.sizes.days_for(needed)
    rate = "" if days is None else f", about {days:,.0f} days of this history"
    return [
        f"In {governed.windows_without_outcomes:,} of {governed.windows:,} windows governed retraining had too few "
        f"mature outcomes to see a concept drift: that takes {needed:,} positives since its model serves{rate} "
        "(monitoring.minimum_mature_positives)."
    ]
