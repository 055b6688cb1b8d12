"""English opt-outs: refusals, removals, threats and verbs of ending.

Concept: few wide nets instead of many wordings. Each is a verb or a state (`_CUT`, `_WISH`), small words (`_LITTLE`)
and what we send or hold: texts, the list, the number. `soured_on_contact` is the widest: a sour word and a word of
contact in one short reply that asks nothing and mentions no business. A guard stands only where a harmless reply was
taken without.

- Refusals: don't text me, you may not, I never agreed; not about the speaker's own doing (`I don't text and drive`).
- Removals: take me off, wrong number. Who is not the person we think has agreed to nothing.
- Threats: reports, lawyers, spam, curses. A complaint about a job, a boss or the speaker's own mail is not about us.
- Stop verbs: stop, quit, end, cancel, unsubscribe, unless the object is an appointment or a bus.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import (
    APPOINTMENT,
    BENEFITS,
    BETWEEN,
    CONTACT,
    CONTACT_DOING,
    CONTACT_DONE,
    CONTACT_THING,
    CONTACT_VERB,
    FIRST_PERSON,
    LEAVE_OUT,
    NO_QUESTION,
    NOT_FOR_A_TIME,
    NUMBER,
    THESE,
    TRANSIT,
    Rules,
    gap,
    pattern,
    words,
)

_ELSEWHERE = r"(?:someone|somebody|anyone|another|other) (?:else|person|number|people|phone)"
_SOURED = words("""no not dont never off out again anymore wrong sue suing report reporting reported illegal warning
block blocking blocked revoke revoked withdraw tired hate annoying annoyed enough leave remove removed delete deleted
without unwanted quit stop stopped stopping cease end cancel canceled cancelled nolonger lose forget erase harassing
unsolicited bother bothering police lawyer attorney legal stay refuse refused decline declined purge wipe drop hell
gave bought sold stole tracking consequences or last next expired""")
_OF_CONTACT = words("""text texts texting texted message messages messaging messaged list lists contact contacting
contacted sms alerts notifications phone number numbers spam inbox consent permission line subscription database cell
mobile digits texter telemarketing marketing outreach""")
_OF_BUSINESS = words("""link links apply applying applied application applications app job jobs work working worked
works shift shifts pay paid interview hours call called calling calls resume form website site address email emails yet
back answer answered yes yeah sure when where what how why which monday tuesday wednesday thursday friday saturday
sunday tomorrow tonight open load loading see put typed typing entered enter type new changed change changing update
updated died dead charge charging broke broken cracked receive received got get getting came through find found lost
forgot manager hr boss hiring hire company license experience prefer better best fine good great thanks happy love
waiting wait read reading use using only instead transportation drive driving keep keeps add added save saved
understand sorry if know english spanish sure maybe talk speak have has had mind hesitate accidentally accident resend
ad ads right bit canning put old mistake afraid""")

_ONE_THING = r"(?:me )?(?:the|that|this) (?:link|address|form|application|picture|photo|file|code|map|schedule)"
_LITTLE = words("""off out down up with of on from in for to by about at as so and or n w the a an my me us our your
you yall it its this these those that them all any more other future further prior bit much many being be receiving
receive getting get sending going see hear have read part had job jobs daily phone anymore now right here new""")
"""What may stand between a verb of ending, or of wishing, and what it ends."""
_WISH = (
    r"(?:want|wanting|need|wish|care|appreciate|like|desire|interested|interest|looking|seeking|intend|ask|asked|agree|"
    r"agreed|consent|consented|authorize|authorized|sign up|signed up|subscribe|subscribed|register|registered|enroll|"
    r"enrolled|request|requested|participate|include|give|gave|given)(?! up on)"
)
_OFFERED = words("""job jobs work employment opportunities nothing service services program contact participate number
numbers""")
_OURS = words("""number numbers digits landline database system records info service services contact consent
permission account membership myself ourselves him""")
_ME = words("to be my the me us our your this that number name phone cell email mail address info please immediate")
_CUT = (
    r"(?:had (?:it|enough)|(?:turn|switch)(?! on)|(?<! i )deleted|"
    + words(
        "stop stopping quit quitting cease halt refrain avoid discontinue end ending terminate kill cancel "
        "canceling cancelling cancelled mute silence pause suspend deactivate disable remove removing removed "
        "delete deleting erase scrub purge wipe exclude unlist unenroll lose forget trash toss burn ditch "
        "destroy dump discard clear drop pull strike cut knock reject declining decline refuse oppose done sick "
        "tired enough hate chill revoke revoking rescind withdraw withdrawing shut close annoyed rid"
    )
    + ")"
)

REFUSALS: Rules = {
    "unwished": (
        rf" (?:dont|never|nolonger|not|didnt|doesnt|hate|wont|cant) (?:[a-z]+ ){{0,2}}?{_WISH} (?:{_LITTLE} "
        rf"|{CONTACT_THING} )*(?:(?:{CONTACT_THING}|{CONTACT_DONE}|{CONTACT_DOING}|{THESE}|{_OFFERED})(?= (?:[.,]|$|"
        rf"any|anymore|at all|from|please|thanks|now|and|or|again|to be|on this|of the day))|(?=[.,]|$)){NO_QUESTION}"
    ),
    "rather_not": (
        r" (?:rather|prefer|asked|request|demand) (?:you |that you )?(?:to )?(?:not|didnt|dont|never) "
        rf"{gap(4)}(?:{CONTACT}|these|this) "
    ),
    "if_you_stopped": (
        r" if you (?:would |could )?(?:stop|stopped|quit|ended|ceased|removed?|deleted?|left|take|took) (?:me|my|us|"
        r"this|these|it|the|contact|text|send)[a-z]* "
    ),
    "no_need": (
        rf" no need (?:to |for )?{gap(3)}(?:send|text|message|these|{CONTACT_THING})"
        r"|(?:^|[.,]) (?:not|nolonger) needed (?:[.,]|$|thanks)"
    ),
    "somebody_else": (
        rf" (?:go |find |try |pick |choose |get |please )*(?:{CONTACT_VERB}|{CONTACT_DOING}|find|pick|bother|go) "
        rf"{_ELSEWHERE}"
    ),
    "never_contact": (
        rf" {FIRST_PERSON}(?:dont|never|not(?! getting| receiving| spam)) {BETWEEN}(?:{CONTACT_VERB}|"
        rf"{CONTACT_DOING}|{CONTACT_DONE}|calls)(?!.* (?<!or )(?<!nor )(?<!dont )(?:text|message) me )"
        rf"(?! me (?:mr|ms|mrs|maam|sir|that|a|an|crazy|late) | {_ONE_THING} ) {NOT_FOR_A_TIME}"
        r"| no (?:text|call|message|send|contact|write) (?:me|us|this|here|again|no more) "
    ),
    "you_may_not": (
        r" (?:you|your company|company|people|they) (?:guys |people |all )?(?:shouldnt|cant|may not|must not|mustnt|"
        r"better not|best not|better never|better stop|need to not|should never|are not|arent|had better not|have "
        r"no (?:right|permission|business|authority)|dont have(?: my| any| the)? (?:permission|consent|authority|"
        rf"right|authorization)|do have no) {gap(5)}{CONTACT}"
    ),
    "no_contact": (
        r"(?:^|[.,?]| (?:and|so|ok|thanks|said|want|like|asked for|now|but)) no (?:more |further |future |"
        r"additional |other |job |unwanted |spam )*(?:texts|texting|messages|messaging|message|contact|contacting|"
        r"calls|calling|alerts|notifications|spam|emails|sms|communication|communications|updates|soliciting|"
        r"solicitation|solicitations|solicitors|offers) "
    ),
    "no_more": (
        rf" no more (?:(?:of |with )?(?:{CONTACT_THING}|{THESE}|your|those|job (?:texts|messages|alerts|offers)|jobs|"
        r"contact|calls|mas) |[.,] |$|thanks |thank you |ok |im |i )"
    ),
    "not_interested": (
        r" (?:not|no|nolonger|never|isnt|arent|zero|0|dont|uninterested|un|wasnt|nor) (?:[a-z]+ "
        rf"){{0,3}}?(?:interested|interest|uninterested|intrested)(?! (?:rate|in(?! (?:your|these|any|this [.,]|this "
        rf"$)))) {NO_QUESTION}"
    ),
    "soured_on_contact": (
        rf"^(?!.* {_OF_BUSINESS} )(?!.* is this a )(?=.* {_SOURED} )(?!.* leave (?:me |you )?(?:a|your|my) )(?!.* my "
        rf"(?:number|phone) ).* {_OF_CONTACT} "
    ),
}

_NOT_OURS = r"(?:the|that|this|a|my|your) (?:wait|class|course|schedule|shift|interview|training|roster)[a-z]*"
_AT_WORK = rf"(?:on|at|in|behind|with) (?:the|a) (?!phone|{CONTACT}|jobs?|future)[a-z]+"
_WRONG = words("wrong incorrect bad mistaken")
_WHO = words("number person guy girl lady man dude woman party contact phone one individual human recipient")
_TARGET = (
    r"(?:(?:"
    + words("my this the our that all your these any old")
    + r" ){0,2}(?:"
    + words(
        "number numbers phone contact info information data details name profile account line subscription listing "
        "membership email emails mail address"
    )
    + r")|me|us|everything)"
)
REMOVALS: Rules = {
    "off": (
        r" (?:want|like|need|wish|demand|request|requesting|get (?:me|us|this|my)|let|count|keep|leave|take|drop|"
        rf"scratch) (?:{_ME} )*(?:off|out|cancel|quit|removal)(?= (?:[.,?]|$|of (?:this|these|your|it|here|there|all|"
        r"my)|from|this|these|your (?!hands)|now|thanks|for|it|all|the (?:[a-z]+ )?(?:texts?|messages|alerts|emails)))"
        rf"|(?: be| have| want|(?<! i) get) (?:{_ME} )*(?:removed|deleted|unsubscribed|taken off|erased)"
        rf"(?! (?:(?:from|of) )?{_NOT_OURS} )"
    ),
    "off_the_list": (
        r" (?:off|out of|from) (?:of )?(?!(?:the|your) wait)(?:(?:the|your|this|that|ur|whatever|any|all|every) )*"
        r"(?:[a-z]+ )?(?:list|lists|database|system) "
    ),
    "somebody_elses": (
        rf" {NUMBER} (?:[a-z]+ )?(?:belongs to (?:someone|another|a|me)|has a new owner|was reassigned|nolonger) | "
        r"the new owner of this | (?:deceased|passed away) (?:[.,]|$)"
    ),
    "leave_out": (
        rf" {LEAVE_OUT} (?:all )?{_TARGET} (?!(?:[a-z]+ ){{0,3}}(?:add|new|instead|and use|and put|application|"
        r"resume|reference))"
    ),
    "leave_out_it": rf" {NUMBER} .*{LEAVE_OUT} (?:it|this|that|me) ",
    "leave_out_alone": (
        r"(?:^|[.,?]) (?:hi |hey |yes |ok |can you |could you |would you |will you |id like to be |want to be |i "
        rf"want to be |need to be |i need to be )?(?:{LEAVE_OUT}|removed|deleted|unlisted)(?: it| this| that| now| "
        rf"them)? (?:[.,?] |$|thanks |thank )| {LEAVE_OUT} (?:now |thanks )?(?:[.,] |$)"
    ),
    "forget_me": (
        r" (?:(?<! dont )forget (?:about )?me|forget i exist|leave (?:me|us|my phone|this number|this phone|my "
        rf"number|him|her) (?:[a-z]+ ){{0,4}}?(?:alone|be|along|tranquilo)(?! {_AT_WORK})|lemme alone|let me be|"
        r"let me alone) "
    ),
    "wrong_number": (
        r"(?<! the) (?:(?:have|got|get|reached|texting|calling|called|texted|have reached|contacted|messaging|text|"
        rf"its|is|this is|thats) (?:got )?(?:a |an |the )?)?{_WRONG} {_WHO} "
    ),
    "mistaken": (
        r" (?:mistaken identity|have me (?:confused|mixed up|mistaken)|got me (?:confused|mixed up)|you have "
        r"mistaken|not who you|not the (?:person|one|guy|right) |isnt (?:the|who|whom) (?:person |one |guy )?(?:you|"
        r"youre|your) |not the right (?:person|number|guy)|dont know (?:you|any [a-z]+|anyone named|anybody named|"
        r"who [a-z]+ is)(?: [.,]| $| and stop))"
    ),
    "not_this_person": r" (?:isnt|not|no) (?:[a-z]+ )?(?:[a-z]+s |his |her |their |my |that persons )(?:number|phone)",
    "nobody_here": (
        r" (?:no|nobody|no one|noone|not a|isnt a|theres no|isnt any|isnt anyone|not) (?:one |body )?(?:by (?:that|"
        r"the) name(?: of)?(?: [a-z]+)?(?: here| at this number| lives here)?|named [a-z]+(?: here| lives here)?|"
        r"with that name|(?<=one )called [a-z]+|[a-z]+ (?:here|at this number|lives here|by that name)|at this "
        r"number) (?:[.,] |$|anymore )|(?:doesnt|does not|nolonger) (?:live here|have this (?:number|phone)|own "
        r"this|use this (?:number|phone)|has this|at this number|belong|belongs|here)"
    ),
}

THREATS: Rules = {
    "blocks": (
        r"(?<! do i)(?<! the)(?<! that) (?:block|blocked|blocking|report|reported|reporting|complain|complaint) "
        r"(?:(?:to|for|as|and|the|your|this|these|it|filed|against|all|a|on|with|an|my) )*(?:you|yall|ya|block|"
        r"blocked|reported|report|spam|scam|numbers?|texts|messages|fcc|ftc|bbb|police|cops|harassment|attorney|att|"
        r"verizon|carrier|7726|company|if|[.,]|$)"
    ),
    "illegal": (
        rf" (?:this|its|thats|these|texts|messages|you|youre|it|is|are|so|very) (?:[a-z]+ ){{0,2}}?(?:illegal|"
        rf"unlawful|harass(?:ment|ing)|unwanted|unacceptable|annoying|a nuisance|bothersome|creepy|intrusive) "
        rf"(?!to |they ){NO_QUESTION}"
    ),
    "blowing_up": r" (?:blow|blowing|blew|hit) (?:up )?(?:my|this|me) (?:phone |cell )?(?:up )?",
    "legal": (
        r" (?:tcpa|7726|fcc|ftc|lawsuit|legal action|press charges|small claims|class action|sue you|suing you|"
        r"suing|sue your|will sue|to sue|restraining order|cease|unsolicited|trespass[a-z]*|cyber ?crime|law suit) "
    ),
    "lawyer": (
        r" (?:my|our|(?:to|from|get|getting|hire|call|calling|contact|contacting|have|through) (?:a|an|my)) "
        r"(?:lawyers?|attorneys?|legal team|solicitor) "
    ),
    "police": r" call(?:ing)? (?:the )?(?:cops|police|authorities|law) ",
    "warning": r"(?: |^)(?:last|final|first|fair|only) warning |see what happens | or else (?:[.,] |$)",
    "spam": (
        r"^(?!.* (?:can|canning|spam musubi|meat) )(?!.*\?).* (?:spam|spams|spammer|spammers|spammed|spamming|"
        r"scammers|robocall|robocalls|robotext|robotexts) "
    ),
    "rude": (
        r" (?:fuck (?:off|you|this|u|yourself|outta|out|your)|f off|f you|f u|go to hell|shut (?:the [a-z]+ |it |"
        r"your [a-z]+ )?up|screw (?:you|off)|kiss my|eat shit|(?:piss|bug|buzz|back|sod|bugger|jog|naff|kick|frig|"
        r"fudge|eff|beat) (?:off|it)|bugger off|go away|get lost|knock it off|cut it out|cut this out|cut the crap|"
        r"give it (?:a rest|up)|give me a break|take a hike|get a life|stay (?:away|off)|get (?:out of|off) my "
        r"(?:phone|face|life|inbox)|go f yourself|suck my|damn you|hell no|take the hint|get the hint|get bent|"
        r"scram|drop dead) "
    ),
}

STOP_VERBS: Rules = {
    "cut": (
        rf" {_CUT} (?:{_LITTLE} )*(?:{CONTACT_THING}|{CONTACT_DOING}|{_OURS}) |(?:(?<! i) (?:stop|quit|end|"
        r"cancel|mute|silence|pause|shut|turn|switch|knock)| (?:hate|enough|tired|sick|done with|over|through with)) "
        rf"(?:{_LITTLE} )*{THESE} (?:off )?(?=[.,]|$|now|anymore|thanks|please)"
    ),
    "how": (
        r" how (?:do|can|could|would|to) (?:you |i |we |one )?(?:get |make )?(?:stop|end|quit|cancel|exit|turn off|"
        r"block) (?:these|this|the|it|your|them|getting|all|[.?]|$)| so (?:this|these|it|they) stops? "
    ),
    "withdrawn": (
        r" (?:consent|permission) (?:is |was |has been |hereby )*(?:revoked|withdrawn|denied|refused|rescinded) | "
        r"(?:no|not|dont|never|havent|without) (?:[a-z]+ ){0,3}?(?:consent|permission|authorization) | (?:cease|"
        r"desist|discontinue|enough) (?:and |is )?(?:cease|desist|enough|[.,]|$)"
    ),
    "unsubscribe": (
        rf"^(?!.* {BENEFITS} (?:[a-z]+ )*?(?:optout) ).* (?<! mean to )(?:unsubscribed?|unsubscribing|"
        r"unsubscribe[a-z]*|unsub[a-z]*|optouts?|unenroll|deregister|unregister|desubscribe|unsign) "
        rf"(?!{gap(4)}{BENEFITS})"
    ),
    "cancel": rf"^(?!.* {APPOINTMENT} ).* (?<! i )(?<! to )(?<! do you )cancel(?! culture| and) ",
}

_JOB_SIDE = words("""job jobs shift shifts work hiring company it he she they nothing nobody application applications
training position pay program road line class machine belt employer warehouse applying interviews people day trucks
drivers i we you they break breaks""")
_STOP_NOUN = words("""full non one pit rest light next last first second third final every each a an the my your which
what closest nearest any many no emergency [0-9]+ door bus quick short""")
_STOP_DOING = words("""hiring taking accepting serving selling running offering delivering paying smiling laughing
crying thinking interviewing working production""")
_STOP_PLACE = words("by in over off shop light lights sign signs watch gap loss motion here work road street")
_STOP_ELSEWHERE = (
    rf" (?:(?:{_STOP_NOUN}|{TRANSIT}|stop and) stop(?! {CONTACT})"
    rf"|stop (?:{_STOP_PLACE}|{_STOP_DOING}|and shop|n shop|at(?! once)"
    rf"|for (?:lunch|a|the|gas|breaks?|food)|to (?:eat|rest))(?! {CONTACT})"
    r"|(?:i|we|ill|(?<! you )will) stop [a-z]+ing(?! me)(?! this)(?! these)"
    r"|(?:cant|wont|never|didnt|doesnt|couldnt|dont|without|nothing can|nobody can|we) (?:[a-z]+ )?stop(?= )"
    r"|(?:when|where|what time|does|do|did|is|if|how late|how long|until|has|once|will|would) (?:[a-z0-9]+ ){0,5}?"
    rf"{_JOB_SIDE} (?:[a-z]+ )?stop (?!{CONTACT}))"
)
_YOU_STOP = (
    rf" (?:you|people|this|these|it|texts|messages|make) (?:[a-z]+ )?stop (?:$|[.,?]|{CONTACT})"
    r"| (?:i|we|w?ill) stop (?:hearing|getting|receiving|being|seeing|[a-z]+ing (?:from you|contacted|notified|them)) "
)
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
