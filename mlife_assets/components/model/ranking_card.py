"""The card of a model that ranks jobs: what it is for, whom it must not judge, how fair it was.

Belongs here: gathering the facts of such a card and keeping it with the model. Does not belong here: what every card
has (`cards`), what a card says and how it looks (`core.training.model_card`).
"""

from collections.abc import Sequence
from datetime import date

from mlife_assets.components.model.cards import folds_of_window, limits_of
from mlife_assets.components.model.explanation import stored_pictures
from mlife_assets.components.model.fairness import FAIRNESS_REPORT
from mlife_assets.components.model.judging import GateWindow
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.places import card_key, nav
from mlife_assets.core.training.fairness.results import FairnessAudit
from mlife_assets.core.training.gate import PromotionDecision
from mlife_assets.core.training.model_card.describe import CardSubject, describe_model
from mlife_assets.core.training.model_card.facts import CardWindow
from mlife_assets.core.training.model_card.page import render_model_card
from mlife_assets.core.training.reliability import Calibration


def write_card(
    platform: Platform,
    day: date,
    version: str,
    decision: PromotionDecision,
    calibration: Calibration | None,
    window: GateWindow,
    gate_days: Sequence[date],
) -> str:
    """Write the card of the challenger of `day`; returns its key in the lake."""
    policies = platform.policies
    gate = CardWindow("gate", gate_days[0], gate_days[-1], f"ranked on {len(gate_days)} days, a week apart")
    card = describe_model(
        platform.registry.load(version),
        _subject(platform),
        as_of=day,
        decision=decision,
        calibration=calibration,
        fairness=_audit(platform, day, version),
        pictures=stored_pictures(platform, day, version),
        windows=(gate, *folds_of_window(window)),
        policies={"promotion": platform.model.promotion, "label": policies.label, "candidates": policies.candidates},
    )
    return platform.registry.put_card(version, render_model_card(card, nav(card_key(version))))


def _subject(platform: Platform) -> CardSubject:
    label = platform.policies.label
    return CardSubject(
        title="Who applies to which job",
        purpose=(
            "It ranks the open jobs near a person, to text one of them.",
            "It must not decide who is hired, what a person is paid, or who may see a job at all.",
        ),
        outcome_name="a person who is shown a job applies to it",
        data=(
            ("an apply counts", f"within {label.apply_window_days} days of the exposure"),
            ("a click counts", f"within {label.click_window_days} days"),
            ("a hire counts", f"within {label.hire_window_days} days"),
        ),
        limits=limits_of(platform),
        feature_words=platform.model.words,
        measure_words={
            "selection": "Selection: who would be written to",
            "exposure": "Exposure: who is shown the well-paid",
        },
    )


def _audit(platform: Platform, day: date, version: str) -> FairnessAudit | None:
    try:
        audit = FairnessAudit.from_report(platform.tables.read_report(FAIRNESS_REPORT, day))
    except NotFoundError:
        return None
    return audit if audit.model_version == version else None
