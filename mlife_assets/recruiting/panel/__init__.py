"""The human baseline by a panel: recruiters rank candidates before outcomes exist.

`ballots` reads a file of rankings, `candidates` writes the file to fill in and says what a full ranking is, `agreement`
measures how far recruiters agree, `baseline` turns rankings into scores for the gate.
"""

from __future__ import annotations

from mlife_assets.recruiting.panel.agreement import Agreement, panel_agreement
from mlife_assets.recruiting.panel.ballots import PANEL_COLUMNS, Ballot, Panel, parse_panel
from mlife_assets.recruiting.panel.baseline import (
    HumanBaseline,
    PanelRows,
    consensus_scores,
    human_baseline,
    panel_name,
    panel_rows,
)
from mlife_assets.recruiting.panel.candidates import panel_template, require_candidates, template_bytes

__all__ = [
    "PANEL_COLUMNS",
    "Agreement",
    "Ballot",
    "HumanBaseline",
    "Panel",
    "PanelRows",
    "consensus_scores",
    "human_baseline",
    "panel_agreement",
    "panel_name",
    "panel_rows",
    "panel_template",
    "parse_panel",
    "require_candidates",
    "template_bytes",
]
