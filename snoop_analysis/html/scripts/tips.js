// SPDX-License-Identifier: Apache-2.0

/** What the mark under the pointer stands for: its label, beside the pointer. */
function tips() {
  const tip = element("div", "", { class: "tip", "aria-hidden": "true", hidden: "" });
  document.body.append(tip);
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest?.("figure svg g [aria-label]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.getAttribute("aria-label");
    const x = Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 4);
    const y = Math.min(event.clientY + 16, window.innerHeight - tip.offsetHeight - 4);
    tip.style.left = `${Math.max(0, x)}px`;
    tip.style.top = `${y}px`;
  });
}
