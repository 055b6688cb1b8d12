"""Slips: what people type instead of the words they mean.

Belongs here: shorthand, common misspellings, words that a slip is forgiven in and words that only look like one. Does
not belong here: repairing (`spelling`).

Concept: a slip is repaired only towards a word that matters, and never away from a word that exists.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import word_set

REPAIRED = word_set(
    "unsubscribe subscribe subscription cancel remove delete number message messages texting messaging contact "
    "sending interested consent harassing harassment wrong person please phone mensaje mensajes numero equivocado "
    "escriban eliminar cancelar cancelen interesa molesten permission discontinue leave alone receive"
)
"""Words that one slip of the finger is forgiven in, wherever they stand."""

THEMSELVES = word_set(
    "along clone atone lone leaves heave weave received receives receiver remote removed removes remover contract "
    "contacts contacted massage massages lumber numbers cancer cancels persons prone ending vending lending "
    "bending tending mending testing tested messaged strong prong phones phoned spending numbed deleted deletes "
    "deletion interest interests contacte contacten contacto contactos subscribed subscribes subscriber "
    "unsubscribed unsubscribes content pleased persona personas canceled cancelled canceling cancela "
    "cancele escriba elimina interese contracts wrongs harassed consents"
)
"""Words that are themselves, although a slip away from one of `REPAIRED`."""

NOT_STOP = word_set("stop step shop top stops stoop atop slop stow stomp strop sop swop stopy stoup spot store")
"""Words that are themselves, although a slip away from STOP."""

EMPTY = word_set(
    "please kindly just really simply seriously literally ever even fucking fuckin fkn fking effing freaking "
    "frickin damn damned damm goddamn bloody motherfucking tf ffs bro bruh dude maam sir immediately asap "
    "effective favor porfavor porfa quick already once"
)
"""Words that a request keeps its meaning without."""

_MEANT: dict[str, str] = {
    "you": "u yall",
    "your": "ur yur",
    "are": "r",
    "please": "pls plz plis",
    "text": "txt tx tex texr tect tezt texy txet",
    "texts": "txts",
    "texting": "txting txtin textin textn texing texitng",
    "texted": "txted",
    "message": "msg mssg",
    "messages": "msgs mssgs",
    "messaging": "msging messagin",
    "mensaje": "msj mensage",
    "mensajes": "msjs mensages",
    "sending": "sendin",
    "calling": "callin",
    "number": "num nbr nmbr numbr numba #",
    "phone": "cell fone ph",
    "lose": "loose",
    "wrong": "rong",
    "remove": "rmv",
    "dont": "dnt donot dun dint dnot dotn odnt",
    "doesnt": "duzn",
    "cant": "cannot",
    "isnt": "aint",
    "want": "wanna",
    "going": "gonna",
    "have": "gotta",
    "que": "q qe k",
    "fuck": "fuk fck fk phuck",
    "unsubscribe": "unsuscribe unsub imsubscribe insubscribe ansubscribe desubscribe disubscribe onsubscribe unscribe",
    "stop": "stp stahp stap stawp sto sopt stob",
    "de": "d",
    "never": "nvr neva nevr",
    "ever": "evr",
    "equivocado": "ekivocado",
    "this": "dis",
    "these": "dese",
    "optout": "optmeout",
    "messaged": "msgd",
    "someone": "somebody",
    "anyone": "anybody",
    "not": "nto",
    "no more": "nomore",
    "no mas": "nomas",
    "por favor": "xfa",
    "shut up": "stfu",
    "go away": "gtfo",
    "wrong number": "wrongnumber",
    "dont call list": "dnc",
    "take me": "takeme",
    "remove me": "removeme",
    "dont text": "dontext donttext",
}
SPELLED = {typed: meant for meant, all_typed in _MEANT.items() for typed in sorted(word_set(all_typed))}
"""What is meant by what is typed."""
