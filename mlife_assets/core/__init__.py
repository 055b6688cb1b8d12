"""Pure computation: no IO, no clock, no environment, no Dagster."""
