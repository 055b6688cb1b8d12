"""Opt-outs: whether a reply asks us, in whatever words, to stop.

Concept: three layers. A reply that is one word and little else is compared with the keywords, one slip forgiven, a
clause without a slip, and both with refusals of other languages. A longer one is read by rules of grammar, after
what asks for more was put aside. A stop word that no rule explained away counts, wherever it stands.

In other languages that people in the United States write, a sentence in Latin letters refuses when a word of refusal
and a word of contact of one language stand in it, in any order, or a removal and its object. In other scripts one stem
is enough: nobody here reads them better, so they err to silence.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from mlife_assets.recruiting.messaging.opt_outs.english import (
    REFUSALS,
    REMOVALS,
    STOP_VERBS,
    THREATS,
    is_stop_about_something_else,
)
from mlife_assets.recruiting.messaging.opt_outs.spanish import SPANISH
from mlife_assets.recruiting.messaging.opt_outs.spelling import (
    BREAKS,
    Rules,
    is_within_one_edit,
    listed,
    lists,
    normal,
    pattern,
    raw_words,
    word_set,
    words,
)

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
"""Words of a note of absence, or of a person who misses a mail: mails are not read, it did not come."""

_ASKS = re.compile("[?\uff1f\u061f\u037e]|[吗嗎呢]")
_SENTENCE = re.compile(r"[^.!?\n\u3002\uff01\uff1f\u061f\u0964]+[.!?\n\u3002\uff01\uff1f\u061f\u0964]*")
_RULES: Rules = {
    **STOP_VERBS,
    **REFUSALS,
    **REMOVALS,
    **THREATS,
    **{f"spanish_{name}": rule for name, rule in SPANISH.items()},
}
_QUOTED_LINE = re.compile(r"^[^\S\n]*>.*$", re.MULTILINE)
_REACTION = re.compile(
    r"(?:\W*+(?:(?:dis)?liked|loved|emphasized|laughed at|questioned|reacted \S+ to)|\W++(?<=[^\w\s] )to)\s++"
    r"[\u201c\"][^\u201d\"]*+[\u201d\"]?+\W*+",
    re.IGNORECASE,
)
"""A phone's reaction to our text, such as a heart: it quotes us. No backtracking: a mail may be all signs."""
_SIGNS = frozenset("\U0001f6d1\U0001f6ab\u26d4\U0001f595\U0001f515\U0001f4f5\U0001f645")
_RUDE_SIGN = "\U0001f595"

_KEYWORDS = word_set(listed("keywords"))
"""A reply that is one of these, or a slip away, is an opt-out."""
_PLAIN_WORDS = word_set(listed("plain_words"))
"""A reply that is exactly one of these, spaces aside, is an opt-out."""
_OTHER_WORDS = word_set(listed("other_words"))
"""Words that are themselves, although a slip away from a keyword."""
_AROUND = word_set(listed("around"))
"""Words around a keyword that a short reply keeps its meaning without."""

_CLAUSE = re.compile(r"([^.,?]+)([.,?]?)")
_GO_ON = "|".join(lists()["go_on"]).replace("<sends>", words(listed("sends")))
"""What asks for more, or why it ended, or is said by machines: its verb of ending ends nothing."""
_STAYS = (
    r" i (?:do |still |really )*(?:want|like|love) to keep (?:getting|receiving) (?:(?:these|the|my|your) )*(?:these|"
    r"them|alerts|jobs?|texts|messages|e?mails|updates)(?= )| keep my (?:job )?alerts (?!off)"
)
_WISHED = (
    r"(?:(?:(?<=^)|(?<=[.,])|(?<= but)|(?<= and)|(?<= so)) (?:i |id |i still |id like )?(?:keep (?:(?:them|these|"
    r"those) )?(?:coming|sending)|want (?:the|these|your|my) (?:job )?(?:e?mails|alerts|texts)(?! (?:to|off|gone|out|"
    r"removed))|(?:get |be )?back on|send me (?:those|others?|more|only|the rest|some)|(?:add|put) me back|readd me|i "
    r"(?:like|love|enjoy) (?:yours|these|them|getting|your)|(?:the )?(?:others?|rest|everything else) (?:are|is) "
    r"(?:fine|good|great|ok|welcome|wonderful))| still want the (?:[a-z]+ )?(?:e?mails?|alerts|texts?))(?= )(?!.* "
    r"(?:stop|unsubscribe|remove|take (?:me|my)|no more|delete|cancel) )"
)
"""What asks for more, and ends nothing afterwards."""
_MENTIONED = r" (?:the|an|your|that|says?) (?:unsubscribe|optout)(?= )"
"""A word on our mail is no request of somebody who wants to keep it."""


def opt_out_rule(body: str) -> str | None:
    """Return the name of the rule by which `body` is an opt-out, None when it is none."""
    own = _QUOTED_LINE.sub("", body)
    own = own if own.strip() else body
    if _REACTION.fullmatch(own.strip()):
        return None
    if _RUDE_SIGN in own or (not raw_words(own) and not _SIGNS.isdisjoint(own)):
        return "sign"
    if is_refusal(own):
        return "refusal"
    text = pattern(_GO_ON).sub(" keep ", normal(own))
    text = pattern(_MENTIONED).sub(" keep ", text) if pattern(_STAYS).search(text) else text
    if pattern(_WISHED).search(text):
        return None
    tokens = [word for word in text.split() if word not in BREAKS]
    if not tokens:
        return None
    if _is_keyword(tokens) or any(_is_keyword_clause(*clause) for clause in _CLAUSE.findall(text)):
        return "keyword"
    for name, rule in _RULES.items():
        if pattern(rule).search(text):
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


def _is_keyword_clause(clause: str, end: str) -> bool:
    """Return whether a clause is a keyword, as it is spelled, and little else: `I have a job now. Cancel please`."""
    core = [word for word in clause.split() if word not in _AROUND]
    return end != "?" and len(core) == 1 and core[0] in _KEYWORDS


def _is_one(word: str) -> bool:
    if word in _PLAIN_WORDS:
        return True
    return word not in _OTHER_WORDS and any(is_within_one_edit(word, one) for one in _KEYWORDS)


_OTHER_PERSON = re.compile(
    r"(?:[Tt]his|[Tt]hat|[Tt]his number|THIS)(?: is|['\u2019]s)? ?(?:not|isn['\u2019]?t|ain['\u2019]?t|n['\u2019]t) "
    r"([A-Z][a-z]+)(?: [A-Z][a-z]+)?\s*(?:[.,!\n]|$)|\b[Ii](?:['\u2019]?m| am) not (?!Sure|Interested|Available|"
    r"Certified|Ready|Able)([A-Z][a-z]+)(?: [A-Z][a-z]+)?\s*(?:[.,!\n]|$)|\b[Nn]o soy "
    r"([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s*(?:[.,!\n]|$)|\b[Ee]st[ea] no es (?:el |la )?([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s*(?:[.,!\n]|"
    r"$)|\b[Yy]ou(?:['\u2019]ve| have)? (?:have |got |reached )?the wrong ([A-Z][a-z]+)|\b[Nn]ot "
    r"([A-Z][a-z]+)['\u2019]?s? (?:number|phone|cell)\b"
)


def names_somebody_else(body: str) -> bool:
    """Return whether `body` says that its writer is not somebody whom it names: `This is not Maria`."""
    return _OTHER_PERSON.search(body) is not None


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
