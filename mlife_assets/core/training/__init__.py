"""Fit, calibrate, evaluate, explain and gate a model."""
