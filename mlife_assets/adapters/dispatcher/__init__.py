"""Sending approved messages, each at most once."""
