"""Removals: take me off, delete my number, wrong number, that is somebody else.

Belongs here: removal verbs with a list, a number or a person, and statements that the number is not that person's.
Does not belong here: refusals (`refusals`), spelling (`spelling`).

Concept: who is not the person we think has agreed to nothing, so a wrong number is an opt-out.
"""

from __future__ import annotations

from mlife_assets.recruiting.messaging.opt_outs.vocabulary import (
    CONTACT_THING,
    LEAVE_OUT,
    NUMBER,
    RECORDS,
    Rules,
    gap,
    words,
)

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
