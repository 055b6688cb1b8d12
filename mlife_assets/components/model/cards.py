"""Model cards: the facts of a challenger after the gate's verdict."""

from collections.abc import Sequence
from datetime import date

from mlife_assets.components.model.explanation import stored_pictures
from mlife_assets.core.pages.document import card_key, nav
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import PromotionDecision
from mlife_assets.core.training.model_card.describe import describe_model
from mlife_assets.core.training.model_card.facts import CardSubject, CardWindow
from mlife_assets.core.training.model_card.page import render_model_card
from mlife_assets.core.training.reliability import Calibration
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.ports import ModelPorts


def write_model_card(
    platform: ModelPorts,
    day: date,
    version: str,
    decision: PromotionDecision,
    calibration: Calibration | None,
    window: GateWindow,
    gate_days: Sequence[date],
) -> str:
    """Write the card of a challenger of a model without an item; returns its key in the lake."""
    model = platform.model
    subject = CardSubject(
        title=model.title,
        purpose=(f"It says for each {model.roles.entity} how likely it is that {model.outcome}.",),
        outcome_name=model.outcome,
        data=tuple((f"{step.name} counts", f"within {step.maturity_days} days") for step in model.steps),
        limits=limits_of(platform),
        feature_words=model.words,
        policies={"promotion": model.promotion},
    )
    card = describe_model(
        platform.registry.load(version),
        subject,
        as_of=day,
        decision=decision,
        calibration=calibration,
        pictures=stored_pictures(platform, day, version),
        windows=(
            CardWindow("gate", gate_days[0], gate_days[-1], f"all examples of {len(gate_days)} days"),
            *folds_of_window(window),
        ),
    )
    return platform.registry.put_card(version, render_model_card(card, nav(card_key(version))))


def folds_of_window(window: GateWindow) -> tuple[CardWindow, ...]:
    """Return the judged folds, each with its model."""
    ends = [*(add_days(fold.first_day, -1) for fold in window.folds[1:]), window.last_day]
    return tuple(
        CardWindow(
            f"fold {number}",
            fold.first_day,
            end,
            f"judged by {fold.model_version}, the recipe fitted on days up to {fold.trained_to}",
        )
        for number, (fold, end) in enumerate(zip(window.folds, ends, strict=True), 1)
    )


def limits_of(platform: ModelPorts) -> tuple[str, ...]:
    return ("The market is simulated: no number here is about real people.",) if platform.days.is_simulated else ()
