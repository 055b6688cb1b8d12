"""Scoring: artifact, model inputs, raw scores and probabilities, and reasons."""
