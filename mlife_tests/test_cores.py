"""No result depends on how many cores there are, and no process of somebody else's is changed by an import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

MODULES = (
    "mlife_assets", "mlife_assets.cli.app", "mlife_assets.definitions", "mlife_assets.components.conversion_model",
    "mlife_assets.core.training.gate.comparing", "mlife_assets.adapters.own_calculators",
)  # fmt: skip
IMPORTS = """
import json, os, sys
before = dict(os.environ)
from importlib import import_module
found = []
for module in sys.argv[1:]:
    import_module(module)
    changed = [name for name in before | dict(os.environ) if before.get(name) != os.environ.get(name)]
    import numpy, scipy.linalg
    from threadpoolctl import threadpool_info
    found.append([sorted({one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}), changed])
print(json.dumps(found))
"""
COMPUTED = """
import hashlib, sys
import numpy as np, pandas as pd
from threadpoolctl import threadpool_info
from mlife_assets.adapters.own_calculators import OwnReconstruction
from mlife_assets.core.monitoring.outcomes import ScoredOutcomes
generator = np.random.default_rng(1)
rows, columns = 60_000, 40
features = generator.standard_normal((rows, columns))
probability = generator.uniform(0.01, 0.6, rows)
outcome = (generator.uniform(size=rows) < probability).astype(float)
names = tuple(f"f{n}" for n in range(columns))
found = ScoredOutcomes(outcome, probability, generator.integers(0, 900, rows), features, names)
frame = pd.DataFrame(features @ generator.standard_normal((columns, columns)), columns=list(names))
frame = pd.DataFrame(np.round(frame.to_numpy(), 6), columns=list(names))
pca = OwnReconstruction(frame, 0.65)
evidence = found.evidence()
values = [found.statistics(), found.statistics(probability), *vars(evidence).values()]
values += [np.array([pca.sampling_error, pca.error(frame[:5_000])])]
threads = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
print(max(threads), hashlib.sha256(b"".join(np.asarray(one).tobytes() for one in values)).hexdigest())
"""


def printed(program: str, *arguments: str, threads: str) -> str:
    environment: Mapping[str, str] = {**os.environ, "OPENBLAS_NUM_THREADS": threads}
    command = [sys.executable, "-c", program, *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return ran.stdout


def test_an_import_changes_neither_threads_nor_variables_of_the_process() -> None:
    """Nor so of its children, which inherit them."""
    found = json.loads(printed(IMPORTS, *MODULES, threads="2"))
    assert len(found) == len(MODULES)
    for threads, changed in found:
        assert threads == [min(2, os.cpu_count() or 1)]
        assert not [name for name in changed if "THREADS" in name or name.startswith(("OPENBLAS", "OMP", "MKL"))]


def test_what_is_computed_has_the_same_bits_on_one_thread_and_on_two() -> None:
    (one, digest), (two, other) = (printed(COMPUTED, threads=threads).split() for threads in ("1", "2"))
    assert (one, two) == ("1", str(min(2, os.cpu_count() or 1))), "the process has them before and after"
    assert digest == other
