"""`mlife keys`: the keys of a home.

Concept: the key of number hashes has no other use, so rotating it changes no arm, no event and no suppression. The new
key is written first: a crash after that leaves hashes of the old key, which running the command again replaces.
"""

from __future__ import annotations

import typer

from mlife_assets.cli.options import AsJson, Home, open_platform, settings_of
from mlife_assets.cli.output import answer_console, print_json

NUMBERS = "numbers"

keys_app = typer.Typer(no_args_is_help=True, help="Rotate the keys of a home.")


@keys_app.callback()
def keys() -> None:
    """Keep `rotate-numbers` a command of its own."""


@keys_app.command("rotate-numbers")
def rotate_numbers(home: Home = None, as_json: AsJson = False) -> None:
    """Make a new key for phone-number hashes and hash every number in the contact book again.

    With MLIFE_HASH_KEY set, that is the new key: change it, then run this. Safe to run again after any failure.

    Exit codes: 0 every stored hash uses the new key, 1 failed.
    """
    from mlife_assets.components.shown.present import operator_time

    platform = open_platform(settings_of(home))
    now = operator_time(platform.of_model())
    platform.home.messengers.people.require_books()  # a key that was changed without them would fit no hash
    if platform.settings.hash_key is None:
        # Whoever took over another's number is that person, which only the old hashes can show.
        platform.home.messengers.people.register(platform.ledger.user_ids(), now=now)
        platform.home.private.keyring.rotate(NUMBERS)
    known = platform.home.messengers.people.rehash(now=now)
    for record in (platform.deployment.texts_record, platform.deployment.former_texts_record):
        if record is not None:
            record().forget_numbers()
    if as_json:
        print_json({"numbers": known, "accounts": len(platform.ledger.user_ids())})
        return
    answer_console().print(f"The key is new; {known} numbers are hashed with it, older hashes are gone")
