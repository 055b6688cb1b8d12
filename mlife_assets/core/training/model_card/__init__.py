"""The model card: what a version is, what it was measured to do, what it must not be used for, as one HTML page.

`facts` holds what a card says, `describe` makes it from an artifact and its verdict, `page` renders it.
"""

from __future__ import annotations

from mlife_assets.core.training.model_card.describe import CardSubject, describe_model
from mlife_assets.core.training.model_card.facts import CardMetric, CardWindow, ModelCard
from mlife_assets.core.training.model_card.page import render_model_card

__all__ = ["CardMetric", "CardSubject", "CardWindow", "ModelCard", "describe_model", "render_model_card"]
