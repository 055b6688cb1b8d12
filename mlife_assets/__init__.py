"""The production life of one conversion model, as one Dagster graph.

NumPy and SciPy read once, when they are loaded, how many threads their linear algebra may use. It is one: sums of
several threads differ in their last bits from those of one, and threads that wait for each other take five times the
time on arrays of this size.
"""

import os

__version__ = "0.2.0"

os.environ["OPENBLAS_NUM_THREADS"] = "1"
