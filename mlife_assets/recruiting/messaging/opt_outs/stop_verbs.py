"""Stop verbs: stop, quit, end, cancel, unsubscribe, turn off, and what else they are said of.

Belongs here: the patterns of these verbs, and when `stop` is no request. Does not belong here: the classes of words
(`vocabulary`), spelling (`spelling`).

Concept: a verb of ending close to a word of contact is an opt-out. Alone it is one too, unless its object is a job, an
appointment, a bus or the speaker's own doing.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import (
    APPOINTMENT,
    BENEFITS,
    CONTACT,
    CONTACT_DOING,
    CONTACT_THING,
    NUMBER,
    TRANSIT,
    WORK,
    Rules,
    gap,
    pattern,
    words,
)

STOP_VERBS: Rules = {
    "stop_contact": (
        r"(?<! dont)(?<! never)(?<! cant)(?<! wont)(?<! didnt) (?:stop|stopping|quit|quitting|cease|halt|"
        rf"refrain|avoid|discontinue|end|terminate|kill|cancel) {gap(4)}(?:{CONTACT_DOING}|{CONTACT_THING}|"
        r"harassment|contact|contacting)"
    ),
    "never_stops": (
        r" (?:you|they|these|this|texts|messages|yall) (?:people |just )?(?:dont|wont|never|cant|doesnt) "
        rf"(?:[a-z]+ )?stop(?:s)? (?:$|[.,?]|(?:[a-z]+ ){{0,2}}?{CONTACT})| cant (?:[a-z]+ ){{0,3}}?stop "
        r"(?:getting|receiving|these|the texts|your)"
    ),
    "need_to_stop": (
        r" (?:you|yall|people|company|this|these|it|they) (?:[a-z]+ )?(?:need|needs|have|has|ought|better|"
        r"must|should|got) (?:to )?(?:stop|quit|end|cease)(?! by| in| at) "
    ),
    "put_a_stop": r" put (?:a |an )?(?:stop|end) to ",
    "cease": r" (?:cease|desist|discontinue) ",
    "halt": (
        r"(?:^|[.,?]) (?:can you |you |you need to |you should )?(?:halt|terminate) (?!hiring|employment|date|"
        r"and)"
    ),
    "unsubscribe": (
        rf"^(?!.* {BENEFITS} (?:[a-z]+ )*?(?:optout) ).* (?:unsubscribed?|unsubscribing|unsubscribe[a-z]*|"
        rf"unsub[a-z]*|optouts?|unenroll|deregister|unregister|desubscribe|unsign) (?!{gap(4)}{BENEFITS})"
    ),
    "cancel": rf"^(?!.* {APPOINTMENT} ).* (?<! i )(?<! they )(?<! to )(?<! you )(?<! can i )cancel(?! culture| and) ",
    "cancel_contact": (
        r" (?:cancel|canceled|cancelled|canceling|cancelling|deactivate|disable|drop) (?:my |this |the |these "
        rf"|all |any |your |me from )*(?:{CONTACT_THING}|account|membership|enrollment|registration|service|me|"
        rf"everything|{NUMBER})(?! at) "
    ),
    "cancel_how": (
        r" how (?:do|can|to|would) (?:i |we )?(?:cancel|quit|end|stop|leave|opt|exit) (?:this|these|it|the "
        r"(?:texts|messages|alerts)|my subscription|[.?]|$)"
    ),
    "quit": (
        r"^(?!.* quit asking )(?!.* (?:i|he|she|they|people|havent|haven|my|if|ive|id|ill|to|who|employees|"
        r"never|person|boss|manager|because|did|does|why|somebody|someone|guy|everyone) (?:[a-z]+ "
        rf"){{0,3}}quit )(?!.* quit (?:[a-z]+ ){{0,3}}{WORK} ).* quit "
    ),
    "want_to_quit": r" i want to quit (?:[.,?] |$)",
    "end": (
        r"(?:^|[.,?]) (?:hi |ok |hey )?(?:can you |could you |id like to |want to |i want to |need to )?end "
        rf"(?:all )?(?:{CONTACT_THING}|this|these|it|now|of|my {CONTACT_THING}|communication)(?<! end of) "
    ),
    "end_alone": r"^ end (?:$|[.,?])|[.?] end (?:$|[.]) ?$",
    "want_it_to_stop": (
        rf" (?:want|like|need|wish|please|make|get|have) {gap(4)}(?:to )?stop(?:ped|s)? (?!by|in |at |working)"
        r"(?<! last stop )(?<! bus stop )(?<! next stop )(?<! the stop )(?<! train stop )(?<! a stop )(?<! my "
        r"stop )"
    ),
    "want_to_cancel": (
        r" (?:wish|want|like|need|trying|asking|going|love) to (?:cancel|unsubscribe|quit|stop|end|"
        r"discontinue|leave|exit)(?: (?:this|these|it|all|everything|now|please|texts|messages|getting|"
        r"receiving)| [.,]| $|$)"
    ),
    "do_these_stop": (
        r" how (?:do|can|could|would) (?:you|i|we|one|people) (?:get |make )?(?:stop|end|quit|turn off|cancel|"
        r"block|unsubscribe)(?: from)? (?:these|this|the|it|your|them|getting|all)(?! (?:process|timer)) | so "
        r"(?:this|these|it|that|they) (?:stops?|ends?) | (?:this|these) to (?:stop|end)(?: now)? (?:[.,?] |$)"
    ),
    "appreciate_if": (
        r" (?:appreciate|love|like|prefer|mind|grateful|nice|great|rather) (?:it )?(?:if )?(?:you |yall )"
        r"(?:guys |people )?(?:would |could |to )?(?:stop|stopped|quit|not|didnt|dont|wouldnt|ended|ceased|"
        r"left|removed|leave|remove)(?! by| in) "
    ),
    "turn_off": (
        r" (?:turn|shut|switch|toggle) (?:(?:off|down) (?:the |my |these |this |your |all |job )*"
        rf"(?:{CONTACT_THING}|this|these|it)|(?:the |my |these |this |your |all |them |it )*(?:{CONTACT_THING} "
        r")?off) | (?:mute|silence|pause|suspend|deactivate|disable) (?:the |my |these |this |your |all |job "
        rf")*(?:{CONTACT_THING}|these|this|account|me|number)"
    ),
    "enough": (
        r"^ enough (?:[.,] |$|of |with |is |now |thanks |texts |messages )|(?<! not)(?<! good)(?<! old) "
        rf"enough (?:is enough|of (?:this|these|your|you|the|it|that|{CONTACT_THING})|with (?:the|these|your|"
        rf"this|all)|texts|messages|texting|spam)| thats enough (?:[.,] |$|now|{CONTACT_THING}|of|texting)| "
        r"had enough "
    ),
    "withdraw": (
        r" (?:revoke|revoking|rescind|withdraw|withdrawing|withdrawn|retract) (?:my |all |any |the |prior )*"
        r"(?:consent|permission|authorization|subscription|optin|opt in|agreement|number|approval)| "
        r"(?:consent|permission) (?:is |was |has been |hereby )*(?:revoked|withdrawn|denied|refused|"
        r"rescinded)|^ (?:i )?revoke "
    ),
    "out": (
        r" (?:count me out|i want out|let me out|want out|get me out of (?:this|here|these|your)|no thanks "
        r"stop|not for me stop|do away with) "
    ),
}

_JOB_SIDE = words(
    "job jobs shift shifts work hiring company it he she they nothing nobody application applications training "
    "position pay program road line class machine belt employer warehouse applying interviews people day trucks "
    "drivers i we you they break breaks"
)
_STOP_NOUN = words(
    "full non one pit rest light next last first second third final every each a an the my your which what closest "
    "nearest any many no emergency [0-9]+ door bus quick short"
)
_STOP_DOING = words(
    "hiring taking accepting serving selling running offering delivering paying smiling laughing crying thinking "
    "interviewing working production"
)
_STOP_PLACE = words("by in over off shop light lights sign signs watch gap loss motion here work road street")
_STOP_ELSEWHERE = (
    rf" (?:(?:{_STOP_NOUN}|{TRANSIT}|stop and) stop(?! {CONTACT})"
    rf"|stop (?:{_STOP_PLACE}|{_STOP_DOING}|and shop|n shop|at(?! once)"
    rf"|for (?:lunch|a|the|gas|breaks?|food)|to (?:eat|rest))(?! {CONTACT})"
    r"|(?:cant|wont|never|didnt|doesnt|couldnt|dont|without|nothing can|nobody can|we) (?:[a-z]+ )?stop(?= )"
    r"|(?:when|where|what time|does|do|did|is|if|how late|how long|until|has|once|will|would) (?:[a-z0-9]+ ){0,5}?"
    rf"{_JOB_SIDE} (?:[a-z]+ )?stop (?!{CONTACT}))"
)
_YOU_STOP = rf" (?:you|this|these|it|texts|messages|make) (?:[a-z]+ )?stop (?:$|[.,?]|{CONTACT})"
_ASKED = rf" (?:{CONTACT}|me|please) "
_MOVING = rf" {TRANSIT} "


def is_stop_about_something_else(text: str) -> bool:
    """Return whether every `stop` of normal text is clearly no request: a bus stop, stopping by, can't stop."""
    if pattern(_YOU_STOP).search(text):
        return False
    rest = pattern(_STOP_ELSEWHERE).sub(" ", text)
    if " stop " not in rest:
        return True
    if text.count(" stop ") > 1:
        return False
    return pattern(_MOVING).search(text) is not None and pattern(_ASKED).search(text) is None
