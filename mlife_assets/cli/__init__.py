"""The `mlife` command."""

from mlife_assets.cli.app import app, main

__all__ = ["app", "main"]
