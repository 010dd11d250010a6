// The page: which view is shown, and keeping it up to date.

import { el, reconcile } from "./dom.js";
import { Live, call, session } from "./client.js";
import { approvalCard } from "./approvals.js";
import { incidentRow } from "./incidents.js";
import { IncidentView } from "./incident.js";

const by = (id) => document.getElementById(id);
const main = by("main");
let view = null;

class ListView {
  constructor() {
    this.open = el("ul", { class: "plain incidents" });
    this.closed = el("ul", { class: "plain incidents" });
    this.none = el("p", { class: "faint", hidden: true }, "Nothing is wrong that anybody told us of.");
    this.more = el("button", { type: "button", hidden: true, onclick: () => this.#older() }, "Older");
    this.closedTitle = el("h2", { hidden: true }, "Closed");
    this.older = [];
    this.next = null;
    this.node = el("div", {}, el("h2", {}, "Open"), this.open, this.none, this.closedTitle, this.closed, this.more);
  }

  async load() {
    const [open, closed] = await Promise.all(["true", "false"].map((open) => call("GET", `/api/v1/incidents?open=${open}`)));
    this.none.hidden = open.items.length > 0;
    reconcile(this.open, open.items, (incident) => incident.id, incidentRow);
    if (this.older.length === 0) this.next = closed.next;
    this.recent = closed.items;
    this.#showClosed();
  }

  async #older() {
    const page = await call("GET", `/api/v1/incidents?open=false&after=${encodeURIComponent(this.next)}`);
    this.older.push(...page.items);
    this.next = page.next;
    this.#showClosed();
  }

  #showClosed() {
    const recent = new Set(this.recent.map((incident) => incident.id));
    const all = [...this.recent, ...this.older.filter((incident) => !recent.has(incident.id))];
    reconcile(this.closed, all, (incident) => incident.id, incidentRow);
    this.closedTitle.hidden = all.length === 0;
    this.more.hidden = this.next === null;
  }
}

class ApprovalsView {
  constructor() {
    this.list = el("div");
    this.none = el("p", { class: "faint", hidden: true }, "Nothing waits for a decision.");
    this.node = el("div", {}, el("h2", {}, "Waiting for a decision"), this.list, this.none);
  }

  show(pending) {
    this.none.hidden = pending.length > 0;
    reconcile(this.list, pending, (approval) => approval.id, approvalCard);
  }
}

function route() {
  const [, name, id] = location.hash.split("/");
  if (name === "incidents" && id) {
    view = new IncidentView(decodeURIComponent(id));
    view.load = async () => view.show?.(await call("GET", `/api/v1/incidents/${id}`));
  } else if (name === "approvals") {
    view = new ApprovalsView();
  } else {
    view = new ListView();
  }
  const current = view instanceof ApprovalsView ? "approvals" : "incidents";
  for (const link of document.querySelectorAll("nav a")) {
    link.dataset.view === current ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  main.replaceChildren(view.node);
  main.focus({ preventScroll: true });
  refresh();
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

// Many events in a moment make one refresh: at most about six a second, and never two at once.
const PAUSE = 150;
let waiting = null;
let busy = false;

function refreshSoon() {
  waiting ??= setTimeout(() => { waiting = null; refresh(); }, PAUSE);
}

async function refresh() {
  if (busy) { refreshSoon(); return; }
  busy = true;
  try {
    const shown = view;
    const [pending, stop] = await Promise.all([call("GET", "/api/v1/approvals"), call("GET", "/api/v1/kill-switch")]);
    showPending(pending);
    showKillSwitch(stop);
    shown instanceof ApprovalsView ? shown.show(pending) : await shown.load();
    notice("");
  } catch (error) {
    if (error.status === 401) askForToken(session.token ? error.message : "");
    else notice(error.message);
  } finally {
    busy = false;
  }
}

function showPending(pending) {
  by("pending").textContent = String(pending.length);
  by("pending").hidden = pending.length === 0;
  document.title = pending.length > 0 ? `(${pending.length}) oncalld` : "oncalld";
}

function showKillSwitch(stop) {
  by("stopped").hidden = !stop.on;
  const who = stop.by ? ` by ${stop.by}` : "";
  by("stopped").textContent = stop.on ? `Kill switch${who}: nothing is changed anywhere. ${stop.reason ?? ""}` : "";
  const button = by("kill");
  button.hidden = false;
  button.textContent = stop.on ? "Allow changes" : "Stop all changes";
  button.className = stop.on ? "" : "danger";
  button.onclick = async () => {
    try {
      await (stop.on ? call("DELETE", "/api/v1/kill-switch") : call("PUT", "/api/v1/kill-switch", { reason: "from the page" }));
      refresh();
    } catch (error) {
      notice(error.message);
    }
  };
}

const dialog = by("sign-in");

function askForToken(problem) {
  by("sign-in-problem").textContent = problem;
  if (!dialog.open) dialog.showModal();
}

dialog.addEventListener("submit", () => {
  session.token = by("token").value.trim();
  by("token").value = "";
  begin();
});

by("sign-out").addEventListener("click", () => {
  session.token = "";
  location.reload();
});

const live = new Live({
  event: (event) => {
    const elsewhere = view instanceof IncidentView && event.incident !== view.id;
    const global = /^(approval_|kill_switch)/.test(event.kind);
    if (!elsewhere || global) refreshSoon();
  },
  changed: (state, resumed) => {
    by("connection").textContent = state;
    by("connection").className = `connection ${state === "live" ? "good" : "bad"}`;
    if (state === "live" && !resumed) refresh();
  },
  refused: () => refreshSoon(), // tells a missing token from a daemon that is away
});

function begin() {
  by("sign-out").hidden = !session.token;
  live.stop();
  live.start();
  route();
}

addEventListener("hashchange", route);
addEventListener("oncalld:changed", refreshSoon);
begin();
