(() => {
  "use strict";
  const tip = document.getElementById("tip");
  const charts = [...document.querySelectorAll(".plot svg")];
  const hide = () => {
    tip.hidden = true;
    for (const line of document.querySelectorAll(".reading")) line.style.visibility = "hidden";
  };
  const show = (target, x, y) => {
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
    tip.style.top = Math.max(4, y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18) + "px";
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
  document.addEventListener("pointermove", (event) => {
    const target = event.target.closest("[data-tip]");
    if (target) show(target, event.clientX, event.clientY);
    else if (!document.activeElement.closest(".plot svg")) hide();
  });
  document.addEventListener("pointerleave", hide);
  document.addEventListener("scroll", hide, { passive: true });
  document.addEventListener("focusout", hide);
  for (const chart of charts) {
    const days = [...chart.querySelectorAll(".day")];
    let at = days.length;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      at = Math.max(0, Math.min(days.length - 1, at + step));
      const box = days[at].getBoundingClientRect();
      show(days[at], box.left + box.width / 2, box.top + Math.min(box.height, 60));
    });
  }
})();
