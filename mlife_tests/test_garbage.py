import os
import platform
import subprocess
import sys

import pytest

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


ARENAS = """
import ctypes, sys, threading
from mlife_assets.garbage import share_one_arena
libc = ctypes.CDLL(None)
if sys.argv[1] == "shared":
    share_one_arena()
thread = threading.Thread(target=lambda: bytearray(50_000))
thread.start()
thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
"""


def test_python_looks_for_garbage_rarely_and_not_when_the_process_ends() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    usual, within, frozen, served, afterwards, at_exit = said.split()
    assert (within, frozen) == (str(OBJECTS_BETWEEN_COLLECTIONS), "0")
    assert usual == served == afterwards != within
    assert at_exit == "True"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is not glibc's")
@pytest.mark.parametrize(("asked", "arenas"), [("shared", 1), ("usual", 2)])
def test_threads_share_an_arena_that_can_be_given_back(asked: str, arenas: int) -> None:
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", ARENAS, asked]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=plain).stdout
    assert said.count("<heap nr=") == arenas
