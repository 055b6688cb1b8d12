"""Scoring: artifact, what a model sees of a row, raw scores and probabilities, and why."""
