// launcher/report/report.js: search, filter, sorting, pages and playing for a page that is complete without them.
"use strict";
{
  const PAGE = 300; // cards on a page: more would make each change of the view slow
  const section = document.querySelector(".clips");
  const grid = section.querySelector(".grid");
  const tools = section.querySelector(".tools");
  const pages = section.querySelector(".pages");
  const clips = [...grid.children].map((card) => ({
    card,
    state: card.dataset.state,
    number: +card.dataset.number,
    name: card.dataset.name,
    seconds: +card.dataset.seconds,
    ended: +card.dataset.ended,
    words: [".number", "h3 bdi", ".prompt", ".outcome"]
      .map((part) => card.querySelector(part)?.textContent ?? "").join("\n").toLocaleLowerCase(),
  }));
  const orders = {
    number: (a, b) => a.number - b.number,
    seconds: (a, b) => b.seconds - a.seconds || a.number - b.number,
    name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
    ended: (a, b) => b.ended - a.ended || a.number - b.number,
  };
  const view = { state: "", search: "", sort: "number", page: 0 };
  let chosen = clips;

  const matches = (clip, words) =>
    (!view.state || clip.state === view.state) && words.every((word) => clip.words.includes(word));

  /** Chooses and orders the clips anew. */
  const choose = () => {
    const words = view.search.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    chosen = clips.filter((clip) => matches(clip, words)).sort(orders[view.sort]);
    view.page = 0;
    show();
  };

  /** Shows one page of the chosen clips. */
  const show = () => {
    const count = Math.max(1, Math.ceil(chosen.length / PAGE));
    const shown = chosen.slice(view.page * PAGE, (view.page + 1) * PAGE);
    for (const clip of clips) clip.card.hidden = true;
    for (const clip of shown) clip.card.hidden = false;
    if (shown.some((clip, i) => i > 0 && !(shown[i - 1].card.compareDocumentPosition(clip.card) & 4)))
      grid.append(...chosen.map((clip) => clip.card)); // in this order from now on
    tools.querySelector("output").value =
      chosen.length === clips.length ? "" : `${chosen.length} of ${clips.length}`;
    section.querySelector(".nothing").hidden = chosen.length > 0;
    pages.hidden = count === 1;
    pages.querySelector("output").value = `Page ${view.page + 1} of ${count}`;
    pages.querySelector("[name=back]").disabled = view.page === 0;
    pages.querySelector("[name=next]").disabled = view.page === count - 1;
  };

  const turn = (by) => {
    view.page += by;
    show();
    section.scrollIntoView();
  };

  /** Brings the card that the address names into view, on whatever page it is. */
  const follow = () => {
    const at = () => chosen.findIndex((clip) => "#" + clip.card.id === location.hash);
    if (!location.hash || !clips.some((clip) => "#" + clip.card.id === location.hash)) return;
    if (at() < 0) {
      reset();
      choose();
    }
    view.page = Math.floor(at() / PAGE);
    show();
    chosen[at()].card.scrollIntoView({ block: "center" });
  };

  const press = (value) => {
    view.state = value;
    for (const button of tools.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.value === value));
  };

  const reset = () => {
    press("");
    tools.search.value = view.search = "";
  };

  /** Plays the clip's video over its poster as long as it is pointed at. Only then is the file opened. */
  const play = (sheet) => {
    if (!sheet.dataset.video || sheet.querySelector("video")) return;
    const video = document.createElement("video");
    Object.assign(video, { muted: true, loop: true, playsInline: true, preload: "none", src: sheet.dataset.video });
    video.addEventListener("playing", () => video.classList.add("plays"), { once: true });
    video.addEventListener("error", () => stop(sheet, video), { once: true });
    sheet.append(video);
    video.play().catch(() => stop(sheet, video));
  };
  const stop = (sheet, video = sheet.querySelector("video")) => {
    if (!video) return;
    video.removeAttribute("src");
    video.load(); // closes the file
    video.remove();
  };
  const sheet_of = (event) => event.target.closest?.(".sheet[data-video]");

  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("input", () => {
    view.search = tools.search.value;
    view.sort = tools.sort.value;
    choose();
  });
  tools.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    press(button.value);
    choose();
  });
  pages.querySelector("[name=back]").addEventListener("click", () => turn(-1));
  pages.querySelector("[name=next]").addEventListener("click", () => turn(1));
  addEventListener("hashchange", follow);
  for (const [event, action] of [["pointerover", play], ["focusin", play], ["focusout", (sheet) => stop(sheet)]])
    grid.addEventListener(event, (happened) => {
      const sheet = sheet_of(happened);
      if (sheet) action(sheet);
    });
  grid.addEventListener("pointerout", (event) => {
    const sheet = sheet_of(event);
    if (sheet && !sheet.contains(event.relatedTarget)) stop(sheet);
  });

  tools.hidden = false;
  show();
  follow();
}
