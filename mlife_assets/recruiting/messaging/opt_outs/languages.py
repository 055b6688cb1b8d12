"""Whole replies that refuse, in the languages that people in the United States write besides English and Spanish.

Belongs here: what is an opt-out as the whole reply and says nothing within a longer one. Does not belong here: grammar
(`english`, `spanish`), the order of layers (`decision`).

Concept: whoever writes one word to a text that ends in "reply STOP" and means no, is heard. Within a sentence the same
word is no opt-out: "no car", "halt sign maker". Phrases are listed without their spaces.
"""

from __future__ import annotations

import unicodedata
from functools import cache

LONGEST = 60
_BARE_NO = """
no nope nah naw nay noo nop nuh non nein nee nej nie não
không нет ні 不 不用 不要 لا नहीं 아니요 아니오 いいえ
"""
_STOP = """
arrêt arrêter arrêtez arrête stopper désabonner désabonnement désinscrire désinscription
stopp aufhören abmelden abmeldung abbestellen austragen schluss abbrechen halt
pare parar sair chega cancelar descadastrar descadastre remover remova
basta ferma fermati fermatevi smettila smettetela cancellami cancellatemi disiscrivimi disdetta
stoppen afmelden uitschrijven wypisz rezygnuję przestań przestańcie koniec sluta avsluta
sispann kanpe itigil tigil ihinto tigilan jooji nres dur durdur iptal
dừng ngừng huỷ hủy
стоп отписка отписаться отпишите хватит прекратите удалите досить
停 停止 退订 退訂 取消 取消订阅 取消訂閱 拒收 别发了 不要再发 不要再發
中止 解除 配信停止 やめて 退会
중지 그만 정지 거부 수신거부 해지 멈춰
توقف قف إلغاء الغاء إيقاف كفى لغو
बंद रोको रुको
medésabonner désinscrivezmoi hörauf hörensieauf keinesmsmehr nãoqueromais nãoquero houop
wypiszmnie tamana huwagna dừnglại отпишитеменя непишите बंदकरो
"""


def is_refusal_alone(reply: str) -> bool:
    """Return whether a reply, signs and spaces aside, is a bare no or another language's stop, and no question."""
    words = _bare(reply).split() if len(reply) <= LONGEST and set("?\uff1f\u061f").isdisjoint(reply) else []
    return bool(words) and ("".join(words) in _refusals() or (len(set(words)) == 1 and words[0] in _refusals()))


@cache
def _refusals() -> frozenset[str]:
    return frozenset(_bare(words) for words in (*_BARE_NO.split(), *_STOP.split()))


def _bare(text: str) -> str:
    """Return words in lower case without accents and signs. A script stays: the Ukrainian no is no `hi`."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c if c.isalnum() or c.isspace() else "" if unicodedata.combining(c) else _sign(c) for c in parts)


def _sign(character: str) -> str:
    return character if unicodedata.category(character).startswith("M") else " "
