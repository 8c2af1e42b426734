// SPDX-License-Identifier: Apache-2.0
"use strict";

/** What html/packing.py packed into the element `id`: JSON, gzip, base64. */
async function unpacked(id) {
  const packed = atob(document.getElementById(id).textContent.trim());
  const bytes = Uint8Array.from(packed, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

/** An element with text in it: names from a capture become text, never markup. */
function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const counted = (number) => number.toLocaleString("en-US");
const numbered = (number, what) => `${counted(number)} ${what}${number === 1 ? "" : "s"}`;
