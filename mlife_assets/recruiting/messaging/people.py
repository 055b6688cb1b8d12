"""People: which accounts belong to one, by the number that they share.

Concept: a person's id is the user id of their first account, for ever: it depends on no number and no key, so neither a
changed number nor a rotated key moves anyone to another arm. A number leads to the person who had it first and is never
forgotten; who turns up with it later is that person, too. So people are joined and never parted: a number that somebody
new was given may silence them, but a STOP is not lost.

A number is compared only in E.164, whatever a form or an export made of it. Possible is enough: numbers set aside for
fiction are possible, though nobody has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from mlife_assets.core.ids import digest

_STRANGER = "stranger_"

REGION = "US"
"""Where a number without a country code is dialled."""


def stranger_id(inbound_id: str) -> str:
    """Return the account that stands for the writer behind an unknown number.

    Args:
        inbound_id: of the first that they wrote.
    """
    return _STRANGER + digest(("stranger", inbound_id))


def is_stranger(user_id: str) -> bool:
    """Return whether an account stands for somebody whom nobody knows."""
    return user_id.startswith(_STRANGER)


@dataclass(frozen=True)
class Joined:
    """Changes after reading the contact book.

    Attributes:
        accounts: user id -> person id of the accounts that are new or whose person became another.
        numbers: number hash -> person id of the numbers that are new or whose person became another.
    """

    accounts: Mapping[str, str]
    numbers: Mapping[str, str]


class _Union:
    """Disjoint sets of people, each named by its most senior."""

    def __init__(self, seniority: Mapping[str, int]) -> None:
        self._parents: dict[str, str] = {}
        self._seniority = seniority

    def find(self, person: str) -> str:
        root = person
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while (parent := self._parents.get(person, person)) != root:
            self._parents[person] = root
            person = parent
        return root

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.find(one), self.find(other)), key=self._seniority.__getitem__)
        self._parents[second] = first


def join_people(accounts: Mapping[str, str], numbers: Mapping[str, str], seen: Mapping[str, str | None]) -> Joined:
    """Join the people whose accounts share a number.

    Args:
        accounts: user id -> person id of every registered account, in the order of registration.
        numbers: number hash -> person id of every number ever seen.
        seen: user id -> number hash as the contact book has it now, None without a usable number. Accounts that are not
            registered yet are, in the order of their ids.

    Returns:
        The changes; the person who registered first gives a joined person its id, but a stranger never does.
    """
    new = sorted(seen.keys() - accounts.keys())
    in_order = sorted([*accounts, *new], key=is_stranger)
    seniority = {user_id: place for place, user_id in enumerate(in_order)}
    union = _Union(seniority)
    owners = dict(numbers)
    for user_id in sorted(seen):
        number = seen[user_id]
        if number is None:
            continue
        person = accounts.get(user_id, user_id)
        owner = owners.setdefault(number, person)
        if owner != person:
            union.join(owner, person)
    moved = {user_id: union.find(person) for user_id, person in accounts.items()}
    return Joined(
        accounts={
            **{user_id: person for user_id, person in moved.items() if person != accounts[user_id]},
            **{user_id: union.find(user_id) for user_id in new},
        },
        numbers={
            number: person
            for number, person in ((number, union.find(owner)) for number, owner in owners.items())
            if numbers.get(number) != person
        },
    )


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
