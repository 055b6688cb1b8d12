"""Spanish opt-outs: no me escriban, dejen de mandar, bórrenme, número equivocado.

Concept: as in English: a refusal, a removal, a wrong number or a threat close to a word of contact. Commands are
subjunctive or end in a pronoun, which tells them from statements about the speaker ("I did", "I cannot").
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.spelling import Rules, listed, words

_TELL = (
    r"(?:(?:escrib(?:an|a|as)|mand(?:en|e|es)|envi(?:en|e|es)|contact(?:en|e|es)|llam(?:en|e|es)|text(?:een|ee|ees|"
    r"een|ien|ie|eyen)|molest(?:en|e|es)|marqu(?:en|e|es)|busqu(?:en|e|es)|fastidi(?:en|e|es)|jod(?:an|a|as)|"
    r"chingu(?:en|e|es)|frieg(?:uen|ue|ues)|escribas|hable?n|hables|lleguen?|notifi(?:quen|que)|acos(?:en|e|es)|"
    r"mensaje(?:en|e|es)|insist(?:an|a|as)|comuniquen|comunique|mensajeen)(?:me|nos|se)?)"
)
_DOING = (
    r"(?:(?:escrib(?:ir|irme|irnos|iendo|iendome)|mand(?:ar|arme|arnos|ando|andome)|envi(?:ar|arme|ando|andome)|"
    r"contact(?:ar|arme|ando)|"
    r"llam(?:ar|arme|ando)|text(?:ear|earme|eando|earnos)|molest(?:ar|arme|ando|arnos)|fregar|joder|chingar|fastidiar|"
    r"acos(?:ar|arme|ando)|insistir|recibir|marcar|mensajear|mensajearme|spamear|spamearme|hostigar|hostigarme))"
)
_THING = words(listed("thing_spanish"))
_MAIL = rf"(?:{_THING}|e?mails?|correos?|boletin(?:es)?|vacantes)"
_NO = r"(?:no|nunca|jamas|ni|tampoco|nomas)"
_LINK = (
    r"(?:"
    + words(
        "me nos le les lo la los las se mas ya vuelva vuelvan vuelvas a quiero deseo que este ese esto estos al "
        "sigan siga sigas otra vez jamas nunca necesito quisiera ni no de numero telefono quieran deben debe puede "
        "pueden favor a mi"
    )
    + r" ){0,7}?"
)
_STOPS = (
    r"(?:dej(?:en|e|a|ar|ad|es|enme|eme|ame|aran?|aras|asen)|par(?:en|e|a|ar|enle|ale|aran)|ces(?:en|e|ar)|evit(?:en|"
    r"e|ar)|termin(?:en|e|a)|suspend(?:an|a|er)|basta|alto|detener|deteng[a-z]*|suspendan?)"
)
_OUT = (
    r"(?:borr|elimin|[qk]u?it|sac|saqu|retir|remuev|remover|suprim|descart|excluy|tach|desinscrib|desuscrib|dessuscrib|"
    r"desafili|cancel)"
)
_MY = words("mi mis este el nuestro ese")
_ME_THING = words(
    "numero telefono nombre direccion correo email mail emails perfil datos contacto celular informacion suscripcion "
    "registro cuenta inscripcion linea"
)
_ITS_END = r"(?= [.,?] | $|$| gracias | thanks | ya | no )"

_ALONE = r"$|[.,]|ya |please |thanks |gracias |no |now |ahora |deje|me |mi |te "
"""What follows a word that is an opt-out unless it names something: `alto voltaje`, `baja por maternidad`."""

SPANISH: Rules = {
    "no_me_escriban": rf" {_NO} {_LINK}{_TELL}(?!.* la nueva es )(?! (?:mas )?(?:trabajos|empleos|ofertas|cosas) "
    "(?:de (?!trabajo|empleo)|en |para |lejos))(?<!(?:llamen|.llame)(?=.* (?:escrib|mand|envi|text)[a-z]*me ))",
    "no_hacer": (
        rf"(?:^|[.,?]| favor de| de| que| para| podri[a-z]+| pueden?| puedes| solicito| pido| prefier[eo]| preferiria|"
        rf" quisiera| gustaria) (?:no|nunca|jamas) (?:(?:me|nos|mas|volver a) )*{_DOING} | (?:no|"
        rf"nunca|jamas|no me|nunca me|jamas me|no nos) (?:me |nos )?(?:vuelv[a-z]+ a|sig[a-z]+) {_DOING}"
    ),
    "no_este": (
        rf" no (?:me |nos )?(?:este|esten|estes|anden|andes|ande|sigan|siga|sigas) (?:me |con )?(?:{_DOING}|mensajes)"
    ),
    "no_hace_falta": (
        r" no (?:hace falta|es necesario|hay necesidad|tienen que|tiene que)(?: de)?(?: que)? (?:me |nos |le |sigan "
        rf")*(?:{_TELL}|{_DOING}|seguir)|^(?!.* (?:cita|entrevista|turno|solicitud) ).* como (?:me )?(?:cancelo|"
        r"desuscribo|salgo|quito|borro|elimino|detengo|paro) "
    ),
    "les_dije": r" (?:les|le|te|ya) (?:les |le |te )?(?:dije|dijimos|he dicho) que (?:no|pare|paren|ya|dejen|me)",
    "nada_de": (
        rf" (?:nada de|no queremos|harto de|hartos de|tanto|tantos) {_MAIL}| (?:me|nos) (?:ya )?(?:cansaron|cansan|"
        r"hartaron|hartan|tienen hart[oa]|aburren|fastidian|irritan)(?: (?:sus|con|estos|los))"
    ),
    "ilegal": r" (?:es|son) (?:un )?(?:ilegal|ilegales|delito|acoso|abuso) ",
    "no_busco": (
        r" (?:no|nolonger) (?:estoy )?(?:quiero|busco|buscando|necesito|ocupo) (?:un |ningun |mas |su |sus "
        r")*(?:trabajo|trabajos|empleo|empleos)(?: gracias| ya| por ahora| ahora)* (?:[.,] |$)"
    ),
    "no_quiero": (
        rf" {_NO} (?:[a-z]+ )?(?:quiero|quiere|deseo|desea|necesito|necesita|quisiera|queremos|deseamos|quero) "
        rf"(?:[a-z]+ ){{0,5}}?(?:{_MAIL}|recibir|que me|nada(?! de (?!ustedes|esto|eso|correos|sus))|mas|esto|estos|"
        rf"est[ae] (?:informacion|servicio)|est[ao]s (?:notif|alert)|sus|saber|ser|(?!molestar pero){_DOING})"
    ),
    "dejen_de": (
        rf"(?<! no) (?:{_STOPS} (?:ya )?(?:(?:con|de|a|los|las|sus|estos|esos|tantos|tanto) )+|suspendan? )(?:[a-z]+ "
        rf"){{0,2}}?(?:{_DOING}|{_MAIL}|eso|esto)"
    ),
    "en_paz": (
        r" (?:dej(?:en|e|a|ame|enme|eme|enos|ennos)|me dejan?|me dejen?|me deje)(?: [a-z]+){0,2}? (?:en paz|"
        r"tranquil[oa]s?|solo|sola|quieto)"
    ),
    "stop_word": r" (?:basta|detengan?(?:se)?|deteng[a-z]+|detente|paren(?:le)?|parenle|parale|cesen) ",
    "whole": (
        r" (?:parar|detener|cancelar|quitar|eliminar|suspender|terminar|bloquear) (?:los |las |estos |todos |sus "
        rf")*(?:{_MAIL})|^ (?:hola |ya |no |es |esta |persona |numero )*(?:parar|pare|para|alto|salir|baja|basta|"
        r"equivocad[oa]|cancelar?|cancele|cancelen|cancela|ya estuvo|ya no|no mas|no quiero|ya no quiero|ni uno mas|"
        r"ya no mas|no gracias ya no)(?: ya| gracias| thanks| mas)* (?:$|[.,])"
    ),
    "no_mas": (
        rf" (?:no|ni un|ni una|ya no|nunca) (?:mas|{_MAIL} mas|un mas)(?: {_MAIL}| de (?:estos|sus|esto|eso)| [.,]|"
        rf" gracias| $|$)| ni una? {_MAIL} mas| no {_THING}"
    ),
    "baja": (
        r"(?<! dieron)(?<! dio) (?:dar|darme|darse|deme|denme|dame|den|de|quiero|solicito|pido|doy|damos|dennos|dese|"
        r"dar a)(?: me| mi numero| este numero| a mi numero| la| de| mi)* (?:de )?baja|"
        rf"^ baja (?={_ALONE}|inmediata|definitiva|a mi|mi|este|(?:de|a) (?:la|esta|su|mi) )"
    ),
    "salir": (
        r" (?:quiero|quisiera|deseo|como|necesito) (?:[a-z]+ )?(?:salir|salirme) (?:de (?:la|esta|su|esto|aqui|"
        r"estos|los)|[.,]|$)"
    ),
    "out_me": rf" {_OUT}[a-z]{{0,6}}(?:me|nos) | (?:me|nos) (?:pueden?|podrian?|puedes) {_OUT}[a-z]{{0,3}}r (?:[.,?]|"
    "$|de )",
    "out_lo": (
        rf" {_OUT}[a-z]{{0,5}}(?:lo|los) (?:[.,]|$|de |ya |gracias)| me {_OUT}(?:en|an|e|uen|aran?|ieran?) | (?:salgo|"
        r"salirme|baj(?:ame|enme|eme|arme)) de (?:la|esta|su|esto|aqui) "
    ),
    "out_thing": (
        rf"(?!.* (?:sin querer|por error) ) {_OUT}(?:e|en|a|ar|uen|ue|an)? (?:por |ya )*(?:{_MY} )?{_ME_THING}| "
        rf"{_OUT}(?:e|en|a|ar|uen|ue)? (?:[a-z]+ ){{0,4}}?(?:de|esta|la|su) (?:la |su |sus |esta )*(?:lista|listas|"
        r"base|sistema|registro|registros|suscripcion)"
    ),
    "out_alone": (
        r"(?:^|[.,]) (?:quiero |favor de )?(?:eliminar|borrar|desuscribir|desuscribirme|desinscribir|desinscribirme|"
        r"cancelar suscripcion|anular) (?:[.,]|$|mi|me)| (?:desuscri|dessuscri|desinscri|desafili)[a-z]+ "
    ),
    "cancel": r"^(?!.* (?:cita|entrevista|turno|reunion) ).* (?:cancel(?:ar|en?|a|enme|ame)|anulen|anular) ",
    "wrong_number": (
        r" (?:numero|telefono|persona) (?:[a-z]+ )?(?:equivocad[oa]|incorrect[oa]|errone[oa]|errad[oa]|equivocado)(?! "
        r"en (?:el|la|su) )|(?<! direccion)(?<! enlace)(?<! anuncio) (?:se|estan?|te|te has|se han|se ha|estas) "
        r"(?:[a-z]+ )?equivoc[a-z]+ (?!con (?:mi|el|la) (?!correo|numero|persona)|en (?:el|la) )"
    ),
    "not_that_person": (
        r" no (?:soy|somos|es) (?:esa|ella|la|el|ese|quien|quienes|ningun|ninguna)(?: (?:persona|que busc[a-z]+|"
        r"senor[a]?|numero|indicad[oa]))?| (?:este |ese )?(?:ya )?no es (?:el|su|mi) (?:numero|telefono)(?: de)?| "
        r"(?:numero|telefono) no es (?:de|el) | (?:aqui no (?:vive|hay|esta)|no conozco a|no vive aqui|ya no (?:es|"
        r"tiene) (?:su|este|el) (?:numero|telefono)|este (?:numero|telefono) ya no)"
    ),
    "not_interested": (
        r" (?:no|ni|nada|sin|nunca|ya no) (?:me |nos |estoy |estamos |tengo |tenemos |hay )*(?:interesa|interesan|"
        r"interesad[oa]s?|interes)(?: en)?(?: nada(?: de (?:esto|eso))?| (?:mas )?(?:ofertas|vacantes|correos|emails|"
        r"mensajes|informacion|notificaciones)(?: de trabajo| de empleo)?| est[ae] (?:informacion|servicio)| sus "
        r"[a-z]+| estos?| eso| recibir[a-z ]*| los mensajes| mas| sus|"
        rf" lo que| trabajar con ustedes| thanks)*{_ITS_END}"
    ),
    "consent": (
        r" no (?:[a-z]+ ){0,3}?(?:autorizo|autorice|autorizado|autorizacion|consiento|consenti|permiso|"
        r"consentimiento|suscribi|inscribi|registre|pedi (?:esto|estos|mensajes|que))| (?:renuncio a|doy por "
        r"terminad[oa]|revoco|retiro mi (?:consentimiento|permiso))"
    ),
    "forget": (
        r" (?:olvid[a-z]+|pierd[a-z]+|tire[n]?|bote[n]?) (?:de )?(?:que tienen |por completo )?(?:mi|este|el) "
        r"(?:numero|telefono|contacto)| olvidense de mi"
    ),
    "threat": (
        r" (?:(?:los|las|lo|te|le|les|la|ya los|voy a) )(?:[a-z]+ ){0,3}?(?:report|denunci|bloque|demandar)[a-z]*| "
        r"(?:denunciar[a-z]*|demandar(?:los|te|e)|reportar(?:los|te|e)|bloquear(?:los|te|e)|bloquead[oa]s?|"
        r"reportad[oa]s?|acoso|acosando|acosadores|hostigamiento|hostigando) | (?:es|puro|tanto) spam | (?:mi|un) "
        r"abogado "
    ),
    "rude": (
        r" (?:chinga[a-z]*|chingu?en|jod(?:an|anse|ete|er)|vete (?:al|a la)|vayanse|larguense|largate|me tienen "
        r"(?:hart|cansad)[oa]|hart[oa] de (?:sus|estos|tantos|ustedes|que)|cansad[oa] de (?:sus|estos|tantos|"
        r"ustedes)|no (?:chinguen|jodan|frieguen|fastidien|estorben)|ya (?:chole|estuvo|parenle|dejenme|dejen)|"
        r"callense|que molest(?:ia|os)|son una molestia|no sean molest[a-z]+|pinche spam) "
    ),
}
