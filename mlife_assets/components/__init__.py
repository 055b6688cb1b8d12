"""How the graph runs: the only package that imports Dagster."""

import warnings

import dagster as dg

# Backfill policies, kinds and owners are beta in this Dagster release; they are relied on knowingly and pinned exactly.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
