"use strict";
// The page asks for itself anew and takes over the tables' rows: focus, scrolling and what is being
// written into its forms stay as they are. Unticking the box stops it.
const box = document.querySelector("#update");
const trouble = document.querySelector("#trouble");
let asking = false;
for (const form of document.forms) {
  let sent = false;
  form.addEventListener("submit", (event) => (sent ? event.preventDefault() : (sent = true)));
}
async function update() {
  if (asking || !box.checked || document.hidden) return;
  asking = true;
  try {
    const reply = await fetch("/admin");
    if (!reply.ok) throw new Error(reply.statusText);
    const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
    const state = (page) => page.querySelector("main").dataset.state;
    if (state(fresh) !== state(document)) return location.reload();
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (part.innerHTML !== other.innerHTML) part.replaceChildren(...other.childNodes);
    }
    trouble.textContent = "";
  } catch {
    // Said aloud once, until it is over.
    if (!trouble.textContent) trouble.textContent = trouble.dataset.text;
  }
  asking = false;
}
box.parentElement.hidden = false;
setInterval(update, 1000 * Number(box.dataset.every));
