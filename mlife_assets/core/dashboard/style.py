"""Look and behaviour of the page: one style sheet, one small script.

Belongs here: colours, spacing, the reading line, the filter. Does not belong here: markup.

Concept: roles, not colours, are named in the markup; each colour exists once per scheme. Nothing is told by colour
alone: lines differ in form, markers in shape. The script writes text content only, never markup.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f4f5f3;--card:#fff;--ink:#17191c;--soft:#5d636b;--faint:#e4e6e3;--edge:#e0e2de;
--main:#2563c9;--rival:#c2560c;--muted:#a3a9b0;--accent:#0f8577;--threshold:#b3261e;--good:#17774a;--bad:#b3261e;
--retrain:#7446c9;--promoted:#17774a;--refused:#a86a00;--block:#b3261e;--rollback:#0f7d8c;--wait:#666d76}
@media(prefers-color-scheme:dark){:root{--page:#101215;--card:#181b1f;--ink:#e9eaec;--soft:#9aa1aa;--faint:#2a2e34;
--edge:#272b31;--main:#6ba2ff;--rival:#f0914d;--muted:#666d76;--accent:#42c9b5;--threshold:#ff7d73;--good:#52c98b;
--bad:#ff7d73;--retrain:#b391ff;--promoted:#52c98b;--refused:#e8b04a;--block:#ff7d73;--rollback:#4fc3d3;
--wait:#9aa1aa}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif;
-webkit-text-size-adjust:100%}
main{max-width:1280px;margin:0 auto;padding:28px 24px 64px;display:flex;flex-direction:column;gap:28px}
h1,h2,h3,p,figure,ul,ol{margin:0;padding:0}
h1{font-size:26px;letter-spacing:-.02em;line-height:1.1}
h2{font-size:19px;letter-spacing:-.01em;line-height:1.3}
h2.minor{font-size:16px;margin-top:24px}
h3{font-size:15px;font-weight:600;line-height:1.35}
code{font:12.5px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.card{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:16px 18px}
.title{display:flex;flex-wrap:wrap;align-items:baseline;justify-content:space-between;gap:6px 20px}
.facts{display:flex;flex-wrap:wrap;gap:4px 20px;color:var(--soft)}.facts b,.facts code{color:var(--ink)}
.subtitle,.detail,.quiet{color:var(--soft);font-size:13px}
.empty{color:var(--soft);padding:20px 0;text-align:center}
.kpis{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));gap:12px;margin-top:18px}
.kpi{display:flex;flex-direction:column;padding:14px 16px}
.kpi .label{color:var(--soft);font-size:13px}
.kpi strong{font-size:26px;line-height:1.3;letter-spacing:-.02em;font-weight:650;font-variant-numeric:tabular-nums}
.kpi.good strong{color:var(--good)}.kpi.bad strong{color:var(--bad)}
.kpi .detail{line-height:1.35}
.grid{display:grid;gap:14px;margin-top:12px}
.two{grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}
.wide{grid-column:1/-1}
.legend{display:flex;flex-wrap:wrap;gap:3px 16px;list-style:none;font-size:13px;color:var(--soft);margin-top:6px}
.legend li{display:flex;align-items:center;gap:6px}
.legend b{color:var(--ink);font-variant-numeric:tabular-nums;font-weight:600}
.marks{margin-top:4px}
.glyph{width:13px;height:13px;flex:none}
.key{width:18px;height:0;border-top:2.5px solid var(--c);flex:none}
.key.dashed{border-top-style:dashed}.key.bar{width:11px;height:11px;border:0;border-radius:2px;background:var(--c)}
.key.whisker{width:9px;height:9px;border:0;border-radius:50%;background:var(--c)}
.tag{font-size:11.5px;font-weight:500;color:var(--soft);border:1px solid var(--edge);border-radius:9px;padding:1px 8px;
white-space:nowrap}
.c-main{--c:var(--main)}.c-rival{--c:var(--rival)}.c-muted{--c:var(--muted)}.c-accent{--c:var(--accent)}
.c-threshold{--c:var(--threshold)}
.m-retrain{--c:var(--retrain)}.m-promoted{--c:var(--promoted)}.m-refused{--c:var(--refused)}
.m-block{--c:var(--block)}.m-rollback{--c:var(--rollback)}
.chart{display:flex;flex-direction:column;min-width:0}
.plot{overflow-x:auto;margin-top:10px}
.plot svg{display:block;width:100%;height:auto;min-width:320px;border-radius:4px;outline-offset:3px}
.grid .plot .grid{stroke:var(--faint);stroke-width:1}.plot .grid.base{stroke:var(--muted)}
.tick{font-size:11px;fill:var(--soft);font-variant-numeric:tabular-nums}.tick.end{text-anchor:end}
.tick.mid{text-anchor:middle}
.line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.line.dashed{stroke-dasharray:5 4;stroke-width:1.8}
.c-threshold .line{stroke-width:1.3;stroke-dasharray:4 3}
.band{fill:var(--c);opacity:.13}.bar{fill:var(--c)}.dot{fill:var(--c)}
.whisker{stroke:var(--c);stroke-width:1.6}
.alarm{fill:var(--threshold);stroke:var(--card);stroke-width:1.2}
.mark,.glyph path{fill:var(--c)}.mark{stroke:var(--card);stroke-width:1}
.rule{stroke:var(--c);stroke-width:1;stroke-dasharray:2 3;opacity:.75}
.reading{stroke:var(--ink);stroke-width:1;opacity:.45;visibility:hidden}
.day{fill:transparent}
details{font-size:13px;color:var(--soft);margin-top:auto;padding-top:6px}
summary{cursor:pointer;width:max-content}
details .scroll{max-height:260px;margin-top:6px}
details table{border-collapse:collapse;font-variant-numeric:tabular-nums}
details td,details th{padding:2px 14px 2px 0;text-align:left;white-space:nowrap}
.scroll{overflow:auto}
.governor .title p{display:flex;gap:16px;font-size:13px;color:var(--soft)}
.count b{color:var(--v);font-size:15px}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(38px,1fr));gap:4px;list-style:none;margin-top:12px}
.cell{height:38px;border-radius:6px;display:grid;place-items:center;font-size:12.5px;
background:color-mix(in srgb,var(--v) 15%,var(--card));color:var(--soft);font-variant-numeric:tabular-nums}
.cell.v-retrain,.cell.v-block{background:var(--v);color:var(--card);font-weight:650}
.cell.v-block{border-radius:2px}
.v-wait,.v-pending{--v:var(--wait)}.v-retrain{--v:var(--retrain)}.v-block{--v:var(--block)}
.v-promoted,.v-champion{--v:var(--promoted)}.v-refused,.v-not_enough_evidence{--v:var(--refused)}
.data{border-collapse:collapse;width:100%;font-size:14px}
.data th{font-size:12.5px;font-weight:600;color:var(--soft);text-align:left;white-space:nowrap}
.data th,.data td{padding:8px 16px 8px 0;vertical-align:top;border-bottom:1px solid var(--faint)}
.data td{unicode-bidi:isolate}.data tr:last-child td{border-bottom:0}
.data td p+p{margin-top:2px}.data small{display:block;color:var(--soft);font-size:12px}
.codes{display:flex;flex-wrap:wrap;gap:2px 12px}.codes code{color:var(--soft);font-size:11.5px}
.num,.data .num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.day-cell{white-space:nowrap}
.models th:nth-child(4),.models th:nth-child(5),.models th:nth-child(7){text-align:right}
.models{min-width:1040px}.models td:last-child{min-width:240px}.models td:first-child{white-space:nowrap}
.chip .glyph path{fill:var(--v)}
.chip{display:inline-flex;align-items:center;gap:5px;padding:1px 9px;border-radius:10px;font-size:12.5px;
font-weight:600;white-space:nowrap;color:var(--v);background:color-mix(in srgb,var(--v) 12%,transparent)}
.filters{display:flex;gap:4px}
.filters button{font:inherit;font-size:13px;color:var(--soft);background:none;border:1px solid var(--edge);
border-radius:8px;padding:2px 12px;cursor:pointer}
.filters button[aria-pressed=true]{color:var(--ink);background:var(--card);font-weight:600}
section>.card{margin-top:12px}
.meters{width:100%;border-collapse:collapse;font-size:13.5px;margin-top:12px}
.meters th{text-align:left;font-weight:400;padding:5px 12px 5px 0;width:1%;white-space:nowrap;max-width:220px;
overflow:hidden;text-overflow:ellipsis}
.meters td{padding:5px 0 5px 12px}.meters .num{width:1%}
.meters .meter i{display:block;height:10px;border-radius:3px;background:var(--muted);min-width:2px}
#tip{position:fixed;z-index:9;max-width:360px;pointer-events:none;background:var(--ink);color:var(--page);
border-radius:7px;padding:7px 11px;font-size:12.5px;line-height:1.45;white-space:pre-line;
overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
#tip::first-line{font-weight:650}
:focus-visible{outline:2px solid var(--main);outline-offset:2px}
@media(max-width:640px){main{padding:18px 12px 40px}.plot svg{min-width:480px}}
@media print{body{background:#fff}.filters,details,#tip{display:none}.card{break-inside:avoid}}
"""

