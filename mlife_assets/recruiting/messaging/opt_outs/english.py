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

from mlife_assets.recruiting.messaging.opt_outs.spelling import (
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
    listed,
    pattern,
    words,
)

_ELSEWHERE = r"(?:someone|somebody|anyone|another|other) (?:else|person|number|people|phone)"
_SOURED = words(listed("soured"))
_OF_CONTACT = words(listed("of_contact"))
_OF_BUSINESS = words(listed("of_business"))

_ONE_THING = r"(?:me )?(?:the|that|this) (?:link|address|form|application|picture|photo|file|code|map|schedule)"
_LITTLE = words(listed("little"))
"""Words that may stand between a verb of ending, or of wishing, and its object."""
_WISH = (
    r"(?:want|wanting|wanted|need|needing|wish|require|expect|care|appreciate|like|desire|interested(?! (?:[a-z]+ "
    r"){0,2}?in (?:that|this) (?:one|job|position|company|shift))|interest|looking|seeking|intend|ask|asked|agree|"
    r"agreed|consent|consented|authorize|authorized|sign up|signed up|subscribe|subscribed|register|registered|enroll|"
    r"enrolled|request|requested|participate|include|give|gave|given)(?! up on)"
)
_OFFERED = words(listed("offered"))
_OURS = words(listed("ours"))
_ME = words("to be my the me us our your this that number name phone cell email mail address info please immediate")
_CUT = r"(?:had (?:it|enough)|(?:turn|switch)(?! on)|(?<! i )deleted|" + words(listed("cut")) + ")"

