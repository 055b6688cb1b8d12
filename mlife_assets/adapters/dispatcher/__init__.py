"""Sending what was approved, each text at most once."""
