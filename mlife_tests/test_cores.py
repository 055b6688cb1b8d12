"""No result depends on how many cores there are: linear algebra keeps to one thread, whoever starts the process."""

import json
import os
import subprocess
import sys

import pytest

LIBRARIES = """
import json, sys
from importlib import import_module

import_module(sys.argv[1])
import numpy, scipy.linalg, sklearn
from threadpoolctl import threadpool_info

print(json.dumps([[one["filepath"], one["num_threads"]] for one in threadpool_info() if one["user_api"] == "blas"]))
"""


@pytest.mark.parametrize("module", ["mlife_assets.cli.app", "mlife_assets.definitions"])
def test_linear_algebra_has_one_thread(module: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", LIBRARIES, module],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    libraries = json.loads(found.stdout)
    assert len(libraries) >= 2, "NumPy and SciPy bring one each"
    assert {threads for _, threads in libraries} == {1}