REFUSALS: Rules = {
    "unwished": (
        rf" (?:dont|never|nolonger|not|didnt|doesnt|hate|wont|cant) (?:[a-z]+ ){{0,2}}?{_WISH} (?:to see "
        rf")?(?:{_LITTLE} |another one of |{CONTACT_THING} )*(?:(?:{CONTACT_THING}|{CONTACT_DONE}|{CONTACT_DOING}|"
        rf"{THESE}|{_OFFERED})(?= (?:[.,]|$|any|anymore|at all|from|please|thanks|now|and|or|again|to be|on this|of "
        r"the day|going forward|finding|in the future|sent to|coming|regarding|about (?:any|this|these|it|your|jobs?|"
        rf"work|employment|openings|other)))|(?=[.,]|$)){NO_QUESTION}"
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
        rf" not (?:one|another)(?: single)?(?: more)? {CONTACT_THING} | no need (?:to |for )?{gap(3)}(?:send|text|"
        rf"message|these|distribution|{CONTACT_THING})|(?:^|[.,]) (?:not|nolonger) needed (?:[.,]|$|thanks)| "
        rf"(?:nolonger|not|isnt) (?:necessary|needed|required) (?:for you )?to {gap(2)}{CONTACT}| no (?:reason|point|"
        rf"sense|need) (?:to |in |for )?(?:you )?(?:to )?(?:keep|continu)[a-z]* (?:to )?(?:{CONTACT})| (?:no need|no "
        r"reason|dont|nolonger|quit) (?:to )?keep(?:ing)? (?:me|us|my [a-z]+) (?:on|in) (?:the|your|this|any) (?!hold|"
        r"dark|loop)"
    ),
    "somebody_else": (
        rf" (?:go |find |try |pick |choose |get |please )*(?:{CONTACT_VERB}|{CONTACT_DOING}|find|pick|bother|go) "
        rf"{_ELSEWHERE}"
    ),
    "never_contact": (
        rf" {FIRST_PERSON}(?:dont|never(?! {CONTACT_DONE} (?:me|us|back))|nolonger|(?<! sorry for )not(?! getting| "
        rf"receiving| spam)) {BETWEEN}(?:{CONTACT_VERB}|{CONTACT_DOING}|{CONTACT_DONE}|calls)(?<!not bothering(?= "
        r"you))(?!.* (?<!or )(?<!nor )(?<!dont )(?:text|message) me )(?! me (?:mr|ms|mrs|maam|sir|that|a|an|crazy|"
        rf"late|to|there|back) | {_ONE_THING} | (?:with|about|there) ) {NOT_FOR_A_TIME}| no (?:text|call|message|send|"
        r"contact|write) (?:me|us|this|here|again|more|no more) "
    ),
    "you_may_not": (
        r" (?:you|your company|company|people|they) (?:guys |people |all )?(?:shouldnt|cant|may not|must not|mustnt|"
        r"better not|best not|better never|better stop|need to not|should never|are not|arent|had better not|have "
        r"no (?:right|permission|business|authority)|dont have(?: my| any| the)? (?:permission|consent|authority|"
        rf"right|authorization)|do have no) {gap(5)}{CONTACT}"
    ),
    "no_contact": (
        r"(?:^|[.,?]| (?:and|so|ok|thanks|said|want|like|request|asked for|now|but|that|(?:to|should|only|please|so i|"
        r"so that i) (?:get|receive|have|be))) (?:no|zero|not (?:one|another)) (?:more |further |future |additional |"
        r"other |job |unwanted |spam )*(?:texts|texting|messages|messaging|message|contact|contacting|calls|calling|"
        r"alerts|notifications|spam|emails|mails|mailings|correspondence|sms|communication|communications|updates|"
        r"soliciting|solicitation|solicitations|solicitors|offers) "
    ),
    "no_more": (
        rf" no more (?:(?:of |with )?(?:{CONTACT_THING}|{THESE}|your|those|job (?:texts|messages|alerts|offers)|jobs|"
        r"contact|calls|mas) |[.,] |$|thanks |thank you |ok |im |i )"
    ),
    "not_be_sent": (
        r" (?:not (?:to )?be|to not be|shouldnt (?:even )?be|never (?:to )?be) (?:[a-z]+ )?(?:(?:getting|receiving) "
        rf"(?:these|this|any|your)|{CONTACT_DONE}|sent|mailed|written|on (?:this|your|any|the) (?:[a-z]+ )?lists?) | "
        r"(?:nice|like|prefer|rather|way|click|possible|please|appreciate|how (?:do|can|could) i) (?:[a-z]+ "
        rf"){{0,3}}?(?:to )?not (?:to )?(?:get|getting|receive|receiving|hear|hearing|see) (?:{_LITTLE} )*(?:{THESE}|"
        rf"{CONTACT_THING}|you) | (?:isnt|arent|not) (?:being )?sent (?:these|this|any|them|more) | (?:so (?:that "
        r")?(?:i|we) (?:dont|never)|dont (?:want|wish|need|care) to|never want to) hear (?:back )?from (?:you|your|"
        r"this|yall)| nothing (?:more |further |else )?(?:more|further|else|from) (?:[a-z]+ )*?(?:you|your [a-z]+|"
        r"this (?:address|company|site|list))"
    ),
    "no_use": (
        r" (?:no|nolonger|never|not|dont|doesnt|without) (?:[a-z]+ )?(?:any )?(?:use|interest|desire|need|wish|reason|"
        rf"business) (?:to me |for me |for us )?(?:for|in|of|to) (?:{_LITTLE} )*(?:{THESE}|{CONTACT_DOING}|"
        rf"{CONTACT_THING}|hearing|emailing|services?) | (?:these|those|they|emails?|mails?|this) (?:are|is) of no "
        rf"(?:use|interest|value) | (?:these|those|they|your|{CONTACT_THING}) (?:are |is |arent |isnt )(?:not |"
        r"nolonger )?(?:unwanted|unwelcome|(?<=(?:not|ent|snt|ger) )(?:wanted|welcome|needed|required|appreciated)) | "
        rf"unwanted {CONTACT_THING} | (?:put|place) (?:a )?(?:hold|stop|pause|end) (?:on|to) (?:{_LITTLE} "
        rf")*(?:{CONTACT_THING}|{THESE}) | thanks but no thanks | (?:pass on|no thanks (?:to|on)) (?:{_LITTLE} "
        rf")*(?:{CONTACT_THING}|getting|receiving|these) | how many times (?:do|must|should|have|will) (?:i|we) "
    ),
    "last_one": (
        rf" (?:make|be|is|was) (?:this |it |that )?(?:my |the |your )?(?:very )?last (?:{CONTACT_THING}|one|time) "
        rf"(?:(?:that )?(?:you|i) (?:ever )?(?:send|write|get|receive|hear|see)|from you)"
    ),
    "not_interested": (
        r" (?:not|no|nolonger|never|isnt|arent|zero|0|dont|uninterested|un|wasnt|nor) (?:[a-z]+ "
        rf"){{0,3}}?(?:interested|interest|uninterested|intrested)(?! (?:rate|in(?! (?:your|these|any|this [.,]|this "
        rf"$|receiving|getting|hearing|being)))) {NO_QUESTION}"
    ),
    "soured_on_contact": (
        rf"^(?!.* {_OF_BUSINESS} )(?!.*\?)(?!.* is this a |(?: they| he| she| the (?:recruiter|manager|employer|"
        rf"company|store)s?) | (?:was|got) cut off )(?=.* {_SOURED} )(?!.* leave (?:me |you )?(?:a|your|my) )(?!.* my "
        rf"(?:number|phone) ).* {_OF_CONTACT} "
    ),
}