SCRIPT = """
(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const charts = [...document.querySelectorAll(".plot svg")];
  const hide = () => {
    tip.hidden = true;
    for (const line of document.querySelectorAll(".reading")) line.style.visibility = "hidden";
  };
  const place = (x, y) => {
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = Math.max(4, y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18) + "px";
  };
  const show = (target, x, y) => {
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    place(x, y);
    for (const chart of charts) {
      const day = chart.querySelector('.day[data-day="' + target.dataset.day + '"]');
      const line = chart.querySelector(".reading");
      line.style.visibility = day ? "visible" : "hidden";
      if (day) {
        const at = Number(day.getAttribute("x")) + Number(day.getAttribute("width")) / 2;
        line.setAttribute("x1", at);
        line.setAttribute("x2", at);
      }
    }
  };
  const middle = (target) => {
    const box = target.getBoundingClientRect();
    show(target, box.left + box.width / 2, box.top + Math.min(box.height, 60));
  };
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest("[data-tip]");
    if (target) show(target, event.clientX, event.clientY);
    else if (!document.activeElement.closest("[data-tip], .plot svg")) hide();
  });
  document.addEventListener("pointerleave", hide);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("focusout", hide);
  for (const cell of document.querySelectorAll(".cell")) cell.addEventListener("focus", () => middle(cell));
  for (const chart of charts) {
    const days = [...chart.querySelectorAll(".day")];
    let at = days.length;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      at = Math.max(0, Math.min(days.length - 1, at + step));
      middle(days[at]);
    });
  }
  const filters = [...document.querySelectorAll("[data-filter]")];
  for (const button of filters) {
    button.addEventListener("click", () => {
      for (const other of filters) other.setAttribute("aria-pressed", String(other === button));
      for (const row of document.querySelectorAll("[data-verdict]")) {
        row.hidden = button.dataset.filter !== "" && row.dataset.verdict !== button.dataset.filter;
      }
    });
  }
})();
"""
