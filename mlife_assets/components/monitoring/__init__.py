"""Monitoring: daily reports against the champion's reference, and verdict."""
