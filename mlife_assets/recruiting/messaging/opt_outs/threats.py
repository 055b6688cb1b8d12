"""Threats and complaints: reports, lawyers, blocking, spam, curses, being tired of it.

Belongs here: what hostile people say instead of STOP. Does not belong here: refusals (`refusals`).

Concept: who threatens us has opted out. A complaint about a job, a boss or the speaker's own mail is not about us.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import (
    CONTACT,
    CONTACT_DOING,
    CONTACT_THING,
    NO_QUESTION,
    WORK,
    Rules,
)

THREATS: Rules = {
    "report": (
        r" (?:report|reporting|reported|complain|complaint|complaining|file a complaint|turning you|turn you) "
        r"(?:[a-z]+ ){0,2}?(?:you|yall|spam|scam|fcc|ftc|bbb|police|cops|authorities|harassment|attorney|"
        r"number|abuse)(?! (?:to|for) (?:work|duty|training)) "
    ),
    "report_alone": (
        r"^ (?:reported|reporting|report|im reporting|ive reported|reported it|reporting this|reporting it|"
        r"reported and blocked|blocked and reported|im reporting this|will report|will be reporting|going to "
        r"report)(?: now| this| it)* (?:[.,] |$)"
    ),
    "forwarded": (
        r" 7726 | report(?:ed|ing)? (?:this )?to (?:att|at and t|verizon|t mobile|tmobile|my carrier|carrier|"
        r"apple|google|my phone company)(?! (?:office|manager|front|desk|job|site|store|supervisor|boss|hr)) "
    ),
    "legal": (
        r" (?:tcpa|fcc|ftc|lawsuit|legal action|press charges|small claims|class action|sue you|suing you|"
        r"suing|sue your|will sue|to sue|restraining order|cease|unsolicited|trespass[a-z]*|cyber ?crime|law "
        r"suit) "
    ),
    "lawyer": (
        r" (?:my|our|(?:to|from|get|getting|hire|call|calling|contact|contacting|have|through) (?:a|an|my)) "
        r"(?:lawyers?|attorneys?|legal team|solicitor)(?! (?:office|firm|assistant|job|position)) "
    ),
    "police": r" call(?:ing)? (?:the )?(?:cops|police|authorities|law) ",
    "one_more": (
        rf" (?:one more|another|next)(?: {CONTACT_THING}| time| one)? .*(?:report|block|call|sue|cops|police|"
        r"lawyer|attorney|fcc|court)"
    ),
    "warning": r"(?: |^)(?:last|final|first|fair|only) warning |see what happens | or else (?:[.,] |$)",
    "call_list": r" (?:dont|not|no) (?:[a-z]+ )?(?:call|contact|text|calls) (?:list|registry|register|lists)",
    "harassment": (
        rf"^(?!.* (?:my|old|last|current) (?:[a-z]+ )?{WORK} ).* (?<! no )(?<! of )(?<! any )(?<! for )(?<! "
        r"sexual )(?<! from )(?<! about )(?:harass|harassing|harassed|harassment|stalking|stalker|stalk|"
        r"pestering) "
    ),
    "spam": (
        r"^(?!.* (?:folder|inbox|filter|went to|in my|in spam|to spam|email|emails|check) )(?!.* (?:can|"
        r"canning|spam musubi|meat) )(?!.*\?)(?!.* (?:not|isnt|no) (?:a )?spam).* (?:spam|spams|spammer|"
        r"spammers|spammed|spamming|scammers|robocall|robocalls|robotext|robotexts) "
    ),
    "illegal": (
        r"(?<! is)(?<! if) (?:this|its|thats|that|these|texts|texting|messages|it|is) (?:[a-z]+ ){0,3}?"
        r"(?:illegal|unlawful|against the law|a crime|harassment|violation|unwanted|unacceptable|invasion)(?! "
        r"to ) "
        f"{NO_QUESTION}"
    ),
    "block": (
        r" (?:block|blocking|blocked)(?: the| your| this| my| all| a)* (?:you|yall|number|numbers|these|it|"
        r"texts|messages|company|sender|em|them|ya)(?<! my number) | (?:ive|youre|im|i|you are|getting|are|be|"
        r"get|gets|will be|consider yourself|now|and) (?:[a-z]+ )?(?:blocking|blocked)(?! (?:my|by|from|in|"
        r"out|off|out of)) "
        f"{NO_QUESTION}"
    ),
    "will_block": (
        r" (?:will|ill|going to|about to|have|ive|had to|must|been|be|get|getting|just|already|now) (?:be )?"
        r"(?:blocking|blocked|block)(?: (?:[.,]|you|your|this|the number|it|and|if)| $|$)(?<! been blocked "
        r"from)"
    ),
    "rude": (
        r" (?:fuck (?:off|you|this|u|yourself|outta|out|your)|f off|f you|f u|go to hell|shut (?:the [a-z]+ |"
        r"it |your [a-z]+ )?up|screw (?:you|off)|kiss my|eat shit|(?:piss|bug|buzz|back|sod|bugger|jog|naff|"
        r"kick|frig|fudge|eff|beat) (?:off|it)(?! work)|bugger off|go away|get lost|knock it off|cut it out|"
        r"cut this out|cut the crap|give it (?:a rest|up)|give me a break|take a hike|get a life|stay (?:away|"
        r"off)|get (?:out of|off) my (?:phone|face|life|inbox)|go f yourself|suck my|damn you|hell no|take "
        r"the hint|get the hint|get bent|scram|drop dead|die)(?! at [0-9]) "
    ),
    "complaint": (
        r" (?:sick|tired|fed up|annoyed|annoying|had it|irritating|irritated|bothered|hate|frustrated|"
        r"aggravating|fed|had enough) (?:and tired |up )?(?:of |with |by |getting )*(?:the |all |all these |"
        rf"your |getting |receiving |you )*(?:{CONTACT_THING}|{CONTACT_DOING}|this|these|you|yall|it)(?! "
        r"(?:job|work|shift|place)) (?!at my)"
    ),
    "done_with": (
        r" (?:im|were|am|ive) (?:so |all )?(?:done|over|through|finished) (?:with |w )?(?:the |all |these |"
        rf"your |getting |receiving )*(?:{CONTACT_THING}|{CONTACT_DOING}|these|you|yall|this)(?! (?:job|work|"
        r"shift|place|application|step|form|one|training)) "
    ),
    "complaint_is": (
        r"(?: (?:this|its|thats|youre|you are|texts are|messages are|so|very|these are|is|are) (?:[a-z]+ "
        rf"){{0,2}}?|^ )(?:annoying|a nuisance|bothersome|creepy|intrusive|bothering me|harassment)(?! "
        rf"customer) {NO_QUESTION}"
    ),
    "keep_on": (
        r"(?<! can)(?<! could)(?<! will)(?<! would)(?<! please) (?:you|yall|u|they|people|company) (?:[a-z]+ "
        r")?(?:keep|kept|continue|continuing|always|constantly|still)(?: on)? (?:to )?(?:texting|messaging|"
        r"contacting|calling|sending|spamming|bothering|harassing|text|message|contact|blowing|hitting|"
        r"bugging)(?! back)"
    ),
    "blowing_up": (
        r" (?:blow|blowing|blown|blew) (?:my|me|this|our) ?(?:phone|cell|line|inbox)? ?up | blow(?:ing)? up "
        r"my "
    ),
    "how_many_times": r" how many (?:more )?times (?:do|must|have|does|did|i) ",
    "not_welcome": (
        rf" unwanted (?:and )?(?:{CONTACT}|number)| illegal {CONTACT}| {CONTACT_THING} (?:are |is )?(?:not|"
        rf"isnt|arent) (?:[a-z]+ )?(?:welcome|wanted|appreciated|acceptable|needed)| unwanted {CONTACT_THING}"
    ),
    "no_solicit": r" (?:no|not accepting) (?:soliciting|solicitations?|solicitors|marketing|telemarketing)",
}
