"""Texts: plans, sends, replies."""
