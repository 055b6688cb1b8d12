from __future__ import annotations

import time

import pytest

from mlife_assets.recruiting.messaging.opt_outs.languages import is_refusal


@pytest.mark.parametrize("reply", ["", "...", "Hi", "het", "no car", "no yes", "cto", "\U0001f600"])
def test_anything_else_is_none(reply: str) -> None:
    """Letters stay in their script: the Ukrainian no looks like `hi`."""
    assert is_refusal(" \u041d\u0406!! \u043d\u0456 ")
    assert not is_refusal(reply)


def test_neither_a_question_nor_the_yes_of_another_language_refuses() -> None:
    asked = ("acha", "No?", "\u00bfno?", "Stopp?!", "\u4e0d\u8981\uff1f", "\u0644\u0627\u061f")
    assert [reply for reply in asked if is_refusal(reply)] == []


def test_a_long_reply_is_not_read() -> None:
    began = time.process_time()
    assert not is_refusal("no " * 500_000)
    assert time.process_time() - began < 0.1