_NOT_OURS = (
    r"(?:the|that|this|a|my|your) (?:[a-z]+ )?(?:wait|class|course|schedule|shift|interview|training|roster|sign up|"
    r"signup|setup|callback|guest|rehire)[a-z]*"
)
_AT_WORK = rf"(?:on|at|in|behind|with) (?:the|a) (?!phone|{CONTACT}|jobs?|future)[a-z]+"
_WRONG = words("wrong incorrect bad mistaken")
_STRUCK = words(
    "struck stricken removed erased deleted purged withdrawn dropped unlisted unenrolled excluded scratched"
)
_WHO = words("number person guy girl lady man dude woman party contact phone one individual human recipient")
_TARGET = (
    r"(?:(?:"
    + words("my this the our that all your these any her his their")
    + r" ){0,2}(?:"
    + words(listed("target"))
    + r")|me|us|everything)"
)
REMOVALS: Rules = {
    "off": (
        r" (?:want|like|need|wish|demand|request|requesting|get (?:me|us|this|my)|let|count|keep|leave|take|drop|"
        rf"scratch) (?:{_ME} )*(?:off|out|cancel|quit|removal)(?= (?:[.,?]|$|of (?:this|these|your|it|here|there|all|"
        r"my)|from|this|these|your (?!hands)|now|manually|yourself|permanently|thanks|for(?! (?:church|school|lunch|"
        r"the|a|my|class|[a-z]+day) )|it|all|the (?:[a-z]+ )?(?:texts?|messages|alerts|emails)))|(?: be| have| want|"
        rf"(?<! i) get) (?:{_ME} )*(?:removed|deleted|unsubscribed|taken off|erased)(?! (?:(?:from|of) )?{_NOT_OURS} )"
    ),
    "struck": (
        r" (?:drop|strike|scratch|pull|cut|exclude|withdraw|cross|purge|erase|wipe|unlist|unenroll|take|remove|keep|"
        r"get) (?:me|us|him|her|(?:my|our|this|his|her|their|the) (?:[a-z]+ )?(?:name|e?mail|address|inbox|account|"
        rf"number|info|information|details)) (?:[a-z]+ ){{0,2}}?(?:from|out of|off(?: of)?) (?!{_NOT_OURS}|your "
        r"contacts|the running)(?:it|here|this|these|that|all|any|future|further|your|the|whatever)(?! (?:application|"
        r"resume|interview|first|second|third|[a-z]+ (?:job|position)) )| (?:is|be|are|were|get) (?:[a-z]+ "
        rf")?{_STRUCK} from (?:your|the|this|all|any|future|further) (?!wait)| (?:grateful|appreciate|like|want|ask|"
        r"request|ensure|sure|demand|insist|see) (?:[a-z]+ ){0,4}?(?:my|our|this|his|her) (?:[a-z]+ ){1,3}(?:is|"
        rf"be|are|were|gets?) (?:[a-z]+ )?{_STRUCK}| (?:like|want|wish|ask|asking|asked|request|love|prefer|need|"
        r"happy) (?:for [a-z]+ )?to be (?:[a-z]+ )?(?:taken|dropped|left|kept|removed|excluded|unsubscribed|"
        rf"withdrawn) (?:out|off|from)(?: of)? (?!{_NOT_OURS})| (?:want|like|need) (?:my|our|all) (?:[a-z]+ "
        rf")?{_TARGET} (?:gone|removed|deleted|erased|out|off|wiped|taken)| (?:my|our|request(?:ing)?(?: for)?|effect|"
        r"process) removal | removal (?:request|of (?:my|our|this)|from (?:your|the|this|all)) | not supposed to "
        r"(?:be )?(?:get|getting|receive|receiving) | right to (?:be forgotten|erasure|object) | (?:withdraw|strike|"
        r"scratch|cross|drop) my (?:name|e?mail) | (?:deletion|erasure) of (?:my|our|all) | object to (?:the |your "
        r")?(?:processing|use|using)| (?:preferences?|frequency|settings?|notifications|alerts|e?mails) (?:to|at|is) "
        r"(?:none|never|zero|off|no) | no part of (?:this|these|it|your) | keep your (?:jobs?|offers|e?mails|crap) | "
        r"better not (?:get|receive|see|hear) | (?:im|be) nolonger on (?:your|any|this) (?:[a-z]+ "
        r"){{0,2}}?(?:list|distribution)(?!.* (?:why|happened|back) ) | you (?:can|may|should) (?:please "
        r")?quit(?: now)? (?:[.,]|$)| (?:on|to) (?:your|the|a) (?:suppression|dnc|removal|blocked?|no contact|dont "
        r"(?:contact|email|mail|text|call|send)) list | (?:take (?:it|this) (?:off|out)|drop (?:me|us)) (?=[.,]|$|"
        r"thanks)| take (?:him|her|them|grandma|my [a-z]+) off (?=[.,]|$|this|the list|the mailing|your)| (?:leave|"
        r"exit|out of) (?:this|your|the) (?:[a-z]+ )?(?:list|newsletter|mailings?|subscription|rotation) "
    ),
    "off_the_list": (
        rf" (?:off|out of|from) (?:of )?(?!{_NOT_OURS}|[a-z]+days )(?:(?:the|your|this|that|ur|whatever|any|all|every) "
        r")*(?:[a-z]+ )?(?:list|lists|database|system) "
    ),
    "somebody_elses": (
        rf" {NUMBER} (?:[a-z]+ )?(?:belongs to (?:someone|another|a|me)|has a new owner|was reassigned|nolonger) | "
        r"the new owner of this | (?:deceased|passed away) (?:[.,]|$)"
    ),
    "leave_out": (
        rf" {LEAVE_OUT} (?:all )?(?:{_TARGET}|this (?:user|person|recipient|subscriber)|[a-z0-9_$]+@[a-z0-9_]+) "
        rf"(?!(?:[a-z]+ ){{0,3}}(?:add|new|instead|and use|"
        r"and put|application|resume|reference)|.* new (?:one|number|phone|cell|e?mail|address) )"
    ),
    "leave_out_it": rf" {NUMBER} .*{LEAVE_OUT} (?:it|this|that|me) ",
    "leave_out_alone": (
        r"(?:^|[.,?]) (?:hi |hey |yes |ok |can you |could you |would you |will you |id like to be |want to be |i "
        rf"want to be |need to be |i need to be )?(?:{LEAVE_OUT}|removed|deleted|unlisted)(?: it| this| that| now| "
        rf"them)? (?:[.,?] |$|thanks |thank )| {LEAVE_OUT} (?:now |thanks )?(?:[.,] |$)"
    ),
    "forget_me": (
        r" (?:(?:want|like|wish|need) to be left alone|spare (?:me|us|my [a-z]+)|save yourself the trouble|(?<! dont "
        r")forget (?:about )?me|forget i exist|"
        r"leave (?:me|us|my phone|my inbox|this address|this inbox|my e?mail|this number|this phone|my number|him|"
        rf"her) (?:[a-z]+ ){{0,4}}?(?:alone|be|along|tranquilo)(?! {_AT_WORK})|lemme alone|let me be|let me alone) "
    ),
    "wrong_number": (
        r"(?<! the) (?:(?:have|got|get|reached|texting|calling|called|texted|have reached|contacted|messaging|text|"
        rf"its|is|this is|thats) (?:got )?(?:a |an |the )?)?{_WRONG} {_WHO} (?!of |for my|.* meant )"
    ),
    "mistaken": (
        r"^ wrong e?mail (?:address )?(?:[.,]|$)| (?:you|youve) (?:have |got )*the wrong e?mail | (?:mistaken "
        r"identity|have me (?:confused|mixed up|mistaken)|got me (?:confused|mixed up)|you have "
        r"mistaken|not who you|not the (?:person|one|guy|right) |isnt (?:the|who|whom) (?:person |one |guy )?(?:you|"
        r"youre|your) |not the right (?:person|number|guy)|dont know (?:you|any [a-z]+|anyone named|anybody named|"
        r"who [a-z]+ is)(?: [.,]| $| and stop))"
    ),
    "not_this_person": r" (?:isnt|not) the (?:e?mail|address|number)(?: address)? (?:for|of) | (?:you|youre|keep) "
    "(?:[a-z]+ )?(?:sending|send|mailing|messaging|writing) (?:[a-z]+ ){0,2}?to the wrong | (?:isnt|not|no) (?:[a-z]+ "
    ")?(?:[a-z]+s |his |her |their |my |that persons )(?:number|phone)",
    "do_not_use": r" (?:dont|never|stop|quit) (?:ever )?(?:us(?:e|ing)|contact) (?:it|this|my|our) (?:(?:e?mail|"
    "address|inbox|account|name|information) ){0,2}(?:(?:for|to|in) (?:this|that|these|send|any|jobs?|work|your|"
    "mailings?|marketing)|again|anymore|thanks|[.,]|$)",
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
        r"(?<! do i)(?<! the)(?<! that)(?! blocked a number) (?:block|blocked|blocking|report|reported|reporting|"
        r"complain|complaint) (?:(?:to|for|as|and|the|your|this|these|it|filed|against|all|a|on|with|an|my) )*(?:you|"
        r"yall|ya|block|blocked|reported|report|spam|scam|numbers?|texts|messages|fcc|ftc|bbb|police|cops|harassment|"
        r"attorney|att|verizon|carrier|7726|company|if|[.,]|$)(?! (?:posting|job|post|ad|listing))"
    ),
    "illegal": (
        r"^(?!.* (?:posting|employer|boss|overtime|manager) ).* (?:this|its|thats|these|texts|messages|you|youre|it|"
        r"is|are|so|very) (?:[a-z]+ ){0,2}?(?:illegal|unlawful|harass(?:ment|ing)|unwanted|unacceptable|annoying|a "
        rf"nuisance|bothersome|creepy|intrusive) (?!to |they ){NO_QUESTION}"
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
    "warning": r"(?: |^)(?:last|final|first|fair|only) warning (?!from my|on my)|see what happens | or else (?:[.,] |"
    "$)",
    "spam": (
        r"^(?!.* (?:can|canning|spam musubi|meat|not spam|filter|spam (?:folder|box|filter)|(?:in|into|from|through) "
        r"(?:my |the )?spam|[a-z]+(?<! company) sends me) )(?!.*\?).* (?:spam|spams|spammer|spammers|spammed|spamming|"
        r"scammers|robocall|robocalls|robotext|robotexts) "
    ),
    "rude": (
        r" (?:fuck (?:off|you|this|u|yourself|outta|out|your)|f off|f you|f u|go to hell|shut (?:the [a-z]+ |it |your "
        r"[a-z]+ )?up|screw (?:you|off)|kiss my|shove (?:your|it|these)|stick your|eat shit|(?:piss|bug|buzz|back|sod|"
        r"bugger|jog|naff|kick|frig|fudge|eff|beat) (?:off|it)|bugger off|go away|get lost|knock it off|cut it out|"
        r"cut this out|cut the crap|give it (?:a rest|up)|give me a break|take a hike|get a life|stay (?:away|off)|"
        r"get (?:out of|off) my (?:phone|face|life|inbox)|go f yourself|suck my|damn you|hell no|take the hint|get "
        r"the hint|get bent|scram|drop dead) "
    ),
}

