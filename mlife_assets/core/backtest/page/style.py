"""Look of the page of a replay: that of the dashboard, and lanes of decisions.

Belongs here: the style sheet. Does not belong here: markup.

Concept: one family of pages. Policies keep their colour and their form of line in every chart, so that one legend is
enough and colour alone tells nothing.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.style import STYLE

BACKTEST_STYLE = (
    STYLE
    + """
main{max-width:1180px;overflow-wrap:break-word}
main>*,.title>*,.kpi,.grid>*{min-width:0;max-width:100%}
.title h1{font-size:28px;max-width:30ch}
.lead{font-size:17px;max-width:72ch;margin-top:12px}
.says{padding-left:20px;display:flex;flex-direction:column;gap:6px;max-width:84ch;margin-top:8px}
.limits li::marker{color:var(--threshold)}
section h2{margin-bottom:8px}
.card.scroll{overflow-x:auto}
.data th[scope=row]{color:var(--ink);font-size:14px;white-space:normal;min-width:118px;max-width:190px}
.data th[scope=row] small{font-weight:400}
.policies th,.policies td{padding-right:13px}
.data tr.chosen th[scope=row]::after{content:" (recommended)";color:var(--good);font-weight:400}
.data .num small{white-space:nowrap}
.data td.reasons{min-width:340px;max-width:640px}
.data td.codes-cell{min-width:150px}
.data td .codes{flex-direction:column}
.v-installed{--v:var(--retrain)}.v-failed{--v:var(--wait)}
.m-installed{--c:var(--retrain)}.m-failed{--c:var(--wait)}
.mark.m-failed,.glyph .m-failed{stroke:var(--wait);stroke-width:2}
.lane{stroke:var(--faint);stroke-width:1}.lane-name{fill:var(--ink);font-size:12px}
.lane-count{fill:var(--soft);font-size:11px}
.tick-alarm{stroke:var(--threshold);stroke-width:1.4;opacity:.75}
.margin-line{stroke:var(--threshold);stroke-width:1.2;stroke-dasharray:4 3}
.zero-line{stroke:var(--muted);stroke-width:1}
.figure .name{fill:var(--ink);font-size:13px}
.interval{stroke:var(--main);stroke-width:2}.interval-dot{fill:var(--main)}
.drawing{overflow-x:auto;margin-top:10px}.drawing svg{display:block;width:100%;height:auto;min-width:320px}
.drawing.small svg{max-width:640px}.drawing.lanes svg{min-width:760px}
details.settings table{font-size:12.5px}
@media(max-width:640px){.title h1{font-size:23px}.lead{font-size:15.5px}.card{padding:13px 12px}
.kpis{grid-template-columns:repeat(2,minmax(0,1fr))}.kpi strong{font-size:21px}}
"""
)
