"""Features: dbt's tables as assets."""
