"""The page of a replay: one self-contained HTML document.

`document` is the whole, `drawings` the charts over time, `tables` words and numbers.
"""

from __future__ import annotations

from mlife_assets.core.backtest.page.document import render_backtest

__all__ = ["render_backtest"]
