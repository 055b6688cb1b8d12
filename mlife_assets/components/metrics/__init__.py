"""Production metrics and the dashboard."""
