"""The words of a reply: what somebody typed, as plain tokens that rules can read.

Belongs here: folding, splitting, spelling, shorthand, negations as one token each. Does not belong here: what the
words amount to (`opt_outs`, `keywords`).

Concept: people write to a machine in a hurry. So spelling is repaired before grammar is read: one slip in a word that
matters, a letter held down, digits for letters, letters with spaces between them. Punctuation stays as tokens of its
own, so that a rule does not reach from one sentence into the next.
"""

from __future__ import annotations

import re

from mlife_assets.core.messaging.edit_distance import is_within_one_edit
from mlife_assets.core.messaging.look_alikes import fold

LONGEST = 600
"""Characters that are read at either end of a reply; what is between them in a longer one is not read."""

BREAKS = frozenset(".,?")
_TOKEN = re.compile(r"[a-z0-9$@_]+|#|[.!?;:,\n()]+")
_BREAK_OF = {"?": "?", ",": ",", "(": ",", ")": ",", ":": ","}
_LEET = str.maketrans("0134578$@", "oieastbsa")
_LEET_WORDS = frozenset({"stop", "stopall", "unsubscribe", "unsub", "quit", "cancel", "end", "remove", "alto"})

_REPAIRED = (
    "unsubscribe subscribe subscription cancel remove delete number message messages texting messaging contact "
    "sending interested consent harassing harassment wrong person please phone mensaje mensajes numero equivocado "
    "escriban eliminar cancelar cancelen interesa molesten permission discontinue leave alone receive"
).split()
"""Words that one slip of the finger is forgiven in, wherever they stand."""

_NO_SLIPS = frozenset(
    "along clone atone lone leaves heave weave received receives receiver remote removed removes remover contract contacts contacted massage massages lumber numbers cancer cancels "
    "persons prone ending vending lending bending tending mending testing tested messaged strong prong phones phoned "
    "spending numbed deleted deletes deletion interest interests contacte contacten contacto contactos subscribed subscribes subscriber unsubscribed unsubscribes content "
    "pleased persona personas canceled cancelled canceling cancelar cancela cancele escriba elimina interese contracts wrongs harassed consents".split()
)
"""Words that are themselves, although a slip away from one of those."""

_STOP_SLIPS_NOT = frozenset(
    "stop step shop top stops stoop atop slop stow stomp strop sop swop stopy stoup spot store".split()
)

_SPELLED = {
    "u": "you",
    "ya'll": "you",
    "yall": "you",
    "ur": "your",
    "r": "are",
    "pls": "please",
    "plz": "please",
    "plis": "please",
    "txt": "text",
    "txts": "texts",
    "txting": "texting",
    "txtin": "texting",
    "textin": "texting",
    "textn": "texting",
    "texing": "texting",
    "texitng": "texting",
    "txted": "texted",
    "tx": "text",
    "msg": "message",
    "msgs": "messages",
    "mssg": "message",
    "mssgs": "messages",
    "msging": "messaging",
    "messagin": "messaging",
    "msj": "mensaje",
    "msjs": "mensajes",
    "mensage": "mensaje",
    "mensages": "mensajes",
    "sendin": "sending",
    "callin": "calling",
    "num": "number",
    "nbr": "number",
    "nmbr": "number",
    "numbr": "number",
    "numba": "number",
    "#": "number",
    "cell": "phone",
    "fone": "phone",
    "ph": "phone",
    "loose": "lose",
    "rong": "wrong",
    "rmv": "remove",
    "dnt": "dont",
    "donot": "dont",
    "dun": "dont",
    "dint": "dont",
    "duzn": "doesnt",
    "cannot": "cant",
    "aint": "isnt",
    "wanna": "want",
    "gonna": "going",
    "gotta": "have",
    "nomore": "no more",
    "nomas": "no mas",
    "xfa": "por favor",
    "q": "que",
    "qe": "que",
    "k": "que",
    "fuk": "fuck",
    "fck": "fuck",
    "fk": "fuck",
    "phuck": "fuck",
    "unsuscribe": "unsubscribe",
    "unsub": "unsubscribe",
    "stfu": "shut up",
    "gtfo": "go away",
    "wrongnumber": "wrong number",
    "dnc": "dont call list",
    "stp": "stop",
    "stahp": "stop",
    "stap": "stop",
    "stawp": "stop",
    "sto": "stop",
    "sopt": "stop",
    "d": "de",
    "nvr": "never",
    "neva": "never",
    "nevr": "never",
    "evr": "ever",
    "dont": "dont",
    "ekivocado": "equivocado",
    "dis": "this",
    "dese": "these",
    "yur": "your",
    "takeme": "take me",
    "removeme": "remove me",
    "dontext": "dont text",
    "donttext": "dont text",
    "optmeout": "optout",
    "msgd": "messaged",
    "somebody": "someone",
    "anybody": "anyone",
    "imsubscribe": "unsubscribe",
    "insubscribe": "unsubscribe",
    "ansubscribe": "unsubscribe",
    "desubscribe": "unsubscribe",
    "disubscribe": "unsubscribe",
    "onsubscribe": "unsubscribe",
    "inscribe": "unsubscribe",
    "unscribe": "unsubscribe",
    "unsubcribe": "unsubscribe",
    "unsuscribed": "unsubscribe",
    "nto": "not",
    "dnot": "dont",
    "dotn": "dont",
    "odnt": "dont",
    "don": "dont",
    "tex": "text",
    "texr": "text",
    "tect": "text",
    "tezt": "text",
    "texy": "text",
    "txet": "text",
    "mi": "mi",
    "stob": "stop",
}

