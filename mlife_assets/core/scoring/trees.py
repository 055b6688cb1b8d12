"""Trees of LightGBM that score.

Belongs here: LightGBM's C library. Does not belong here: fitting (`core.training.boosting`).

Concept: LightGBM's Python package imports pandas, scikit-learn and matplotlib, which takes seconds. Its C library alone
predicts, and `lightgbm.Booster` calls the same functions of it, so the bits are the same.
"""

from __future__ import annotations

import ctypes
import importlib.util
import runpy
import weakref
from functools import cache

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import PermanentError

Array = npt.NDArray[np.float64]
RAW, CONTRIBUTIONS = 1, 3
_FLOAT64, _ROW_MAJOR, _FIRST, _ALL = 1, 1, 0, -1


class Trees:
    """A booster, read from LightGBM's text format."""

    def __init__(self, model_text: str) -> None:
        """Parse the text.

        Raises:
            PermanentError: LightGBM cannot read it; carries its own message.
        """
        handle, count = ctypes.c_void_p(), ctypes.c_int()
        text = ctypes.c_char_p(model_text.encode())
        _require(_library().LGBM_BoosterLoadModelFromString(text, ctypes.byref(count), ctypes.byref(handle)))
        self._handle = handle
        weakref.finalize(self, _library().LGBM_BoosterFree, handle)

    def raw(self, matrix: Array, *, threads: int) -> Array:
        """Return the raw score of each row, shape (n,)."""
        return self._predicted(matrix, RAW, threads)

    def contributions(self, matrix: Array, *, threads: int) -> Array:
        """Return SHAP values and the expected value of each row, shape (n, columns + 1)."""
        return self._predicted(matrix, CONTRIBUTIONS, threads).reshape(len(matrix), -1)

    def _predicted(self, matrix: Array, kind: int, threads: int) -> Array:
        data = np.ascontiguousarray(matrix, dtype=np.float64)
        rows, columns = (ctypes.c_int32(size) for size in data.shape)
        asked = (ctypes.c_int(kind), ctypes.c_int(_FIRST), ctypes.c_int(_ALL))
        wanted, written = ctypes.c_int64(), ctypes.c_int64()
        _require(_library().LGBM_BoosterCalcNumPredict(self._handle, rows, *asked, ctypes.byref(wanted)))
        predicted = np.empty(wanted.value, dtype=np.float64)
        _require(
            _library().LGBM_BoosterPredictForMat(
                self._handle,
                data.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_int(_FLOAT64),
                rows,
                columns,
                ctypes.c_int(_ROW_MAJOR),
                *asked,
                ctypes.c_char_p(f"num_threads={threads}".encode()),
                ctypes.byref(written),
                predicted.ctypes.data_as(ctypes.c_void_p),
            )
        )
        return predicted


@cache
def _library() -> ctypes.CDLL:
    """Return the library that LightGBM's package finds, without importing the package."""
    package = importlib.util.find_spec("lightgbm")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")
    find = runpy.run_path(f"{package.submodule_search_locations[0]}/libpath.py")["find_lib_path"]
    library = ctypes.CDLL(find()[0])
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _require(code: int) -> None:
    if code != 0:
        raise PermanentError(f"LightGBM cannot score: {_library().LGBM_GetLastError().decode()}")
