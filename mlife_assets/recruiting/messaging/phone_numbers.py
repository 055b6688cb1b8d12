"""Phone numbers: one spelling for each.

Belongs here: whether a text is a number and how it is written. Does not belong here: whose it is (`people`), where
numbers are kept (a contact book).

Concept: a number is compared only in E.164, whatever a form or an export made of it. Possible is enough: numbers set
aside for fiction are possible, though nobody has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

REGION = "US"
"""Where a number without a country code is dialled."""


@lru_cache(maxsize=131_072)
def normalise(number: str, region: str = REGION) -> str | None:
    """Return a number in E.164, without extension, None when nothing can be sent to it."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None  # a number without its area code, too: it reaches nobody from outside
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def accounts_by_number(numbers: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Return E.164 number -> the accounts that have it, sorted, of user id -> number as it is written."""
    found: dict[str, list[str]] = {}
    for user_id in sorted(numbers):
        written = numbers[user_id]
        number = None if written is None else normalise(written)
        if number is not None:
            found.setdefault(number, []).append(user_id)
    return found
