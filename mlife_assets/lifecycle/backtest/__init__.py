"""A replay of the whole lifecycle on a history, before anything is deployed.

`history` holds the rows and when each outcome was known, `contestants` and `governed` the five policies, `replay` the
fold over days, `measure` and `result` results, `page` the report.
"""

from __future__ import annotations

from mlife_assets.lifecycle.backtest.history import History, prepare_history
from mlife_assets.lifecycle.backtest.replay import Replayed, replay
from mlife_assets.lifecycle.backtest.result import BacktestResult

__all__ = ["BacktestResult", "History", "Replayed", "prepare_history", "replay"]
