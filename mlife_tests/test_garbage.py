import subprocess
import sys

from mlife_assets.garbage import OBJECTS_BETWEEN_COLLECTIONS

PROGRAM = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count() > 1_000))
from mlife_assets.garbage import rare_collections
with rare_collections():
    print(gc.get_threshold()[0], gc.get_freeze_count())
print(gc.get_threshold()[0])
"""


def test_python_looks_for_garbage_rarely_and_not_when_the_process_ends() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert said.split() == [str(OBJECTS_BETWEEN_COLLECTIONS), "0", "700", "True"]
