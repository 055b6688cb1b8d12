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
from mlife_assets.recruiting.messaging.opt_outs.vocabulary import Rules, listed, pattern, word_set, words

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

_KEYWORDS = word_set(listed("keywords"))
"""A reply that is one of these, or a slip away, is an opt-out."""
_PLAIN_WORDS = word_set(listed("plain_words"))
"""A reply that is exactly one of these, spaces aside, is an opt-out."""
_OTHER_WORDS = word_set(listed("other_words"))
"""Words that are themselves, although a slip away from a keyword."""
_AROUND = word_set(listed("around"))
"""Words around a keyword that a short reply keeps its meaning without."""

_CLAUSE = re.compile(r"([^.,?]+)([.,?]?)")
_SENDS = words(listed("sends"))
_GO_ON = (
    r"(?:(?<=^)|(?<=[.,?])|(?<= please)|(?<= but)|(?<= hope)|(?<= hope these)|(?<= hope they)|(?<= hope you)) (?:dont|"
    r"never)(?: ever)? (?:stop|quit|end|cancel|remove|delete|unsubscribe|drop|take me off) |(?: why| did| how come| "
    r"when| have| has)(?: did| you| your| my| the| these| they| this| it| jobs?| texts| emails| messages| mails| "
    r"alerts)+ (?:stop|stopped) | no (?:me |nos |se )?(?:dejen? de|dejes de|paren? de|quiten|borren|saquen|cancelen|"
    r"eliminen) | dont reply to this (?:message|email|mail|address|account|inbox|mailbox) | dont want to (?:lose|"
    r"miss) (?!touch|out|.*(?:over|for|because of|to) (?:these|your) )| (?:unsubscribe|optout) questions? | (?:a|the) "
    r"dont disturb(?= )| says? (?:to )?dont reply(?= )|(?:(?<=^)|(?<=[.,])) dont reply(?= [.,]| $)| you unsubscribed "
    r"me (?:by|for no)(?= )| (?:didnt|never) (?:ask|want|mean|request|try) to (?:be )?(?:unsubscribed?|removed?|taken "
    r"off|stop|cancel)(?= )| dont want to be (?:unsubscribed|removed|taken off|dropped|deleted)(?= [.,]| but| i )| "
    r"says im unsubscribed(?= )| opt in or optout(?= )| not (?:a )?(?:spammer|scammer)(?= )| no mas (?:quiero|queria) "
    r"(?:saber|preguntar)(?= )| turn (?:[a-z]+ ){0,3}?on(?= [.,?]| $)| youre not the (?:right )?(?:person|one)(?= )|"
    r" stop (?:[a-z]+ ){0,3}?from (?:going|landing|ending up|getting lost)(?= )|(?<! what)(?<! how)(?<! where)(?<! "
    r"why) (?:do|should|must) (?:i|we) (?:need to |have to )unsubscribe [^.?]*(?=\?)| (?:dont|never|not) (?:call|"
    r"e?mail|text|contact|message|write) (?:the|my|your|that|any) (?:employers?|manager|store|boss|references?|"
    r"supervisor|company)(?= )| questions? about (?:the|your) unsubscribe (?:link|button) | (?:did|was|were|is|has) "
    r"(?:this|that|the|it|my) (?!e?mail|name|address|number|account)(?:[a-z]+ )?(?:get |been )?(?:removed|deleted|"
    r"taken (?:down|off))(?= )| not (?:ready|trying|going|planning|about) to (?:stop|quit|give up|unsubscribe|"
    r"leave)(?= )| should (?:i|we) (?:stop|quit|cancel|unsubscribe|delete|remove)(?= )[^.?]*(?=\?)| (?:it|ad|posting|"
    r"sign|listing) (?:said|says) no [^.?]*(?= )|(?: why| did| was| have)+ i (?:get |been )?(?:removed|taken off|"
    r"unsubscribed|deleted)(?!(?: [a-z]+)* (?:yet|now|finally) )(?: (?:from |off )?(?:the|your) list)?(?= )| (?:(?:my|"
    rf"our|the|a|that|some) (?:(?!{_SENDS} )[a-z]+ ){{1,4}}?(?:wont|never|doesnt|cant|didnt) (?:stop|quit) |(?:he|she) "
    r"(?:wont|never|doesnt|cant) (?:stop|quit) (?!.*(?:me (?!in )|my (?:phone|cell|number|line|inbox) |texting |"
    r"messaging |e?mailing )))(?!get|receiv|.* (?:your|these) )| (?:told|asked|begged) (?:him|her|them|(?:my|the) "
    r"[a-z]+) (?:to )?(?:stop|quit|cut it out|leave|knock it off|lose|not|dont)(?= )[^.?,]*| (?:he|she|they|employer|"
    r"manager|boss|ad|posting|lady|guy|supervisor|recruiter) (?:said|says|told (?:me|us)|asked (?:me|us)) (?:to "
    r")?(?:not|dont|never|stop|no)(?= )[^.?,]*| (?:customers|callers|clients|people) (?:[a-z]+ )?(?:yell|scream|shout|"
    r"say|said|told|tell)[a-z]* [^.?]*| (?:dont|wouldnt|shouldnt|never) (?:want|like|need|mean) (?:(?:you|them|these|"
    r"it|this|the [a-z]+|my [a-z]+|for you) )?to (?:stop|end|quit|unsubscribe)(?= )| (?:would|id|ill) hate (?:to|for|"
    r"if) (?:[a-z]+ ){0,3}?(?:stop|lose|miss|end|stopped|unsubscribe)(?= )| i (?:[a-z]+ )?unsubscribed (?:(?:from "
    r")?my (?:old|other|work|second|former) |from (?!(?:you|your|y?our|this|these|those|it|that|here|any|every|"
    r"e?mails?|texts?|jobs?|daily|weekly|(?:all |all of )?(?:the|your|these|this) (?!other)))[a-z]+)|(?<! where)(?<! "
    r"how)(?<! what)(?<! why) (?:what happens|what if|if i|is|does|will|do) (?:(?:i|you|it|the|your|click|clicking|"
    r"hit|press|pressing|reply|replying|to|that|when) )*unsubscribe (?!me |us |my |this |from |here )(?![^.?]* "
    r"(?:stop|end|off|out|work))[^.?]*(?=\?)| says? (?:(?!so |and |but )[a-z]+ ){0,8}(?:unsubscribe|optout|stop) "
    r"[^.?,]*(?=.* (?:not (?:doing|going to do|trying to do|asking) |question|want to know|wondering))|(?:(?<=^)|"
    r"(?<=[.?]))(?=[^.?]* (?:years|yrs) (?:of )?(?:experience|doing|as|in|with|handling) )[^.?]*(?= )|(?: "
    r"(?:unsubscribe|optout)s? (?:rates?|handling|compliance|rules|metrics))+(?= )| (?:dont|never|not) (?:[a-z]+ "
    r")?call(?:ing)? (?:(?!dont|no|not|nor|or|never|stop|text|e?mail)[a-z]+ |[.,] )*(?:text|texts|texting|email|"
    r"emails|mail) (?:(?:is|are|works) (?:better|best|easier|fine|ok)|me(?! again)|(?:or (?:text|e?mail) )?(?:only|"
    r"instead))(?= )|^(?=.* (?:accident|accidentally|mistake|mean to) )(?=.*(?: back on| (?<!dont )add me| put me "
    r"back| sign me (?:back )?up| resubscribe| undo| keep (?:getting|sending|receiving)) ).*(?= )"
)
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
