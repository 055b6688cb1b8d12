"""The `mlife` command.

Belongs here: options, words and exit codes of the command line. Does not belong here: effects of people's acts
(`components.acts`), decisions (`core`).
"""

from mlife_assets.cli.app import app, main

__all__ = ["app", "main"]
