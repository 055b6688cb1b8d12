"""`core` knows no domain: a word of one that stands in it, in code, a string or a comment, is found here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = [ROOT / "mlife_assets" / name for name in ("core", "lifecycle")]

DOMAIN_WORDS = {
    r"jobs?": "what is ranked is an item; what Dagster runs is of no interest here",
    r"click[a-z]*": "an earlier step of a funnel",
    r"appl(?:y|ies|ied|ying|icants?|ications?)": "an outcome, whose name the model gives; functions are used",
    r"recruiters?": "whoever decided before is the human side or the baseline",
    r"employers?|vacanc(?:y|ies)|hire[sd]?|hiring": "entities and outcomes of recruiting",
    r"occupations?|seniority": "categories of recruiting, `recruiting.events` lists them",
    r"salar(?:y|ies)|wages?|pay|pays|paid|paying": "what an item is worth comes from the caller; a fit is charged",
    r"evenings?|(?:user|item|same)_shift|[\"']shifts?[\"']": "when somebody works; a shift of numbers stays",
    r"texts|texted|texting|sms|phones?": "what is sent to people; several values of text are values or strings",
    r"user_id": "the column of an entity, which the roles name; `user_ids` are those for whom something is ranked",
}
"""Pattern of a word, whatever its case and as a part of a name too -> why it stands outside."""


ANY_WORD = re.compile(rf"(?<![a-z])(?:{'|'.join(DOMAIN_WORDS)})(?![a-z])")


def domain_words(text: str) -> list[tuple[int, str]]:
    """Return line number and word of each domain word; names in camel case are read word by word."""
    lines = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower().splitlines()
    return [(number, word) for number, line in enumerate(lines, 1) for word in ANY_WORD.findall(line)]


def reason_of(word: str) -> str:
    return next(reason for pattern, reason in DOMAIN_WORDS.items() if re.fullmatch(pattern, word))


def test_core_names_nothing_of_a_domain() -> None:
    files = sorted(
        path for folder in CORE for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    assert len(files) > 100, "the files of core were not found"
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word} ({reason_of(word)})"
        for path in files
        for number, word in domain_words(path.read_text(encoding="utf-8"))
    ]
    assert not found, "core serves any model; take the word from the record of the model:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        ("job_ids: np.ndarray", ["job"]),
        ("class JobScores:", ["job"]),
        ("# The JOBS of a person", ["jobs"]),
        ('"job_clicks_7d"', ["job", "clicks"]),
        ("whether somebody applied, or clicked", ["applied", "clicked"]),
        ("last_apply_at, recruiterScore", ["apply", "recruiter"]),
        ('column("user_id")', ["user_id"]),
        ('("day", "evening"), "shift", user_shift', ["evening", '"shift"', "user_shift"]),
        ("all texts by SMS to a phone", ["texts", "sms", "phone"]),
        ("log_pay_ratio of the occupation", ["pay", "occupation"]),
    ],
)
def test_a_planted_word_is_found(planted: str, words: list[str]) -> None:
    assert domain_words("first line\n" + planted) == [(2, word) for word in words]


@pytest.mark.parametrize(
    "innocent", ["user_ids", "payload", "plain text", "minimum_users_with_positives", "_FIRST_SHIFT", "reapplying"]
)
def test_a_word_of_the_field_or_inside_another_is_none(innocent: str) -> None:
    assert domain_words(innocent) == []
