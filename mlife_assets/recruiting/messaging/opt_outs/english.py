"""English opt-outs: refusals, removals, threats and verbs of ending.

Belongs here: the patterns of English, by what is asked. Does not belong here: the classes of words (`vocabulary`),
spelling (`spelling`), the order of layers (`decision`).

Refusals (don't text me, you may not, I never agreed): a negation refuses contact when only small words stand between
the two, and when it is not about the speaker's own doing (`I don't text and drive`) or for a time (`before 9`). The
last rule is the net: a sour word and a word of contact in one short reply that asks nothing and mentions no business.

Removals (take me off, delete my number, wrong number): somebody who is not the person we think has agreed to nothing,
so a wrong number is an opt-out.

Threats (reports, lawyers, blocking, spam, curses): a person who threatens us has opted out. A complaint about a job, a
boss or the speaker's own mail is not about us.

Stop verbs (stop, quit, end, cancel, unsubscribe, turn off): a verb of ending close to a word of contact is an opt-out.
Alone it is one too, unless its object is a job, an appointment, a bus or the speaker's own doing.
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
    RECORDS,
    THESE,
    TRANSIT,
    WORK,
    Rules,
    gap,
    pattern,
    words,
)

_WANT = words(
    "want need wish like care appreciate looking interested desire intend ask asked enjoy wanting wants prefer"
)
_ELSEWHERE = r"(?:someone|somebody|anyone|another|other) (?:else|person|number|people|phone)"
_SOURED = words(
    "no not dont never off out again anymore wrong sue suing report reporting reported illegal warning block "
    "blocking blocked revoke revoked withdraw tired hate annoying annoyed enough leave remove removed delete "
    "deleted without unwanted quit stop stopped stopping cease end cancel canceled cancelled nolonger lose "
    "forget erase harassing unsolicited bother bothering police lawyer attorney legal stay refuse refused "
    "decline declined purge wipe drop hell gave bought sold stole tracking consequences or last next expired"
)
_OF_CONTACT = words(
    "text texts texting texted message messages messaging messaged list lists contact contacting contacted sms "
    "alerts notifications phone number numbers spam inbox consent permission line subscription database cell "
    "mobile digits texter telemarketing marketing outreach"
)
_OF_BUSINESS = words(
    "link links apply applying applied application applications app job jobs work working worked works shift "
    "shifts pay paid interview hours call called calling calls resume form website site address email emails "
    "yet back answer answered yes yeah sure when where what how why which monday tuesday wednesday thursday "
    "friday saturday sunday tomorrow tonight open load loading see put typed typing entered enter type new "
    "changed change changing update updated died dead charge charging broke broken cracked receive received got "
    "get getting came through find found lost forgot manager hr boss hiring hire company license experience "
    "prefer better best fine good great thanks happy love waiting wait read reading use using only instead "
    "transportation drive driving keep keeps add added save saved understand sorry if know english spanish sure "
    "maybe talk speak have has had mind hesitate accidentally accident resend ad ads right bit canning put old "
    "mistake afraid"
)

REFUSALS: Rules = {
    "somebody_else": (
        rf" (?:go |find |try |pick |choose |get |please )*(?:{CONTACT_VERB}|{CONTACT_DOING}|find|pick|bother|"
        rf"go) {_ELSEWHERE}(?! (?:who|about|if|that is))"
    ),
    "chill": (
        r" (?:chill|lay off|ease up|cool it|relax|easy|ease off|slow down|quit) (?:out )?(?:with|on) (?:the |"
        rf"all |these |your )*(?:{CONTACT_THING}|{CONTACT_DOING})"
    ),
    "declining": (
        r" (?:decline|declining|reject|rejecting|refuse|refusing|oppose|object to|dismiss) (?:all |any |these "
        rf"|this |your |the |future |further |to )*(?:{CONTACT})"
    ),
    "nothing_further": (
        rf" no (?:further|more|future|additional) (?:{CONTACT_THING}|contact|correspondence|outreach|calls|"
        r"communication|interaction)"
    ),
    "make_sure": (
        r" (?:make sure|better|ensure|see to it|hope) (?:that )?(?:i |we )?(?:never|dont|not) (?:ever )?"
        r"(?:get|receive|hear|see) | i better not (?:get|receive|see|hear)"
    ),
    "never_contact": (
        rf" {FIRST_PERSON}(?:dont|never|not(?! getting| receiving| spam)) {BETWEEN}(?:(?!call |calls |email |"
        rf"mail )(?:{CONTACT_VERB}|{CONTACT_DOING}|{CONTACT_DONE})|(?:call|calls|email|mail)(?![^?]* (?<!or )"
        r"(?<!nor )(?<!no )(?<!dont )(?<!stop )(?:text|texts|message|texting)(?: me| only| instead| works| "
        r"us)? ))(?! (?:and|or) drive)(?! me (?:mr|ms|mrs|maam|sir|that|a|an|crazy|late) )(?! (?:me |us )?"
        r"(?:the|that|a|an|my) (?:link|address|info|form|application|schedule|details|code|picture|resume))"
        rf"(?! (?:back|center|centers|out|experience|you|off|sick|ins?|shift|if)) {NOT_FOR_A_TIME}| no "
        r"(?:text|call|message|send|contact|write) (?:me|us|this|here|again|no more) "
    ),
    "you_may_not": (
        r" (?:you|your company|company|people|they) (?:guys |people |all )?(?:shouldnt|cant|may not|must not|"
        r"mustnt|better not|best not|better never|better stop|need to not|should never|are not|arent|had "
        r"better not|have no (?:right|permission|business|authority)|dont have(?: my| any| the)? "
        rf"(?:permission|consent|authority|right|authorization)|do have no) {gap(5)}{CONTACT}(?! back)"
    ),
    "youre_not": rf" youre (?:not|never) (?:allowed|permitted|authorized|supposed|to|welcome) {gap(4)}{CONTACT}",
    "without_permission": (
        rf" (?:without|no|never gave|didnt give|dont have|not have|dont give|havent given) {gap(3)}"
        r"(?:permission|consent|authorization|authorisation) (?!to work)"
    ),
    "no_contact": (
        r"(?!.* (?:text|texts|message|texting) (?:only|instead|me|is fine|works) )(?:^|[.,?]| (?:and|so|ok|"
        r"thanks|said|want|like|asked for|now|but)) no (?:more |further |future |additional |other |job |"
        r"unwanted |spam )*(?:texts|texting|messages|messaging|message|contact|contacting|calls|calling|"
        r"alerts|notifications|spam|emails|sms|communication|communications|updates|soliciting|solicitation|"
        r"solicitations|solicitors|offers)(?! (?:came|yet|from|back|received|on|about|with|for|will|was|were|"
        r"showed|appeared|needed)) "
    ),
    "no_more": (
        r"(?<! theres)(?<! there are)(?<! there is)(?<! i have)(?<! are there)(?<! is there) no more (?:(?:of "
        rf"|with )?(?:{CONTACT_THING}|{THESE}|your|those|job (?:texts|messages|alerts|offers)|jobs|contact|"
        r"calls|mas)(?! (?:openings|spots|positions)) |[.,] |$|thanks |thank you |ok |im |i )"
    ),
    "dont_want_contact": (
        rf" (?:dont|never|not|no|nolonger|didnt|doesnt|wont|hate|isnt|cant) (?:[a-z]+ ){{0,2}}?(?:{_WANT}) "
        rf"{gap(5)}(?:{CONTACT_THING}|{CONTACT_DONE}|{CONTACT_DOING}|from you|from your|from northstar|hear "
        r"from|contact)(?! (?:yet|back|center)) "
    ),
    "dont_want_these": (
        rf" (?:dont|never|nolonger|not) (?:[a-z]+ ){{0,2}}?(?:want|wanting|need|wish for|care for|care about|"
        r"appreciate|like) (?:to (?:receive|get|see|have|read) )?(?:any |more |any more |your |of |all )*"
        rf"(?:{THESE}|jobs|jobs texts|nothing|services|service|job offers|job alerts)(?! (?:job|jobs|one|shift|"
        rf"position|kind|type|on|at|to|that|with)) {NO_QUESTION}"
    ),
    "dont_want": r" (?:dont|nolonger|not) want(?:ed)? (?:[.,] |$)| no text (?:[.,] |$)",
    "dont_want_job": (
        r" (?:dont|nolonger|not|never) (?:[a-z]+ ){0,2}?(?:want|need|looking for|need to find|seeking|"
        r"searching for|in the market for|interested in) (?:a |any |your |new |another |no |more )*(?:job|"
        r"jobs|work|employment|opportunities)(?: offers| anymore| right now| at this time| now| thanks| thank "
        r"you| at the moment| here| listings)* (?:[.,] |$)"
    ),
    "not_looking": (
        r" (?:not|nolonger|isnt|never) looking(?: anymore| right now| now| thanks| thank you| for anything| "
        r"to be contacted)* (?:[.,] |$)"
    ),
    "not_interested": (
        rf" (?:not|no|nolonger|never|isnt|arent|zero|0|dont|uninterested|un|wasnt|nor) (?:[a-z]+ ){{0,3}}?"
        r"(?:interested|interest|uninterested|intrested)(?! (?:rate|in)(?! (?:your|these|any|texts|messages|"
        r"jobs|job offers|receiving|getting|this (?:at all|service|program|company)|anything|further|being|"
        r"hearing|the (?:texts|messages|service)|it|this [.,]|this $|working with you|you|what)))(?! "
        rf"(?:[a-z]+ )?(?:yet|nights|until)) {NO_QUESTION}"
    ),
    "would_rather_not": (
        r" (?:rather|prefer|prefers|asked|told you|tell you|request|requested|requesting|demand|ask you|like "
        rf"you|want you) (?:you |that you |for you )?(?:not|to not|you not|didnt|dont|never) {gap(4)}"
        rf"(?:{CONTACT}|these|this)"
    ),
    "nolonger_receive": rf" nolonger {gap(3)}(?:receive|receiving|get|getting|be|contact|text|hear)",
    "never_signed_up": (
        r" (?:didnt|never|not|dont|havent|nor|wasnt|cant remember|no) (?:[a-z]+ ){0,3}?(?:consent|consented|"
        r"agree|agreed|authorize|authorized|permission|sign up|signed up|signing up|subscribe|subscribed|opt "
        r"in|opted in|ask for|asked for|request|requested|approve|approved|enroll|enrolled|register|"
        r"registered)(?: for| to| with| in)* (?:this|these|those|that|any|texts|messages|texting|being|be|"
        r"receive|get|your|you|it|contact|sms|alerts|spam|anything|job alerts|[.,]|$)(?! (?:pay|job|shift|"
        r"schedule|rate|position))"
    ),
    "never_gave_number": (
        rf" (?:didnt|never|not|dont|havent) (?:[a-z]+ ){{0,2}}?(?:give|gave|given|provide|provided|share|"
        rf"shared|authorize) (?:you |yall |anyone |out |your company )*(?:my|this|the|our) (?:[a-z]+ )?{NUMBER}"
        r"(?! (?:on|in|to|yet)) "
    ),
    "never_again": (
        r"^ (?:please )?dont (?:[.,] |$)|^ (?:no )?never again (?:[.,] |$)|^ not again (?:[.,] |$)|^ no more "
        r"(?:[.,] |$)"
    ),
    "soured_on_contact": (
        rf"^(?!.*\?)(?!.* {_OF_BUSINESS} )(?!.* is this a )(?!.* list lol )(?=.* {_SOURED} )(?!.* leave (?:me |"
        r"you )?(?:a|your|my) )(?!.* (?:i|was) (?:gave|give) )(?!.* my (?:number|phone) )(?!.* text me (?:the|"
        rf"when|at|back|more|anytime|here|if|your) )(?! (?:[a-z0-9.,]+ ){{16,}}).* {_OF_CONTACT} "
    ),
}

_WRONG = words("wrong incorrect bad mistaken")
_WHO = words("number person guy girl lady man dude woman party contact phone one individual human recipient")
_TARGET = (
    r"(?:(?:"
    + words("my this the our that all your these any old")
    + r" ){0,2}(?:"
    + words(
        "number numbers phone contact info information data details name profile account line subscription listing "
        "membership"
    )
    + r")|me|us|everything)"
)
_NOT_A_NAME = words(
    "clear bad far it right good fair legit real true possible easy hard open available enough close ideal "
    "helpful correct remote local funny valid secure safe great ok okay cool fun much full part permanent "
    "temporary easy spam home mine urgent new old cheap low high worth a an the what where how that there here "
    "fake true serious free nice"
)

REMOVALS: Rules = {
    "leave_out": (
        rf" (?<! to ){LEAVE_OUT} (?:all )?{_TARGET} (?!(?:[a-z]+ ){{0,3}}(?:add|new|instead|and use|and put|"
        r"application|resume|reference))"
    ),
    "leave_out_from": (
        rf" (?:{LEAVE_OUT}|take|taken|removed|deleted|get|drop|pull|cut|strike|cross|knock|wiped|off) {gap(5)}"
        rf"(?:off|from|out|of) (?:of )?(?:your |the |this |that |all |any |future |every |job )*(?:{RECORDS}|"
        rf"{CONTACT_THING}|contact list|calling list)"
    ),
    "leave_out_it": rf" {NUMBER} .*{LEAVE_OUT} (?:it|this|that|me) ",
    "leave_out_alone": (
        r"(?:^|[.,?]) (?:hi |hey |yes |ok |can you |could you |would you |will you |id like to be |want to be "
        rf"|i want to be |need to be |i need to be )?(?:{LEAVE_OUT}|removed|deleted|unlisted)(?: it| this| "
        r"that| now| them)? (?:[.,?] |$|thanks |thank )"
    ),
    "to_be_removed": (
        r" (?:be|want|have|get|got|want my number|have my number) (?:[a-z]+ )?(?:removed|deleted|unsubscribed|"
        r"taken off|erased)(?! (?:[a-z]+ )?(?:from (?:the )?(?:schedule|interview|shift))) "
    ),
    "take_off": (
        r" (?:take|takes|get|drop|pull|cut|cross|scratch|knock|keep|leave|count|let|sign) (?:me|us|my number|"
        r"this number|my name|my phone|the number|this phone|my phone number|my cell|this line|our number|my "
        r"info) (?:off|out)(?= (?:[.,?]|$|thanks|thank|your|ur|this|these|all|now|text|texts|list|of (?:this|"
        r"your|these|the (?:list|system|texts|loop))|the (?:list|texts|system|database)|or|before|i|im|that|"
        r"any|every)) "
    ),
    "removal": (
        r" (?:request|requesting|want|demand|for) (?:immediate )?removal| removal from | (?:want|like) off(?: "
        r"of)? (?:this|your|the|these|[.,]|$)"
    ),
    "off_the_list": (
        r" (?:off|out of|from) (?:of )?(?:the|your|this|that|ur|whatever|any|all|every)? ?(?:[a-z]+ )?(?:list|"
        rf"lists|database|system) | off list | (?:{NUMBER}|list|name|me) (?:[a-z]+ ){{0,3}}?(?<! is )(?:off|"
        r"removed|deleted)(?= (?:of|the|your|this|[.,]|$))"
    ),
    "remove_myself": rf" {LEAVE_OUT} (?:myself|my self|ourselves|him|her|them|it all)(?! to) ",
    "deleted_if": (
        r" (?:grateful|appreciate|appreciated|nice|like|love|great|thankful|glad|happy) (?:it )?(?:if|for) "
        r"(?:you )?(?:[a-z]+ ){0,2}?(?:delete|deleted|deleting|remove|removed|removing|erased|took me off|"
        r"taking me off|take me off) "
    ),
    "lose_number": (
        r"(?<! did)(?<! you)(?<! i) (?:delete|remove|lose|forget|trash|toss|burn|ditch|destroy|dump|shred|"
        r"clear|discard|unsave|block) (?:that |you have |you ever had |you got |about |all about |you had |"
        r"you )*(?:my|this|our|the|that) (?:phone |cell |damn )?(?:number|numbers|digits|contact|info|phone)"
    ),
    "forget_me": (
        r" (?:(?<! dont )forget (?:about )?me|forget i exist|leave (?:me|us|my phone|this number|this phone|"
        r"my number|him|her) (?:[a-z]+ ){0,4}?(?:alone|be|along|tranquilo)|lemme alone|let me be|let me alone)"
        r"(?! (?:with|a message)) "
    ),
    "no_participation": (
        r" (?:dont|not|nolonger|never) (?:[a-z]+ ){0,3}?(?:participate|participating|take part|part of "
        r"(?:this|these|your|any)|be included|include me|included|on (?:this|your|any|the) (?:list|lists))(?! "
        r"(?:in the|until)) | (?:keep|leave|count|exclude) (?:me|us|my number) out(?! (?:of town|late)) | "
        r"(?:close|end|deactivate|terminate) (?:my|this|the) (?:account|subscription|membership|profile)"
    ),
    "wrong_number": (
        r"(?<! put)(?<! gave)(?<! enter)(?<! entered)(?<! the)(?<! typed)(?<! called)(?<! put the)(?<! gave "
        r"the)(?<! gave you the)(?<! wrote)(?<! have the)(?<! used)(?<! left the)(?<! left) (?:(?:have|got|"
        r"get|reached|texting|calling|called|texted|have reached|contacted|messaging|text|its|is|this is|"
        rf"thats) (?:got )?(?:a |an |the )?)?{_WRONG} {_WHO} (?!on|in|to call)"
    ),
    "wrong_number_you": (
        r" (?<! gave)(?<! give)(?<! send)(?<! sent)(?<! told) (?:you|youve|your|youre|yours) (?:[a-z]+ "
        rf"){{0,4}}?(?:the |a |an )?{_WRONG} {_WHO}"
    ),
    "mistaken": (
        r" (?:mistaken identity|have me (?:confused|mixed up|mistaken)|got me (?:confused|mixed up)|you have "
        r"mistaken|not who you|not the (?:person|one|guy|right) |isnt (?:the|who|whom) (?:person |one |guy )?"
        r"(?:you|youre|your) |not the right (?:person|number|guy)|dont know (?:you|any [a-z]+|anyone named|"
        r"anybody named|who [a-z]+ is)(?: [.,]| $| and stop))"
    ),
    "not_this_person": (
        r" (?:isnt|not|no) (?:[a-z]+ )?(?:[a-z]+s |his |her |their |my |that persons )(?:number|phone)(?! on| "
        r"is| yet)"
    ),
    "not_this": rf" this isnt (?!{_NOT_A_NAME} )[a-z]+(?<!ing)(?<!ed) (?:[.,] |$)",
    "nobody_here": (
        r" (?:no|nobody|no one|noone|not a|isnt a|theres no|isnt any|isnt anyone|not) (?:one |body )?(?:by "
        r"(?:that|the) name(?: of)?(?: [a-z]+)?(?: here| at this number| lives here)?|named [a-z]+(?: here| "
        r"lives here)?|with that name|(?<=one )called [a-z]+|[a-z]+ (?:here|at this number|lives here|by that "
        r"name)|at this number)(?<! not [a-z][a-z] here)(?<! been here) (?:[.,] |$|anymore )|(?:doesnt|does "
        r"not|nolonger) (?:live here|have this (?:number|phone)|own this|use this (?:number|phone)|has this|"
        r"at this number|belong|belongs|here)"
    ),
    "somebody_elses": (
        rf" {NUMBER} (?:[a-z]+ ){{0,4}}?(?:belongs to (?:someone|somebody|another|a|me)|has changed (?:owners?|"
        r"hands)|changed owners?|has a new owner|was reassigned|is nolonger|nolonger)| (?:im |i am )?the new "
        r"owner of this| (?:deceased|dead)(?<! my) (?:[.,] |$)|^(?!.* (?:my|our|cant|reschedule) ).* passed "
        r"away "
    ),
}

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
