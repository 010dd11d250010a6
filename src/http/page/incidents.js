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

/** Open incidents, and closed ones a page at a time. */
export class ListView {
  #older = [];
  #recent = [];
  #next = null;

  constructor() {
    this.open = el("ul", { class: "plain incidents" });
    this.closed = el("ul", { class: "plain incidents" });
    this.none = el("p", { class: "faint", hidden: true }, "Nothing is wrong that anybody told us of.");
    this.more = el("button", { type: "button", hidden: true, onclick: () => this.#load() }, "Older");
    this.closedTitle = el("h2", { hidden: true }, "Closed");
    this.node = el("div", {}, el("h2", {}, "Open"), this.open, this.none, this.closedTitle, this.closed, this.more);
  }

  load() {
    return Promise.all(["true", "false"].map((open) => call("GET", `/api/v1/incidents?open=${open}`)));
  }

  show([open, closed]) {
    this.none.hidden = open.items.length > 0;
    reconcile(this.open, open.items, (incident) => incident.id, incidentRow);
    if (this.#older.length === 0) this.#next = closed.next;
    this.#recent = closed.items;
    this.#showClosed();
  }

  async #load() {
    this.more.disabled = true;
    try {
      const page = await call("GET", `/api/v1/incidents?open=false&after=${encodeURIComponent(this.#next)}`);
      this.#older.push(...page.items);
      this.#next = page.next;
      this.#showClosed();
    } catch {
      dispatchEvent(new Event("oncalld:changed")); // which says what is wrong
    } finally {
      this.more.disabled = false;
    }
  }

  #showClosed() {
    const recent = new Set(this.#recent.map((incident) => incident.id));
    const all = [...this.#recent, ...this.#older.filter((incident) => !recent.has(incident.id))];
    reconcile(this.closed, all, (incident) => incident.id, incidentRow);
    this.closedTitle.hidden = all.length === 0;
    this.more.hidden = this.#next === null;
  }
}
