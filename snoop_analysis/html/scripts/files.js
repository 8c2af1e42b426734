// SPDX-License-Identifier: Apache-2.0

/**
 * The table of files: of all rows that match, only those in sight are in the document.
 *
 * `data` has the columns that html/sections/files.py made.
 */
function fileTable(data) {
  const MOST_ROWS = 400000; // browsers draw no element higher than some 16 million pixels
  const MARGIN = 12; // rows kept above and below those in sight
  const scroller = document.getElementById("file-scroll");
  const body = document.getElementById("file-rows");
  const form = document.getElementById("file-filter");
  const search = document.getElementById("file-search");
  const outcome = document.getElementById("file-outcome");
  const container = document.getElementById("file-container");
  const headers = [...document.querySelectorAll("#file-table thead th")];
  const lower = data.name.map((name) => name.toLowerCase());
  const above = space();
  const below = space();
  const inSight = new Map(); // place in `rows` -> element
  let rows = [];
  let sorting = { column: "name", down: false };
  let rowHeight = 30;
  let under = ""; // the directory to show alone

  if (container) {
    data.container.values.forEach((name, place) => container.append(element("option", name, { value: place })));
  }
  body.append(above, below);

  function space() {
    const row = element("tr", "", { class: "space", "aria-hidden": "true" });
    row.append(element("td"));
    return row;
  }

  function matching() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const who = container ? container.value : "";
    const found = [];
    for (let file = 0; file < lower.length; file++) {
      if (outcome.value === "found" && !data.hits[file]) continue;
      if (outcome.value === "missed" && data.hits[file]) continue;
      if (who !== "" && data.container.places[file] !== Number(who)) continue;
      if (!data.name[file].startsWith(under)) continue;
      if (words.every((word) => lower[file].includes(word))) found.push(file);
    }
    return found;
  }

  function sorted(found) {
    const { column, down } = sorting;
    if (column !== "name") {
      const values = column === "container" ? data.container.places : data[column];
      found.sort((a, b) => (values[a] ?? Infinity) - (values[b] ?? Infinity) || a - b);
    }
    return down ? found.reverse() : found;
  }

  function refresh() {
    const found = sorted(matching());
    rows = found.slice(0, MOST_ROWS);
    const within = under && ` under ${under}`;
    const listed = found.length > rows.length ? `; the first ${counted(rows.length)} are listed` : "";
    document.getElementById("file-count").textContent =
      `${counted(found.length)} of ${numbered(lower.length, container ? "row" : "file")}${within}${listed}`;
    document.getElementById("file-table").setAttribute("aria-rowcount", rows.length + 1);
    for (const row of inSight.values()) row.remove();
    inSight.clear();
    scroller.scrollTop = 0;
    above.firstChild.style.height = "0";
    below.firstChild.style.height = `${rows.length * rowHeight}px`; // as high as it may get
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(scroller.scrollTop / rowHeight) - MARGIN);
    const last = Math.min(
      rows.length,
      Math.ceil((scroller.scrollTop + scroller.clientHeight) / rowHeight) + MARGIN,
    );
    for (const [place, row] of inSight) {
      if (place < first || place >= last) {
        if (row.contains(document.activeElement)) scroller.focus({ preventScroll: true });
        row.remove();
        inSight.delete(place);
      }
    }
    let next = below;
    for (let place = last - 1; place >= first; place--) {
      if (!inSight.has(place)) {
        inSight.set(place, rowOf(rows[place], place));
        body.insertBefore(inSight.get(place), next);
      }
      next = inSight.get(place);
    }
    above.firstChild.style.height = `${first * rowHeight}px`;
    below.firstChild.style.height = `${(rows.length - last) * rowHeight}px`;
  }

  /** Rows are as high as the first one; higher where the window is narrow. */
  function measure() {
    const [first] = inSight.values();
    if (first) rowHeight = first.getBoundingClientRect().height || rowHeight;
    draw();
  }

  function rowOf(file, place) {
    const row = element("tr", "", { "aria-rowindex": place + 2 });
    const name = element("th", "", { scope: "row" });
    const button = element("button", data.name[file], { type: "button" });
    button.addEventListener("click", () => detail(file));
    const line = element("div", "", { class: "file" });
    line.append(button);
    if (!data.hits[file]) line.append(element("span", "never found", { class: "tag" }));
    name.append(line);
    row.append(name);
    if (container) row.append(element("td", data.container.values[data.container.places[file]]));
    row.append(
      element("td", counted(data.events[file]), { class: "number" }),
      element("td", counted(data.hits[file]), { class: "number minor" }),
      element("td", counted(data.misses[file]), { class: "number minor" }),
      element("td", seconds(file), { class: "number minor" }),
    );
    row.classList.toggle("never", !data.hits[file]);
    return row;
  }

  const seconds = (file) => (data.first[file] === null ? "" : data.first[file].toFixed(3));

  function detail(file) {
    const list = element("dl");
    const facts = {
      file: data.name[file],
      container: data.container.values[data.container.places[file]],
      events: counted(data.events[file]),
      "calls found": counted(data.hits[file]),
      "calls missed": counted(data.misses[file]),
      "first at, s": seconds(file),
      calls: data.calls.values[data.calls.places[file]],
    };
    for (const [name, value] of Object.entries(facts)) {
      list.append(element("dt", name), element("dd", value));
    }
    document.getElementById("file-detail").replaceChildren(list);
  }

  function sortBy(header) {
    const column = header.dataset.column;
    const most = ["events", "hits", "misses"].includes(column); // of these, the most comes first
    const down = sorting.column === column ? !sorting.down : most;
    sorting = { column, down };
    headers.forEach((one) => one.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    refresh();
  }

  headers.forEach((header) => header.firstChild.addEventListener("click", () => sortBy(header)));
  form.addEventListener("input", refresh);
  form.addEventListener("reset", () => {
    under = "";
    setTimeout(refresh); // the fields are cleared after this event
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  scroller.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  window.addEventListener("resize", measure);
  refresh();
  measure();

  return {
    /** Show the files under this directory alone, and go there. */
    show(directory) {
      form.reset();
      under = directory;
      refresh();
      document.getElementById("files").scrollIntoView();
      search.focus({ preventScroll: true });
    },
  };
}
