"""What programs of many languages make of an answer, and what a hostile writer does."""

from __future__ import annotations

import time

import pytest

from mlife_assets.recruiting.mail.own_words import html_lines, own_words

OURS = "> Northstar Jobs\n> Your best job this week\n> Unsubscribe: https://jobs.example/unsubscribe/abc\n"
INTROS = (
    "On Mon, Jun 1, 2026 at 3:00 PM Northstar Jobs <jobs@mail.jobs.example> wrote:",
    "On Mon, Jun 1, 2026 at 3:00 PM Northstar Jobs <jobs@mail.jobs.example>\nwrote:",
    "Am 01.06.2026 um 15:00 schrieb Northstar Jobs <jobs@mail.jobs.example>:",
    "Am Mo., 1. Juni 2026 um 15:00 Uhr schrieb Northstar Jobs <\njobs@mail.jobs.example>:",
    "Le 1 juin 2026 \u00e0 15:00, Northstar Jobs <jobs@mail.jobs.example> a \u00e9crit :",
    "El 1 jun 2026, a las 15:00, Northstar Jobs escribi\u00f3:",
    "\u041f\u043d, 1 \u0438\u044e\u043d. 2026 \u0433. Northstar Jobs <jobs@mail.jobs.example>:",
    "2026\u5e746\u67081\u65e5 Northstar Jobs <jobs@mail.jobs.example>\uff1a",
    "Northstar Jobs said at 15:00:",
)
COPIES = (
    "-----Original Message-----\nFrom: Northstar Jobs <jobs@mail.jobs.example>\nSent: Monday\nSubject: Cook",
    "-----Urspr\u00fcngliche Nachricht-----\nVon: Northstar Jobs\nGesendet: Montag\nBetreff: Cook",
    "________________________________\nDe : Northstar Jobs <jobs@mail.jobs.example>\nEnvoy\u00e9 : lundi",
    'Gesendet: Montag, 1. Juni 2026\nVon: "Northstar Jobs" <jobs@mail.jobs.example>\nAn: ann@home.example',
    "*From:* Northstar Jobs <jobs@mail.jobs.example>\n*Sent:* Monday",
)


@pytest.mark.parametrize("intro", INTROS)
def test_above_below_and_between_the_lines_of_a_quote(intro: str) -> None:
    assert own_words(f"no\n\n{intro}\n\n{OURS}") == "no"
    assert own_words(f"{intro}\n\n{OURS}\nno\n") == "no"
    assert own_words(f"{intro}\n{OURS}no\n{OURS}") == "no"


@pytest.mark.parametrize("copy", COPIES)
def test_a_quote_without_signs_has_no_end(copy: str) -> None:
    assert own_words(f"no\n\n{copy}\n\nCook, $21\nUnsubscribe: one click") == "no"
    assert own_words(f"no\n\n{INTROS[0]}\n\nCook, $21\nUnsubscribe: one click") == "no"


def test_nothing_of_ours_is_read_where_no_program_said_that_it_is_quoted() -> None:
    ours = "Your best job\nYou get this mail because you asked Northstar Jobs for jobs by mail.\nUnsubscribe: https://x"
    assert own_words(f"great\n{ours}") == "great Your best job"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stop\n-- \nJoe\nreply STOP to end mails of Acme", "stop"),
        ("--\nJoe", "Joe"),
        ("hello\n--\nplease take me off your list", "hello please take me off your list"),
        ("stop\r\n-- \r\nJoe", "stop"),
        (f"{'no, ' * 150}stop", f"{'no, ' * 150}stop"),
        ("Hi team @ Northstar:\nplease stop", "Hi team @ Northstar: please stop"),
        ("Hi team <jobs@mail.jobs.example>:\nplease stop", "Hi team <jobs@mail.jobs.example>: please stop"),
        ("To whoever wrote:\nplease stop", "To whoever wrote: please stop"),
        ("unsubscribe ann@home.example\n\n" + INTROS[5] + "\n" + OURS, "unsubscribe ann@home.example"),
        ("no\n\nSent from my iPhone", "no"),
        ("nein\n\nVon meinem iPhone gesendet\n" + INTROS[2] + "\n" + OURS, "nein"),
        (f"-- \nJoe\n{INTROS[0]}\n{OURS}stop", "Joe stop"),
        ("thanks\n-- \nJoe\n" + INTROS[2] + "\n" + OURS + "\nstop", "thanks stop"),
        ("---- STOP ----", "---- STOP ----"),
        ("thanks\nTo unsubscribe from our newsletter visit cakes.example", "thanks"),
        *((said, said) for said in ("I am not the intended recipient. Stop", "To stop, use this as my request")),
        *((said, said) for said in ("Private and confidential and mine: stop writing me", "To stop I use this mail")),
        ("This is not the intended recipient, stop", "This is not the intended recipient, stop"),
        ("stop\nThis mail is confidential and not for you\nplease delete it", "stop This mail is"),
        ("You get this mail because you asked Acme for jobs.\nUnsubscribe:\nhttps://x\nAcme, 1 Main St\nstop", "stop"),
        ("You can stop sending me mails, I use another site", "You can stop sending me mails, I use another site"),
        ("From: now on, stop", "From: now on, stop"),
        ("She wrote: stop", "She wrote: stop"),
        ("Reasons:\nnone, just stop", "Reasons: none, just stop"),
        ("", ""),
    ],
)
def test_signatures_go_and_whatever_only_looks_like_a_quote_stays(text: str, words: str) -> None:
    assert own_words(text) == words


def test_html_is_the_same_lines() -> None:
    markup = (
        "<html><head><title>Re</title><style>p{color:red}</style></head><body><!-- x --><div>St<b>o</b>p&nbsp;it</div>"
        "<div class=gmail_quote>On Monday Ann &lt;a@b.example&gt; wrote:<br><blockquote><p>Unsubscribe</p></blockquote>"
        "</div><p>please</p><script>stop()</script></body></html>"
    )
    assert own_words(html_lines(markup)) == "Stop it please"


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<html><head><meta charset=utf-8><title>Re</title><body><p>stop</p></body></html>", "stop"),
        ("<head><style>p{}</style><p>stop</p>", "stop"),
        ("<title/><p>stop</p>", "stop"),
        ("<div>stop</div><div>-- <br>Joe</div>", "stop"),
        ("<blockquote><p>stop</p></blockquote>", "stop"),
        ("<blockquote>stop<blockquote>Line Cook</blockquote></blockquote>", "stop"),
        ("<blockquote>Cook<br>You get this mail because you asked Acme for jobs<br>Unsubscribe</blockquote>", ""),
        ("&gt; Line Cook<br>stop", "stop"),
    ],
)
def test_words_are_found_wherever_html_hides_them(markup: str, words: str) -> None:
    assert own_words(html_lines(markup)) == words


@pytest.mark.parametrize(
    "piece",
    ["<", "<b>x</b>", "<style>", "&amp;", "<blockquote>x", "> \n", "From: a\n", "On a wrote\n", "-- \n", "--" * 40],
)
def test_time_follows_length(piece: str) -> None:
    began = time.process_time()
    own_words(html_lines(piece * (128_000 // len(piece))))
    own_words(piece * (128_000 // len(piece)))
    assert time.process_time() - began < 0.25
