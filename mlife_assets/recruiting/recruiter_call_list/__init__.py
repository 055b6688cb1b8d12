"""Whom recruiters call today, and about which job."""
