"""Opt-outs: whether a reply asks us, in whatever words, to stop.

Concept: three layers. A reply that is one word and little else is compared with the keywords, one slip forgiven, a
clause without a slip, and both with refusals of other languages. A longer one is read by rules of grammar, after
what asks for more was put aside. A stop word that no rule explained away counts, wherever it stands.
"""

from __future__ import annotations

import re

from mlife_assets.recruiting.messaging.opt_outs.english import (
    REFUSALS,
    REMOVALS,
    STOP_VERBS,
    THREATS,
    is_stop_about_something_else,
)
from mlife_assets.recruiting.messaging.opt_outs.languages import is_refusal
from mlife_assets.recruiting.messaging.opt_outs.spanish import SPANISH
from mlife_assets.recruiting.messaging.opt_outs.spelling import BREAKS, is_within_one_edit, normal, raw_words
from mlife_assets.recruiting.messaging.opt_outs.vocabulary import Rules, pattern, word_set

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
"""What a telephone sends for a heart on our text: it quotes us. Nothing is tried twice: a mail may be all signs."""
_SIGNS = frozenset("\U0001f6d1\U0001f6ab\u26d4\U0001f595\U0001f515\U0001f4f5\U0001f645")
_RUDE_SIGN = "\U0001f595"

_KEYWORDS = word_set("""stop stopall unsubscribe cancel quit end optout revoke remove delete parar cancelar detener
eliminar basta terminate desist discontinue unsub borrar baja alto""")
"""A reply that is one of these, or a slip away, is an opt-out."""
_PLAIN_WORDS = word_set("""halt hush fin terminar reported couldyounot unsubscribing quitting cease enough spam block
blocked uninterested harassment scammer scammers spammer spammers mute pare paren para salir borrame equivocado
equivocada suficiente nomas dejenme dejame enoughalready nevermore unfollow quitame detengan cancelado equivocados
acoso unenroll unregister deactivate disable exit nomore notinterested blocking offlist unwanted scram dont yanoquiero
dontwant dontwantit begone pause turnoff""")
"""A reply that is exactly one of these, spaces aside, is an opt-out."""
_OTHER_WORDS = word_set("""send and ends bend lend mend tend vend ed en eng end2 quite quiet suit quilt quid unit also
auto alta alt salt pasta hasta bajo caja bajar raja para parir remote cancer deleted removed elimina""")
"""Words that are themselves, although a slip away from a keyword."""
_AROUND = word_set("""hi hello hey ok okay yes yeah yo dear sir thanks thank thx ty you im i said say word bye goodbye
god me it this now all txt text reply no sorry to ya hola gracias texto ahora mismo senor senora buenas ustedes""")
"""Words around a keyword that a short reply keeps its meaning without."""

_CLAUSE = re.compile(r"([^.,?]+)([.,?]?)")
_GO_ON = (
    r"(?:(?<=^)|(?<=[.,?])|(?<= please)|(?<= but)|(?<= hope)|(?<= hope these)|(?<= hope they)|(?<= hope you)) "
    r"(?:dont|never)(?: ever)? (?:stop|quit|end|cancel|remove|delete|unsubscribe|drop|take me off) "
    r"|(?: why| did| how come| when| have| has)(?: did| you| your| my| the| these| they| this| it| jobs?| texts| emails"
    r"| messages| mails| alerts)+ (?:stop|stopped) "
    r"| no (?:me |nos |se )?(?:dejen? de|dejes de|paren? de|quiten|borren|saquen|cancelen|eliminen) "
    r"| dont reply to this (?:message|email|mail) | dont want to (?:lose|miss) "
    r"(?!touch|out|.*(?:over|for|because of|to) (?:these|your) )"
    r"| questions? about (?:the|your) unsubscribe (?:link|button) "
    r"|(?: why| did| was| have)+ i (?:get |been )?(?:removed|taken off|unsubscribed|deleted)"
    r"(?!(?: [a-z]+)* (?:yet|now|finally) )(?: (?:from |off )?(?:the|your) list)?(?= )"
    r"| (?:(?:my|our) (?!phone|cell|number|inbox)[a-z]+|he|she) (?:wont|never|doesnt|cant) (?:stop|quit) "
    r"(?!get|.*(?:me (?!in )|my (?:phone|cell|number|line|inbox) |texting |messaging |e?mailing |your |these ))"
    r"| (?:dont|never|not) (?:[a-z]+ )?call(?:ing)? (?:(?!dont|no|not|nor|or|never|stop|text)[a-z]+ |, )*"
    r"(?:text|texts|texting|email|emails|mail) (?:is|are|works) (?:better|best|easier|fine|ok) "
    r"|^.* (?:accident|accidentally|mistake) .*back on "
)
"""What asks for more, or why it ended, or is said by machines: its verb of ending ends nothing."""
_STAYS = (
    r" i (?:do |still |really )*(?:want|like|love) to keep (?:getting|receiving) (?:(?:these|the|my|your) )*(?:these|"
    r"them|alerts|jobs?|texts|messages|e?mails|updates)(?= )| keep my (?:job )?alerts (?!off)"
)
_MENTIONED = r" (?:the|an|your|says?) (?:unsubscribe|optout)(?= )"
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
    r"([A-Z][a-z]+)(?: [A-Z][a-z]+)?\s*(?:[.,!\n]|$)"
    r"|\b[Ii](?:['\u2019]?m| am) not (?!Sure|Interested|Available|Certified|Ready|Able)([A-Z][a-z]+)\s*(?:[.,!\n]|$)"
    r"|\b[Nn]o soy ([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s*(?:[.,!\n]|$)"
    r"|\b[Ee]st[ea] no es (?:el |la )?([A-ZÁÉÍÓÚÑ][a-záéíóúñ]+)\s*(?:[.,!\n]|$)"
    r"|\b[Nn]ot ([A-Z][a-z]+)['\u2019]?s? (?:number|phone|cell)\b"
)


def names_somebody_else(body: str) -> bool:
    """Return whether `body` says that its writer is not somebody whom it names: `This is not Maria`."""
    return _OTHER_PERSON.search(body) is not None
