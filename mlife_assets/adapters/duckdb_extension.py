"""The extension by which DuckDB reads buckets.

Belongs here: where it lies. Does not belong here: loading it (`dbt_bucket`).

Concept: it comes with a package and is loaded by its path, so nothing is downloaded into a home folder.
"""

from __future__ import annotations

from pathlib import Path

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.extras import missing_extra


def extension_path() -> Path:
    """Return the extension of the running DuckDB. Raises MissingExtraError or InvalidInputError."""
    try:
        import duckdb
        import duckdb_extension_httpfs
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    folder = Path(str(duckdb_extension_httpfs.__file__)).parent / "extensions"
    path = folder / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    if not path.exists():
        there = ", ".join(sorted(one.name.removeprefix("v") for one in folder.glob("v*")))
        raise InvalidInputError(
            f"duckdb is {duckdb.__version__}, duckdb-extension-httpfs is for {there}; install the same version of both"
        )
    return path
