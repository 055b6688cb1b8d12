import subprocess
import sys

from mlife_assets.garbage import OBJECTS_BETWEEN_COLLECTIONS

PROGRAM = """
import atexit, gc
print(gc.get_threshold()[0])
atexit.register(lambda: print(gc.get_freeze_count() > 1_000))
from mlife_assets.garbage import collect_as_usual, rare_collections
with rare_collections():
    print(gc.get_threshold()[0], gc.get_freeze_count())
    collect_as_usual()
    print(gc.get_threshold()[0])
print(gc.get_threshold()[0])
"""


def test_python_looks_for_garbage_rarely_and_not_when_the_process_ends() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    usual, within, frozen, served, afterwards, at_exit = said.split()
    assert (within, frozen) == (str(OBJECTS_BETWEEN_COLLECTIONS), "0")
    assert usual == served == afterwards != within
    assert at_exit == "True"
