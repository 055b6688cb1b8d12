"""Monitoring: what a day looks like to the champion, and what to do about it."""