_PAIRS: tuple[tuple[str, str], ...] = tuple(
    (rf" {pattern} ", f" {plain} ")
    for pattern, plain in (
        (r"(?:do|don) (?:not|nt|t)", "dont"),
        (r"(?:does) (?:not|nt)", "doesnt"),
        (r"(?:did|didn) (?:not|nt|t)", "didnt"),
        (r"(?:is) (?:not|nt)", "isnt"),
        (r"(?:are) (?:not|nt)", "arent"),
        (r"(?:can|can) (?:not|nt)", "cant"),
        (r"(?:will) (?:not|nt)", "wont"),
        (r"(?:would|could|should) (?:not|nt)", "shouldnt"),
        (r"(?:have|has|had) (?:not|nt)", "havent"),
        (r"not? longer", "nolonger"),
        (r"i am", "im"),
        (r"you are", "youre"),
        (r"that is", "thats"),
        (r"opt(?:ing|ed)? (?:me |us )?out", "optout"),
        (r"un (subscribed?|sub)", "unsubscribe"),
        (r"un list", "unlist"),
        (r"set up", "setup"),
        (r"por fa(?:vor)?", "please"),
        (r"cease (?:and|n) desist", "cease"),
        (r"(?:in ?boxing|dming|pinging|emailing)", "messaging"),
    )
)

_EMPTY = frozenset(
    "please kindly just really simply seriously literally ever even fucking fuckin fkn fking effing freaking frickin "
    "damn damned damm goddamn bloody motherfucking tf ffs bro bruh dude maam sir immediately asap effective favor "
    "porfavor porfa quick already once".split()
)
"""Words that a request keeps its meaning without."""


def _joined_letters(words: list[str]) -> list[str]:
    """Return `words` with runs of three single letters or more, whatever is between them, as one word."""
    out: list[str] = []
    run: list[str] = []
    for word in [*words, ""]:
        if len(word) == 1 and word.isalnum():
            run.append(word)
            continue
        if run and word in BREAKS and len(run) >= 1 and word != "?":
            run.append(word)
            continue
        letters = [w for w in run if w not in BREAKS]
        out += ["".join(letters)] if len(letters) >= 3 else run
        run = []
        if word:
            out.append(word)
    return out


def _repaired(word: str) -> str:
    if word in BREAKS:
        return word
    word = re.sub(r"(.)\1{2,}", r"\1", word)
    word = _SPELLED.get(word, word)
    if " " in word:
        return word
    if re.match(r"stop(?!s$|p|per|over|gap|light|watch|sign)", word) or re.fullmatch(r"(?:stop){2,}p?", word):
        return "stop"
    if not word.isalpha():
        letters = word.translate(_LEET)
        for plain in (letters, re.sub(r"(.)\1+", r"\1", letters)):
            if plain in _LEET_WORDS or (plain not in _STOP_SLIPS_NOT and is_stop_slip(plain) and word[:1] in "5$s"):
                return "stop" if is_stop_slip(plain) else plain
        return word.replace("_", "")
    if is_stop_slip(word):
        return "stop"
    if len(word) < 4 or word in _NO_SLIPS or word in _REPAIRED:
        return word
    return next((target for target in _REPAIRED if is_within_one_edit(word, target)), word)


def is_stop_slip(word: str) -> bool:
    """Return whether `word` is STOP with one slip that makes no other word."""
    return word not in _STOP_SLIPS_NOT and is_within_one_edit(word, "stop")


def raw_words(body: str) -> list[str]:
    """Return the folded words of a body without any repair and without punctuation."""
    return re.findall(r"[a-z0-9]+", fold(_ends(body)).replace("'", ""))


def _ends(body: str) -> str:
    return body if len(body) <= 2 * LONGEST else body[:LONGEST] + " . " + body[-LONGEST:]


def normal(body: str) -> str:
    """Return a body as tokens with one space around each: repaired words, and `.`, `,` or `?` between clauses."""
    folded = re.sub(r"['’`´‘*~\"“”]", "", fold(_ends(body)))
    folded = re.sub(r"(?<=\d)[.,](?=\d)", "", folded)
    tokens = [
        token if token[0].isalnum() or token[0] in "$@_#" else _BREAK_OF.get(token[0], ".") if "?" not in token else "?"
        for token in _TOKEN.findall(folded)
    ]
    words = [_repaired(word) for word in _joined_letters(tokens)]
    text = f" {' '.join(word for word in words if word)} "
    for pattern, plain in _PAIRS:
        text = re.sub(pattern, plain, text)
    return f" {' '.join(word for word in text.split() if word not in _EMPTY)} "
