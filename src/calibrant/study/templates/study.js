"use strict";
// Everything works without this script, too: the server keeps the times. It shows the clock, sends
// a form once, and tells when it was shown and sent by this device's clock.
// A page from the browser's memory may be an old step: ask for the present one.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
for (const form of document.querySelectorAll("form")) {
  const field = (name) => form.elements.namedItem(name);
  const button = form.querySelector("button[data-sending]");
  const clock = form.querySelector(".clock");
  const live = form.querySelector(".live");
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1000;
  const wait = Number(button?.dataset.wait ?? 0);
  const limit = Number(button?.dataset.limit ?? 0);
  let sent = false;
  const ready = () => passed() >= wait;
  if (field("client_shown")) field("client_shown").value = Date.now();
  const say = (text, aloud) => {
    if (clock && clock.textContent !== text) clock.textContent = text;
    if (aloud && live) live.textContent = text;
  };
  if (clock && (wait || limit)) {
    button.setAttribute("aria-disabled", String(!ready()));
    let told = false;
    const tick = () => {
      if (sent) return;
      const left = limit - passed();
      if (limit && left <= 0) return form.requestSubmit(button);
      if (!ready()) {
        say(clock.dataset.wait.replace("#", Math.ceil(wait - passed())), false);
      } else {
        button.setAttribute("aria-disabled", "false");
        const text = limit ? clock.dataset.limit.replace("#", Math.ceil(left)) : clock.dataset.ready;
        say(text, !told);
        told = true;
      }
      setTimeout(tick, 200);
    };
    tick();
  }
  form.addEventListener("submit", (event) => {
    if (sent || !ready()) return event.preventDefault();
    const over = limit && passed() >= limit - 0.5;
    const missing = form.querySelector(":invalid");
    if (form.querySelector("[data-sending]") && missing && !over) {
      event.preventDefault();
      form.reportValidity();
      return;
    }
    sent = true;
    if (field("client_sent")) field("client_sent").value = Date.now();
    if (button) {
      button.setAttribute("aria-disabled", "true");
      button.textContent = button.dataset.sending;
    }
  });
}
