"""Texts: planned, sent, answered."""