STOP_VERBS: Rules = {
    "cut": (
        rf"(?<! the) {_CUT} (?:{_LITTLE} )*(?:{CONTACT_THING}|{CONTACT_DOING}(?! you )|{_OURS}) |(?:(?<! i) (?:stop|"
        r"quit|end|cancel|mute|silence|pause|shut|turn|switch|knock|discontinue|cease|halt|suspend|terminate)| "
        rf"(?:hate|enough|tired|sick|done with|over|through with)) (?:{_LITTLE} )*{THESE} (?:off )?(?=[.,]|$|now|"
        r"anymore|thanks|please|every|each|all day)"
    ),
    "how": (
        r" how (?:do|can|could|would|to) (?:you |i |we |one )?(?:get |make |turn )?(?:stop|off|end|out of|quit|cancel|"
        rf"exit|turn off|block) (?:these|this|the (?=(?:[a-z]+ ){{0,2}}?{CONTACT_THING})|it|your|them|getting|all|[.?]|"
        r"$)| so (?:this|these|it|they) stops? "
    ),
    "be_ended": (
        rf" (?:can|could|please|should|may|might|must|want|need|like|have) (?:[a-z]+ ){{0,3}}?(?:{THESE}|"
        rf"{CONTACT_THING}|they) (?:[a-z]+ )?(?:be |get )?(?:turned off|switched off|stopped|shut off|disabled|"
        r"cancell?ed|ended|discontinued|terminated|suspended|blocked) | (?:like|want|wish|need) (?:for )?(?:(?:the|"
        rf"all|your|these|this) )*(?:{THESE}|{CONTACT_THING}) to (?:end|cease|go away) | (?:that|ensure) (?:it|this|"
        r"these|they) (?:ends?|ceases?) | (?:hard|difficult|impossible) to (?:cancel|get (?:off|out|rid)|leave) "
    ),
    "withdrawn": (
        r" (?:consent|permission) (?:is |was |has been |hereby )*(?:revoked|withdrawn|denied|refused|rescinded) | "
        r"take back (?:my|our|any) (?:consent|permission) | (?:no|not|dont|never|havent|didnt|without) (?:[a-z]+ "
        r"){0,3}?(?:consent|permission|authoriz[a-z]+) (?!(?:to )?(?:an? |the )?(?:background|drug|credit|test|"
        r"check))| (?:cease|desist|discontinue|enough) (?:and |is )?(?:cease|desist|enough|[.,]|$)"
    ),
    "unsubscribe": (
        rf"^(?!.* {BENEFITS} (?:[a-z]+ )*?(?:optout) ).* (?<! mean to )(?:unsubscribed?|unsubscribing|"
        r"unsubscribe[a-z]*|unsub[a-z]*|optouts?|unenroll|deregister|unregister|desubscribe|unsign) "
        rf"(?!{gap(4)}{BENEFITS})"
    ),
    "cancel": rf"^(?!.* {APPOINTMENT} ).* (?<! i )(?<! to )(?<! do you )cancel(?! culture| and) ",
}

_JOB_SIDE = words(listed("job_side"))
_STOP_NOUN = words(listed("stop_noun"))
_STOP_DOING = words(listed("stop_doing"))
_STOP_PLACE = words("by in over off shop light lights sign signs watch gap loss motion here work road street")
_STOP_ELSEWHERE = (
    rf" (?:(?:{_STOP_NOUN}|{TRANSIT}|stop and) stop(?! {CONTACT})|stop (?:{_STOP_PLACE}|{_STOP_DOING}|and shop|n shop|"
    rf"at(?! once)|for (?:lunch|a|the|gas|breaks?|food)|to (?:eat|rest))(?! {CONTACT})|(?:i|we|ill|i can|i could|(?<! "
    r"you )will) stop [a-z]+ing(?! me)(?! this)(?! these)|(?:cant|wont|never|didnt|doesnt|couldnt|wouldnt|dont|"
    r"without|nothing can|nobody can|we) (?:[a-z]+ )?stop(?= )|(?:when|where|what time|does|do|did|is|if|how late|how "
    rf"long|until|has|once|will|would) (?:[a-z0-9]+ ){{0,5}}?{_JOB_SIDE} (?:[a-z]+ )?stop (?!{CONTACT}))"
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
