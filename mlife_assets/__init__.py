"""The production life of one conversion model, as one Dagster graph."""
