"""Homes that are as old as asked for, and what a few acts of theirs cost; see `benchmarks/age.py`."""
