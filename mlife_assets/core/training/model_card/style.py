"""Look of a card: the dashboard's colours and cards, and what a page to be read from top to bottom adds.

Belongs here: the style sheet. Does not belong here: markup.

Concept: one family of pages. A card is read on a phone and printed, so wide tables scroll by themselves, nothing needs
a script, and what is folded on screen is open on paper.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.style import STYLE

CARD_STYLE = (
    STYLE
    + """
main{max-width:940px;gap:22px;overflow-wrap:break-word}
main>*,.title>*,.kpi,.pair>*{min-width:0;max-width:100%}
.title .chip{white-space:normal;overflow-wrap:anywhere}
section h2{margin-bottom:8px}
section>h3,.card>h3{margin-top:14px}
.lead{font-size:16px;max-width:66ch;margin:10px 0 8px}
.title h1{font-size:28px;max-width:24ch}
.version{overflow-wrap:anywhere;color:var(--soft)}
.says{padding-left:20px;display:flex;flex-direction:column;gap:6px;max-width:76ch}
.limits li::marker{color:var(--threshold)}
.pair{display:grid;gap:14px 28px;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));align-items:start}
.drawing{margin-top:8px;max-width:520px}
.figure{display:block;width:100%;height:auto}
.rule-line{stroke:var(--faint);stroke-width:1}.rule-line.base{stroke:var(--muted)}
.ideal{stroke:var(--c);stroke-width:1.5;stroke-dasharray:5 4}
.margin{stroke:var(--c);stroke-width:1.5;stroke-dasharray:3 2}
.figure .whisker{stroke-width:2}.figure .tick{font-size:12px}.figure .name{fill:var(--ink);font-size:13px}
.strip-plot{display:block;width:132px;height:18px}
.data th[scope=row]{white-space:normal;color:var(--ink);font-size:14px;min-width:6.5em}
.data th small{font-weight:400;overflow-wrap:anywhere}.data tr:last-child th[scope=row]{border-bottom:0}
.data.plain th[scope=row]{font-weight:400;color:var(--soft);overflow-wrap:anywhere;width:38%;min-width:9em}
.scroll+.scroll{margin-top:12px}
.data.plain td{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.data.plain th,.data.plain td{padding:5px 14px 5px 0}
.missing{color:var(--soft);font-style:italic}
.scroll{overflow-x:auto}
.v-not_judged{--v:var(--wait)}.v-met{--v:var(--promoted)}.v-unmet{--v:var(--block)}
.v-reference,.v-too_small,.v-suppressed,.v-no_ratio,.v-unknown{--v:var(--wait)}
.v-at_least_minimum{--v:var(--promoted)}.v-not_settled{--v:var(--refused)}.v-proven_low{--v:var(--block)}
.meters td.meter{width:100%}.meters .meter i{background:var(--main)}
.meters th{max-width:none;white-space:normal;width:auto;min-width:8.5em;overflow-wrap:anywhere}
.meters th small{display:block;color:var(--soft)}
details{margin-top:2px}summary{width:auto}details .scroll{max-height:none}
details .data{font-size:13px}details .data td{white-space:normal}details .data .num{white-space:nowrap}
summary{padding:4px 0}
@media(min-width:641px){.meters th{min-width:13em}}
@media(max-width:640px){main{gap:18px}.card{padding:14px}.title h1{font-size:24px}
.figure .tick{font-size:15px}.figure .name{font-size:15px}.data th[scope=row]{min-width:0}
.data thead th,.data thead .num,.data .num small{white-space:normal}.data thead th{vertical-align:bottom}
.ratios tr>:nth-child(3){display:none}.ratios .num small{white-space:nowrap}.ratios .chip{white-space:normal}
.data th,.data td{padding-right:9px}.kpis{grid-template-columns:repeat(2,minmax(0,1fr))}}
@media print{details{display:block}details::details-content{content-visibility:visible;display:block}}
"""
)
