"""Opt-outs: whether a reply asks us, in whatever words, to stop.

Belongs here: running the rules of both languages, the short replies, the signs. Does not belong here: the rules
(`opt_outs_english`, `opt_outs_spanish`), what follows from an opt-out (`effects`).

Concept: three layers. A reply that is one word and little else is compared with the keywords, one slip forgiven. A
longer one is read by rules of grammar. A stop word that no rule explained away counts, wherever it stands.
"""

from __future__ import annotations

import re

from mlife_assets.core.messaging.edit_distance import is_within_one_edit
from mlife_assets.core.messaging.opt_outs_english import ENGLISH, is_stop_about_something_else
from mlife_assets.core.messaging.opt_outs_spanish import SPANISH
from mlife_assets.core.messaging.reply_words import BREAKS, normal, raw_words

_QUOTED_LINE = re.compile(r"^\s*>.*$", re.MULTILINE)
_OUR_LINE = re.compile(r"reply[\s\"'“”]+stop[\s\"'“”]+to[\s]+opt[\s-]?out", re.IGNORECASE)
_SIGNS = frozenset("\U0001f6d1\U0001f6ab\u26d4\U0001f595\U0001f515\U0001f4f5\U0001f645")
_RUDE_SIGN = "\U0001f595"

_WHOLE = {
    "slips": tuple(
        "stop stopall unsubscribe cancel quit end optout revoke remove delete parar cancelar detener eliminar basta "
        "terminate desist discontinue unsub borrar baja alto".split()
    ),
    "exact": frozenset(
        "halt hush fin terminar reported couldyounot unsubscribing quitting cease enough spam block blocked uninterested harassment scammer scammers spammer spammers mute pare paren "
        "para salir borrame equivocado equivocada suficiente nomas leave decline denied pass dejenme dejame "
        "enoughalready nevermore never unfollow quitame detengan cancelado equivocados finish finished acoso "
        "unenroll unregister deactivate disable exit nomore notinterested blocking offlist unwanted scram dont yanoquiero dontwant dontwantit begone".split()
    )
    - {"pass", "never", "leave", "finish", "finished", "denied", "decline"},
}
_NO_SLIP_OF_A_KEYWORD = frozenset(
    "send and ends bend lend mend tend vend ed en eng end2 quite quiet suit quilt quid unit also auto alta alt salt "
    "pasta hasta baja bajo caja bajar raja para parar parir remote cancer deleted removed ebd elimina".split()
) - {"baja", "parar", "ebd"}
_AROUND = frozenset(
    "hi hello hey ok okay yes yeah yo dear sir thanks thank thx ty you im i said say word bye goodbye god me it "
    "this now all txt text reply no sorry to ya hola gracias reply texto ahora mismo senor senora buenas ustedes".split()
)


def opt_out_rule(body: str) -> str | None:
    """Return the name of the rule by which `body` is an opt-out, None when it is none."""
    own = _QUOTED_LINE.sub("", body)
    own = own if own.strip() else body
    without = _OUR_LINE.sub(" ", own)
    own = without if raw_words(without) else own
    if _RUDE_SIGN in own or (not raw_words(own) and not _SIGNS.isdisjoint(own)):
        return "sign"
    text = normal(own)
    tokens = [word for word in text.split() if word not in BREAKS]
    if not tokens:
        return None
    if _is_keyword(tokens):
        return "keyword"
    for name, pattern in (*ENGLISH, *SPANISH):
        if pattern.search(text):
            return name
    if names_somebody_else(own):
        return "not_that_person"
    if " stop " in text and not is_stop_about_something_else(text):
        return "stop_word"
    return None


def _is_keyword(tokens: list[str]) -> bool:
    core = [word for word in tokens if word not in _AROUND] or tokens
    joined = "".join(core)
    if len(core) > 4 or len(tokens) > 9:
        return False
    if len(core) > 1 and (len(joined) > 13 or min(map(len, core)) > 3):
        return len(set(core)) == 1 and _is_one(core[0])
    return _is_one(joined) or (len(set(core)) == 1 and _is_one(core[0]))


def _is_one(word: str) -> bool:
    if word in _WHOLE["exact"]:
        return True
    return word not in _NO_SLIP_OF_A_KEYWORD and any(is_within_one_edit(word, one) for one in _WHOLE["slips"])


_OTHER_PERSON = re.compile(
    r"(?:[Tt]his|[Tt]hat|[Tt]his number|THIS)(?: is|['’]s)? ?(?:not|isn['’]?t|ain['’]?t|n['’]t) ([A-Z][a-z]+)(?: [A-Z][a-z]+)?\s*(?:[.,!\n]|$)"
    r"|\b[Ii](?:['’]?m| am) not ([A-Z][a-z]+)\s*(?:[.,!\n]|$)"
    r"|\b[Nn]o soy ([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s*(?:[.,!\n]|$)"
    r"|\b[Ee]st[ea] no es (?:el |la )?([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s*(?:[.,!\n]|$)"
    r"|\b[Nn]ot ([A-Z][a-z]+)['’]?s? (?:number|phone|cell)\b"
)
_NO_NAMES = frozenset(
    "Texas Spanish English American Mexican Christian Muslim Jewish Monday Tuesday Wednesday Thursday Friday Saturday "
    "Sunday Interested Available Sure Certified Licensed Working Ready Hiring There Here Going Able Looking".split()
)


def names_somebody_else(body: str) -> bool:
    """Return whether `body` says that its writer is not somebody whom it names: `This is not Maria`."""
    match = _OTHER_PERSON.search(body)
    return match is not None and not _NO_NAMES.intersection(filter(None, match.groups()))
