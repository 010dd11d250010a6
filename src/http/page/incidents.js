// The list of incidents.

import { badge, el, reconcile, tone, when } from "./dom.js";
import { call } from "./client.js";

/** Where it happens, for people. */
export function place(incident) {
  return incident.service ? `${incident.environment} / ${incident.service}` : incident.environment;
}

/** Its severity, if its alerts have one. */
export function rated({ severity }) {
  return severity && severity !== "none" && el("span", { class: tone(severity) }, severity);
}

/** One incident of the list. */
function incidentRow(incident) {
  return el("li", {},
    el("a", { class: "card", href: `#/incidents/${encodeURIComponent(incident.id)}` },
      el("span", { class: "row" },
        el("span", { class: "title grow" }, incident.title),
        !(incident.verdict && incident.state === "closed") && badge(incident.state, tone(incident.state)),
        incident.verdict && badge(incident.verdict, tone(incident.verdict))),
      el("span", { class: "row faint" },
        el("span", {}, place(incident)),
        rated(incident),
        el("span", { class: "grow" }, incident.cause && el("code", {}, incident.cause.code ?? incident.cause)),
        when(incident.opened_at))));
}

/** Closed incidents that are shown at first, and more at each "Older". */
const PAGE = 50;

/** The most that the API tells at once. */
const MOST = 500;

/** Open incidents, and closed ones a page at a time. */
export class ListView {
  #wanted = PAGE;

  constructor() {
    this.open = el("ul", { class: "plain incidents" });
    this.closed = el("ul", { class: "plain incidents" });
    this.none = el("p", { class: "faint", hidden: true }, "Nothing is wrong that anybody told us of.");
    this.rest = el("p", { class: "faint", hidden: true }, "… and more");
    this.more = el("button", { type: "button", hidden: true, onclick: () => this.#older() }, "Older");
    this.closedTitle = el("h2", { hidden: true }, "Closed");
    this.node = el("div", {}, el("h2", {}, "Open"), this.open, this.rest, this.none, this.closedTitle, this.closed, this.more);
  }

  load() {
    return Promise.all([incidents(true, MOST), incidents(false, this.#wanted)]);
  }

  show([open, closed]) {
    this.none.hidden = open.items.length > 0;
    this.rest.hidden = open.next === null;
    reconcile(this.open, open.items, (incident) => incident.id, incidentRow);
    reconcile(this.closed, closed.items, (incident) => incident.id, incidentRow);
    this.closedTitle.hidden = closed.items.length === 0;
    this.more.hidden = closed.next === null;
  }

  #older() {
    this.#wanted += PAGE;
    dispatchEvent(new Event("oncalld:changed"));
  }
}

/** The newest ones, as many as are wanted: asked anew as a whole, since each one that opens or closes shifts the rest. */
async function incidents(open, wanted) {
  const items = [];
  let next = null;
  do {
    const limit = Math.min(wanted - items.length, MOST);
    const after = next === null ? "" : `&after=${encodeURIComponent(next)}`;
    const page = await call("GET", `/api/v1/incidents?open=${open}&limit=${limit}${after}`);
    items.push(...page.items);
    next = page.next;
  } while (next !== null && items.length < wanted);
  return { items, next };
}
