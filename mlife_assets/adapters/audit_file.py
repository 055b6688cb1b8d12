"""The audit table of a deployment's owner: self-reported groups in a file, which the fairness audit alone asks for.

Belongs here: reading it. Does not belong here: what an audit says (`core.training.fairness`).

Concept: without a table nobody's answer is known, so no impact ratio can be judged and the gate refuses: it fails
closed. A table that was named and cannot be read is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mlife_assets.adapters.owners_table import USER_ID, read_owners_table, row_of
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.training.fairness.categories import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.recruiting.ports import AuditGroups

SETTING = "MLIFE_AUDIT_TABLE"
_KNOWN = {"sex": {*SEXES, UNKNOWN}, "race_ethnicity": {*ETHNICITIES, UNKNOWN}}


class OwnersAuditTable:
    """Implements `recruiting.ports.AuditAttributes`.

    Args:
        path: the file, with the columns `user_id`, `sex` and `race_ethnicity`; None where there is none.
    """

    def __init__(self, path: Path | None) -> None:
        """Remember the file; it is read when an audit first asks."""
        self._path = path

    @cached_property
    def _answers(self) -> dict[str, tuple[str, str]]:
        if self._path is None:
            return {}
        table = read_owners_table(self._path, SETTING, tuple(_KNOWN))
        columns = {name: [one or UNKNOWN for one in table[name].to_pylist()] for name in _KNOWN}
        for name, answers in columns.items():
            wrong = next((row for row, answer in enumerate(answers) if answer not in _KNOWN[name]), None)
            if wrong is not None:
                known = ", ".join(sorted(_KNOWN[name]))
                raise InvalidInputError(
                    f"{SETTING}: {row_of(self._path, wrong)}, {name}: no answer that is known; use one of {known}"
                )
        return dict(zip(table[USER_ID].to_pylist(), zip(*columns.values(), strict=True), strict=True))

    def count(self) -> int:
        """Return how many people are in the table. Raises when it cannot be read."""
        return len(self._answers)

    def groups_of(self, user_ids: Sequence[str]) -> AuditGroups:
        """Return the answers of users in their order; `unknown` where there is none. Raises when it cannot be read."""
        found = [self._answers.get(user_id, (UNKNOWN, UNKNOWN)) for user_id in user_ids]
        return AuditGroups(tuple(one for one, _ in found), tuple(other for _, other in found))
