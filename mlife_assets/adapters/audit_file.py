"""The audit table of a deployment's owner: self-reported groups, which the fairness audit alone asks for.

Concept: without a table nobody's answer is known, so no impact ratio can be judged and the gate refuses: it fails
closed. A table that was named and cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlife_assets.adapters.owners_table import USER_ID, OwnersFile, State, owners_table, row_of
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.recruiting.ports import AuditGroups

SETTING = "MLIFE_AUDIT_TABLE"
_KNOWN = {"sex": {*SEXES, UNKNOWN}, "race_ethnicity": {*ETHNICITIES, UNKNOWN}}


class OwnersAuditTable:
    """Implements `recruiting.ports.AuditAttributes`.

    Args:
        place: of the table, a file or an object, with the columns `user_id`, `sex` and `race_ethnicity`; None where
            there is none.
    """

    def __init__(self, place: Path | Bucket | None) -> None:
        self._file = None if place is None else OwnersFile(place, SETTING)
        self._state: State = None
        self._answers: dict[str, tuple[str, str]] = {}

    def _known_answers(self) -> Mapping[str, tuple[str, str]]:
        if self._file is not None and (found := self._file.changed(self._state)) is not None:
            state, data = found
            self._answers = self._read(self._file, data)
            self._state = state
        return self._answers

    @staticmethod
    def _read(file: OwnersFile, data: bytes) -> dict[str, tuple[str, str]]:
        table = owners_table(file, data, tuple(_KNOWN))
        columns = {name: [one or UNKNOWN for one in table[name].to_pylist()] for name in _KNOWN}
        for name, answers in columns.items():
            wrong = next((row for row, answer in enumerate(answers) if answer not in _KNOWN[name]), None)
            if wrong is not None:
                known = ", ".join(sorted(_KNOWN[name]))
                raise InvalidInputError(
                    f"{SETTING}: {row_of(file, wrong)}, {name}: no answer that is known; use one of {known}"
                )
        return dict(zip(table[USER_ID].to_pylist(), zip(*columns.values(), strict=True), strict=True))

    def count(self) -> int:
        """Return how many people are in the table. Raises when it cannot be read."""
        return len(self._known_answers())

    def groups_of(self, user_ids: Sequence[str]) -> AuditGroups:
        """Return the answers of users in their order; `unknown` where there is none. Raises when it cannot be read."""
        answers = self._known_answers()
        found = [answers.get(user_id, (UNKNOWN, UNKNOWN)) for user_id in user_ids]
        return AuditGroups(tuple(one for one, _ in found), tuple(other for _, other in found))
