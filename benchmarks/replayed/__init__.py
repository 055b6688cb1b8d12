"""The histories that `benchmarks/replays.py` replays.

`kinds` makes histories whose law changes in known ways, `files` reads those of other people.
"""
