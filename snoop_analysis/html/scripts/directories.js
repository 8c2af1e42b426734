// SPDX-License-Identifier: Apache-2.0

/**
 * Directories as areas, as large as the number of files in them; a click looks into one.
 *
 * `data` has the columns that html/sections/files.py made; `showFiles` takes a directory.
 */
function directoryMap(data, showFiles) {
  const MOST_AREAS = 40;
  const MOST_ROWS = 1000;
  const COLOURS = 6;
  const areas = document.getElementById("directory-areas");
  const path = document.getElementById("directory-path");
  let here = "/";

  /**
   * What is in directory `here`: for each name the distinct files in it or below, most files first, and
   * `within` it the numbers of files by name; the files directly in a directory have no name.
   */
  function parts() {
    const found = new Map();
    let isFound = false; // the name of this row, by now
    for (let file = 0; file < data.name.length; file++) {
      const path = data.name[file];
      const isNew = file === 0 || data.name[file - 1] !== path; // not that of another container
      if (isNew) isFound = false;
      if (!path.startsWith(here)) continue;
      const [name, rest] = stepDown(path, here.length);
      if (!found.has(name)) found.set(name, { name, files: 0, found: 0, events: 0, within: new Map() });
      const part = found.get(name);
      part.events += data.events[file];
      if (data.hits[file] && !isFound) {
        part.found += 1;
        isFound = true;
      }
      if (!isNew) continue;
      part.files += 1;
      const [inner] = stepDown(path, rest);
      part.within.set(inner, (part.within.get(inner) ?? 0) + 1);
    }
    return [...found.values()].sort((a, b) => b.files - a.files || (a.name < b.name ? -1 : 1));
  }

  /** The name of the directory that begins at `start` of a path, and where the next one begins. */
  function stepDown(path, start) {
    const end = path.indexOf("/", start);
    return end < 0 ? ["", path.length] : [path.slice(start, end), end + 1];
  }

  const label = (part) => (part.name ? `${part.name}/` : "files here");
  const words = (part) => `${numbered(part.files, "file")}, ${counted(part.found)} found`;
  const open = (part) => (part.name ? go(`${here}${part.name}/`) : showFiles(here));

  function go(directory) {
    here = directory;
    draw();
    path.lastElementChild.firstChild.focus();
  }

  function draw() {
    const all = parts();
    const files = all.reduce((sum, part) => sum + part.files, 0);
    drawPath();
    document.getElementById("directory-words").textContent =
      `${here}: ${numbered(files, "file")} in ${numbered(all.length, "place")}; the larger an area, the more files`;
    const shown = all.slice(0, MOST_AREAS);
    const rest = all.slice(MOST_AREAS);
    areas.replaceChildren();
    const sizes = shown.map((part) => part.files);
    if (rest.length) sizes.push(rest.reduce((sum, part) => sum + part.files, 0));
    const boxes = squarified(sizes, areas.clientWidth / Math.max(1, areas.clientHeight));
    boxes.forEach((box, place) => areas.append(area(shown[place], rest, box, place)));
    drawRows(all);
  }

  function area(part, rest, box, place) {
    const colour = { class: `area-${(place % COLOURS) + 1}` };
    const said = part && { type: "button", title: words(part), "aria-label": `${label(part)} ${words(part)}` };
    const made = part ? element("button", "", { ...colour, ...said }) : element("div", "", colour);
    made.append(part ? named(label(part), part.files) : named(`${counted(rest.length)} more: see the table`));
    if (part) made.addEventListener("click", () => open(part));
    put(made, box);
    const width = box.width * areas.clientWidth;
    const height = box.height * areas.clientHeight;
    if (part?.name && width > 100 && height > 80) made.append(within(part, width / (height - 30)));
    return made;
  }

  /** A glance at what is in a directory, for the eye alone. */
  function within(part, aspect) {
    const inner = element("span", "", { class: "within", "aria-hidden": "true" });
    const largest = [...part.within].sort((a, b) => b[1] - a[1]);
    const boxes = squarified(largest.map(([, files]) => files), aspect);
    boxes.slice(0, MOST_AREAS).forEach((box, place) => {
      const name = largest[place][0];
      const made = element("span");
      made.append(named(name && `${name}/`));
      put(made, box);
      inner.append(made);
    });
    return inner;
  }

  function named(name, files) {
    const made = element("span", name, { class: "name" });
    if (files) made.append(element("span", counted(files), { class: "count" }));
    return made;
  }

  function put(made, box) {
    for (const side of ["left", "top", "width", "height"]) made.style[side] = `${100 * box[side]}%`;
  }

  function drawPath() {
    const names = here.split("/").slice(1, -1);
    const steps = ["/", ...names.map((_, depth) => `/${names.slice(0, depth + 1).join("/")}/`)];
    path.replaceChildren(
      ...steps.map((step, depth) => {
        const item = element("li");
        const button = element("button", depth ? `${names[depth - 1]}/` : "/", { type: "button" });
        if (step === here) button.setAttribute("aria-current", "location");
        button.addEventListener("click", () => go(step));
        item.append(button);
        return item;
      }),
    );
  }

  function drawRows(all) {
    const rows = all.slice(0, MOST_ROWS).map((part) => {
      const row = element("tr");
      const name = element("th", "", { scope: "row" });
      const button = element("button", label(part), { type: "button" });
      button.addEventListener("click", () => open(part));
      name.append(button);
      const numbers = [part.files, part.found, part.events];
      row.append(name, ...numbers.map((number) => element("td", counted(number), { class: "number" })));
      return row;
    });
    if (all.length > MOST_ROWS) {
      const row = element("tr");
      row.append(element("td", `and ${counted(all.length - MOST_ROWS)} more with fewer files`, { colspan: 4 }));
      rows.push(row);
    }
    document.getElementById("directory-rows").replaceChildren(...rows);
  }

  document.getElementById("directory-files").addEventListener("click", () => showFiles(here));
  window.addEventListener("resize", draw);
  draw();
}

/**
 * Boxes for `sizes`, largest first, in a box of `aspect` times 1; edges as shares of it.
 *
 * Bruls, Huizing, van Wijk 2000, "Squarified treemaps".
 */
function squarified(sizes, aspect) {
  const boxes = [];
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const left = { x: 0, y: 0, width: aspect, height: 1 };
  let first = 0;
  while (first < sizes.length) {
    const side = Math.min(left.width, left.height);
    const scaled = (place) => (sizes[place] / total) * aspect;
    let end = first + 1;
    let area = scaled(first);
    let worst = ratio(area, scaled(first), scaled(first), side);
    while (end < sizes.length) {
      const more = area + scaled(end);
      const next = ratio(more, scaled(first), scaled(end), side);
      if (next > worst) break;
      [area, worst] = [more, next];
      end += 1;
    }
    const thickness = area / side;
    let along = 0;
    for (let place = first; place < end; place++) {
      const length = scaled(place) / thickness;
      const box = left.width >= left.height
        ? { x: left.x, y: left.y + along, width: thickness, height: length }
        : { x: left.x + along, y: left.y, width: length, height: thickness };
      boxes.push({ left: box.x / aspect, top: box.y, width: box.width / aspect, height: box.height });
      along += length;
    }
    if (left.width >= left.height) {
      left.x += thickness;
      left.width -= thickness;
    } else {
      left.y += thickness;
      left.height -= thickness;
    }
    first = end;
  }
  return boxes;
}

/** The worst ratio of sides in a row of areas that sum up to `area`. */
function ratio(area, largest, smallest, side) {
  const square = (area / side) ** 2;
  return Math.max(largest / square, square / smallest);
}
