"""The production life of one conversion model, as one Dagster graph."""

__version__ = "0.2.0"
