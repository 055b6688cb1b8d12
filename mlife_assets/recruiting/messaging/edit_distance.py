"""Edit distance: whether two words differ by one slip of the finger.

Belongs here: the test for at most one edit. Does not belong here: which words are compared (`opt_outs`).

Concept: optimal string alignment: a letter too many, missing, wrong, or two neighbours swapped each count as one. Only
zero and one are asked for, so the words are compared at their first difference and no table is built.
"""

from __future__ import annotations


def is_within_one_edit(word: str, target: str) -> bool:
    """Return whether `word` is `target` or one insertion, deletion, substitution or swap of neighbours away."""
    if word == target:
        return True
    if abs(len(word) - len(target)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(word, target, strict=False)) if a != b), min(len(word), len(target)))
    if len(word) == len(target):
        is_swap = word[at : at + 2] == target[at : at + 2][::-1] and word[at + 2 :] == target[at + 2 :]
        return is_swap or word[at + 1 :] == target[at + 1 :]
    longer, shorter = (word, target) if len(word) > len(target) else (target, word)
    return longer[at + 1 :] == shorter[at:]
