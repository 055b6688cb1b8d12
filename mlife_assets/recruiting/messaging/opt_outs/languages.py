"""Refusals in the languages that people in the United States write besides English and Spanish.

Concept: whoever writes one word to a text that ends in "reply STOP" and means no, is heard. A sentence in Latin
letters refuses when a word of refusal and a word of contact of one language stand in it, in any order. In other scripts
one stem is enough: nobody here reads them better, so they err to silence.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

LONGEST = 400
_BARE_NO = """
no nope nah naw nay noo nop nuh non nein nee nej nie não
не нет ні 不 不用 不要 停 لا ना नहीं 아니요 아니오 いいえ
"""
_STOP = """
arrêt arrêter arrêtez arrête stopper désabonner désabonnement désinscrire désinscription
stopp aufhören abmelden abmeldung abbestellen austragen schluss abbrechen halt
pare parar sair chega cancelar descadastrar descadastre remover remova
basta ferma fermati fermatevi smettila smettetela cancellami cancellatemi disiscrivimi disdetta
stoppen afmelden uitschrijven wypisz rezygnuję przestań przestańcie koniec sluta avsluta
sispann kanpe itigil tigil ihinto tigilan jooji nres dur durdur iptal
dừng ngừng huỷ hủy medésabonner désinscrivezmoi hörauf hörensieauf nãoqueromais nãoquero houop
wypiszmnie tamana huwagna dừnglại
"""
_POLITE = """
bitte danke svp s il vous plait merci por favor obrigado obrigada per favore grazie prosze tack tanpri lutfen
alstublieft пожалуйста спасибо
"""
"""Whole replies, without their spaces, and what they say no less with."""
_OF_A_NOTE = (
    r" (?:nicht|kein\w*) (?:\w+ )?(?:weitergeleitet|gelesen|bearbeitet|beantwortet|abgerufen|im buro|erreichbar)"
    r"| nao (?:sera|serao) (?:\w+ )?(?:lid|respondid|encaminhad)\w+| nao (?:estarei no escritorio|terei acesso)"
    r"| nie (?:zostan\w+|bedzie|beda) (?:\w+ )?\w*(?:czytan|przekazan)\w+| ne m est pas possible"
)
"""What a note of somebody who is away says of mails: they are not read."""

_REFUSAL_AND_CONTACT = (
    (
        "arrêt cessez cesser désabonn désinscri retirez retirer supprim enlev effac annulez laissez_moi plus_de "
        "ne_plus ne_m ne_veux_plus mauvais_num pas_intéress",
        "messag texto sms courriel mail envo écri contact recevoir liste numéro notif tranquille intéress",
    ),
    ("pa_ sispann kanpe retire_ wete bouke efase", "voye mesaj ekri tèks lis_ nimewo kontakte ankò"),
    (
        "não parem parar_de pare_de chega sair remova remover tirem exclua apag descadastr cancelem deixem_ deixe_",
        "mensag mand envi receber lista número contat sms email texto incomod escrev interess paz",
    ),
    (
        "kein nicht nie hör_auf hören_sie abmeld austragen trag_ tragen_ lösch nehmen_ entfern beend lass_",
        "nachricht mail sms schreib schick send liste verteiler nummer newsletter kontakt interess ruhe",
    ),
    ("nie_ przesta usuń wypis skończ koniec dość rezygn anuluj", "pis wiadomoś sms mail wysył przysył list numer"),
    (
        "đừng dừng ngừng không_muốn không_gửi không_nhận xóa hủy thôi sai_số",
        "tin gửi email liên phiền nữa sách đăng số_",
    ),
    (
        "tigil itigil ihinto huwag wag alisin tanggal paki ayaw ayoko tama_na",
        "text magtext itext mensah nyo_na tama_na list num",
    ),
    (
        "non_mand non_invi non_scriv non_contatt smett cancellate rimuov togliete",
        "messag mail sms scriv mand invi list",
    ),
    ("jooji ha_ iska", "fariin farriin dir jooji"),
    ("mat_ band_kar nahi_", "bhej karo chahiye"),
)
"""Beginnings of words: French, Haitian Creole, Portuguese, German, Polish, Vietnamese, Tagalog, Italian, Somali, and
Hindi or Urdu in Latin letters."""

_STEMS = """
중지 그만 정지 거부 수신거부 해지 멈춰 멈추 보내지 연락하지 하지_마 삭제 차단 취소 필요_없 필요없 원하지_않 원치_않
빼_주 빼주 잘못
стоп отпис отпиш хватит прекрат перестан останов довольно удалите уберите досить припин видал скасу больше_не ошиблись
не_пиш не_шл не_присыл не_отправ не_надо не_беспоко не_звон не_интерес не_надсил не_хочу_получ не_нужны_сообщ
توقف اوقف وقف قف ايقاف الغاء كفى لغو لا_ترسل لا_تراسل لا_تتصل لا_اريد احذف ازال حذف رقم_خاطئ الرقم_غلط
بند_کر روک مت_بھیج نہ_بھیج نفرست बंद रोको रुको रोक मत_भेज न_भेज नहीं_चाहिए हटा गलत_नंबर বন্ধ পাঠাবেন_না থামান
ਬੰਦ બંધ நிறுத்த வேண்டாம் ఆపండి వద్దు הסר להסיר תפסיק הפסיק עצור אל_תשלח σταμάτ διαγραφ μη_στέλν μην_στέλν
አቁም կանգ դադար შეწყვიტ désabonn désinscri descadastr desinscrev disiscriv wypisz wypisa uitschrij abbestell avregistrer
"""
_STEMS_WITHOUT_SPACES = """
停止 不要给我 不想收 烦我 停发 停發 请停 別再 别再 不要再 不想再 不需要 别发 別發 勿发 退订 退訂 取消 拒收 删除 刪除
移除 打错 打錯 骚扰 騷擾 不感兴趣 中止 解除 やめて 退会 送らない いりません 間違い หยุด ยกเลิก อย่าส่ง ឈប់ ຢຸດ
"""
_ASKS = re.compile("[?\uff1f\u061f\u037e]|[吗嗎呢]")
_SENTENCE = re.compile(r"[^.!?\n\u3002\uff01\uff1f\u061f\u0964]+[.!?\n\u3002\uff01\uff1f\u061f\u0964]*")


def is_refusal(reply: str) -> bool:
    """Return whether a short reply is a bare no or stop, or a sentence in it refuses; none does in a question."""
    if len(reply) > LONGEST:
        return False
    words = (
        [word for word in _bare(reply).split() if word not in _POLITE.split()] if _ASKS.search(reply) is None else []
    )
    if words and ("".join(words) in _refusals() or (len(set(words)) == 1 and words[0] in _refusals())):
        return True
    return any(_refuses(_bare(one[0])) for one in _SENTENCE.finditer(reply) if _ASKS.search(one[0]) is None)


def _refuses(sentence: str) -> bool:
    said = re.sub(_OF_A_NOTE, "", f" {' '.join(sentence.split())} ")
    return any(one.search(said) is not None for one in _patterns())


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    pairs = ["".join(f"(?=.*{_any(words)})" for words in pair) for pair in _REFUSAL_AND_CONTACT]
    return tuple(map(re.compile, (*("^" + pair for pair in pairs), _any(_STEMS), _any(_STEMS_WITHOUT_SPACES)[1:])))


def _any(stems: str) -> str:
    return f" (?:{'|'.join(_bare(stem.replace('_', ' ')) for stem in stems.split())})"


@cache
def _refusals() -> frozenset[str]:
    return frozenset(_bare(words) for words in (*_BARE_NO.split(), *_STOP.split()))


def _bare(text: str) -> str:
    """Return words in lower case without accents and signs. A script stays: the Ukrainian no is no `hi`."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c if c.isalnum() or c.isspace() else "" if unicodedata.combining(c) else _sign(c) for c in parts)


def _sign(character: str) -> str:
    return character if unicodedata.category(character).startswith("M") else " "
