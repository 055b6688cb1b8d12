"""Homes that two revisions made of the same inputs, and whether they are the same, byte by byte.

`lives` makes a home, by the code of its revision. `gathering` takes out of it what is compared, `reading` reads that as
records, `differences` compares. `tools/same_bytes.py` is the program.
"""
