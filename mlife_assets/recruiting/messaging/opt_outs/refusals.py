"""Refusals: don't text me, you may not, I don't want these, I never agreed.

Belongs here: negation with a word of contact. Does not belong here: removal (`removals`), threats (`threats`).

Concept: a negation refuses contact when only small words stand between the two, and when it is not about the speaker's
own doing (`I don't text and drive`) or for a time (`before 9`). The last rule is the net: a sour word and a word of
contact in one short reply that asks nothing and mentions no business.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import (
    BETWEEN,
    CONTACT,
    CONTACT_DOING,
    CONTACT_DONE,
    CONTACT_THING,
    CONTACT_VERB,
    FIRST_PERSON,
    NO_QUESTION,
    NOT_FOR_A_TIME,
    NUMBER,
    THESE,
    Rules,
    gap,
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
