"""Side effects behind the ports of core; no Dagster."""
