"""Refusals in the languages that people in the United States write besides English and Spanish.

Concept: whoever writes one word to a text that ends in "reply STOP" and means no, is heard. A sentence in Latin
letters refuses when a word of refusal and a word of contact of one language stand in it, in any order, or a removal and
what is removed. In other scripts one stem is enough: nobody here reads them better, so they err to silence.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import listed, lists

LONGEST = 1_200
_OF_A_NOTE = (
    r" (?:nicht|kein\w*) (?:\w+ )?(?:weitergeleitet|gelesen|bearbeitet|beantwortet|abgerufen|im buro|erreichbar)"
    r"| nao (?:sera|serao) (?:\w+ )?(?:lid|respondid|encaminhad)\w+| nao (?:estarei no escritorio|terei acesso)"
    r"| nie (?:zostan\w+|bedzie|beda) (?:\w+ )?\w*(?:czytan|przekazan)\w+| ne m est pas possible"
    r"| (?:hab|heb)\w* (?:\w+ ){0,4}?(?:nicht|kein\w*|nie|niet|geen) (?:\w+ ){0,3}?(?:bekommen|erhalten|gekriegt|"
    r"gefunden|ontvangen|gekregen)"
    r"| nie (?:dosta|otrzyma)(?!c|wac)\w+| nie (?:mam|przysz\w+) | (?:nao|nu|pa t|pa|non|nie) (?:recebi|chegou|tenho|"
    r"am primit|resevwa|gen|ho ricevuto) "
    r"| n (?:ai|a|avons) plus (?:de|d|mon|mes) | pa (?:konnen|ka|jwenn) | nie (?:moge|wiem) "
    r"| khong nhan [dđ]uoc| har (?:inte|ikke) (?:fatt|mottatt|modtaget)"
)
"""What a note of absence says of mails, or whoever misses one: they are not read, it did not come."""

_ASKS = re.compile("[?\uff1f\u061f\u037e]|[吗嗎呢]")
_SENTENCE = re.compile(r"[^.!?\n\u3002\uff01\uff1f\u061f\u0964]+[.!?\n\u3002\uff01\uff1f\u061f\u0964]*")


def is_refusal(reply: str) -> bool:
    """Return whether a short reply is a bare no or stop, or a sentence near its beginning refuses.

    A question refuses nothing, but may ask for a removal.
    """
    if len(reply) <= LONGEST and _ASKS.search(reply) is None:
        words = [word for word in _bare(reply).split() if word not in listed("polite").split()]
        if words and ("".join(words) in _refusals() or (len(set(words)) == 1 and words[0] in _refusals())):
            return True
    reply = reply[:LONGEST]
    return any(_refuses(_bare(one[0]), asks=_ASKS.search(one[0]) is not None) for one in _SENTENCE.finditer(reply))


def _refuses(sentence: str, *, asks: bool) -> bool:
    said = re.sub(_OF_A_NOTE, " ", f" {' '.join(sentence.split())} ")
    return any(one.search(said) is not None for one in _patterns(asks))


@cache
def _patterns(asks: bool) -> tuple[re.Pattern[str], ...]:
    pairs = [*lists()["removal"], *([] if asks else lists()["refusal"])]
    both = (f"^(?=.*{_any(pair['words'])})(?=.*{_any(pair['of'])})" for pair in pairs)
    stems = "asked_stems" if asks else "stems"
    return tuple(map(re.compile, (*both, _any(listed(stems)), _any(listed(f"{stems}_without_spaces"))[1:])))


def _any(stems: str) -> str:
    return f" (?:{'|'.join(_bare(stem.replace('_', ' ')) for stem in stems.split())})"


@cache
def _refusals() -> frozenset[str]:
    return frozenset(_bare(words) for words in (*listed("bare_no").split(), *listed("whole").split()))


def _bare(text: str) -> str:
    """Return words in lower case without accents and signs. A script stays: the Ukrainian no is no `hi`."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c if c.isalnum() or c.isspace() else "" if unicodedata.combining(c) else _sign(c) for c in parts)


def _sign(character: str) -> str:
    return character if unicodedata.category(character).startswith("M") else " "
