"""Predictions: candidates and their scores."""
