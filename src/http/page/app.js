// The page: who reads it, which view is shown, and keeping it up to date.

import { Live, call, session } from "./client.js";
import { age } from "./dom.js";
import { ApprovalsView } from "./approvals.js";
import { ListView } from "./incidents.js";
import { IncidentView } from "./incident.js";

const by = (id) => document.getElementById(id);
const main = by("main");
let view = null;

// A view loads what it shows, and shows it: `load()` answers with what `show(loaded, pending)` takes.
function route() {
  if (!session.who) return;
  const [, name, id] = location.hash.split("/");
  if (name === "incidents" && id) view = new IncidentView(decodeURIComponent(id));
  else if (name === "approvals") view = new ApprovalsView();
  else view = new ListView();
  const current = view instanceof ApprovalsView ? "approvals" : "incidents";
  for (const link of document.querySelectorAll("nav a")) {
    link.dataset.view === current ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  main.replaceChildren(view.node);
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
  refresh();
}

// Many events in a moment make one refresh: at most about six a second, and never two at once.
const PAUSE = 150;
let waiting = null;
let busy = false;

function refreshSoon() {
  waiting ??= setTimeout(() => { waiting = null; refresh(); }, PAUSE);
}

async function refresh() {
  const shown = view;
  if (!shown) return;
  if (busy) { refreshSoon(); return; }
  busy = true;
  try {
    const [pending, stop, loaded] = await Promise.all(
      [call("GET", "/api/v1/approvals"), call("GET", "/api/v1/kill-switch"), shown.load()]);
    if (shown !== view) return;
    showPending(pending);
    showKillSwitch(stop);
    const news = shown.show(loaded, pending);
    if (news) tell(news);
    notice("");
  } catch (error) {
    if (shown !== view) return;
    if (error.status === 401) leave(error.message);
    else notice(error.message);
  } finally {
    busy = false;
  }
}

function notice(text) {
  by("notice").textContent = text;
  by("notice").hidden = !text;
}

/** Says something to those who hear the page. */
function tell(news) {
  if (by("news").textContent !== news) by("news").textContent = news;
}

function showPending(pending) {
  if (pending.length > Number(by("pending").textContent)) tell(`${pending.length} waiting for a decision`);
  by("pending").textContent = String(pending.length);
  by("pending").hidden = pending.length === 0;
  document.title = pending.length > 0 ? `(${pending.length}) oncalld` : "oncalld";
}

function showKillSwitch(stop) {
  by("stopped").hidden = !stop.on;
  const who = stop.by ? ` by ${stop.by}` : "";
  by("stopped").textContent = stop.on ? `Kill switch${who}: nothing is changed anywhere. ${stop.reason ?? ""}` : "";
  const button = by("kill");
  button.hidden = !session.may(stop.on ? "admin" : "responder");
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

const live = new Live({
  event: (event) => {
    const elsewhere = view instanceof IncidentView && event.incident !== view.id;
    const global = /^(approval_|kill_switch)/.test(event.kind);
    if (!elsewhere || global) refreshSoon();
  },
  changed: (state) => {
    by("connection").textContent = state;
    by("connection").className = `connection ${state === "live" ? "good" : "bad"}`;
    if (state === "live") refresh(); // what happened until now is not told again
  },
  refused: refreshSoon, // tells a token that is not good any more from a daemon that is away
});

/** Shows and forgets everything that needs a token, and asks for one. */
function leave(problem) {
  stopEntering();
  live.stop();
  session.token = "";
  session.who = view = null;
  main.replaceChildren();
  showPending([]);
  for (const id of ["who", "news", "stopped", "notice"]) by(id).textContent = "";
  for (const id of ["tools", "stopped", "notice"]) by(id).hidden = true;
  document.querySelector("nav").hidden = true;
  by("sign-in").hidden = false;
  by("sign-in-problem").textContent = problem;
  by("token").focus();
}

const AGAIN = 2000;
let again = null;
let attempt = 0;

/** Nothing comes any more of attempts to enter that were begun. */
function stopEntering() {
  clearTimeout(again);
  attempt += 1;
}

async function enter() {
  stopEntering();
  const mine = attempt;
  let who;
  try {
    who = await call("GET", "/api/v1/whoami");
  } catch (error) {
    if (mine !== attempt) return;
    if (error.status === 401) { leave(session.token ? error.message : ""); return; }
    notice(error.message);
    if (error.status !== 403) again = setTimeout(enter, AGAIN);
    return;
  }
  if (mine !== attempt) return;
  session.who = who;
  by("sign-in").hidden = true;
  by("who").textContent = `${session.who.name} (${session.who.role})`;
  by("sign-out").hidden = !session.token;
  by("tools").hidden = document.querySelector("nav").hidden = false;
  notice("");
  route();
  live.start();
}

by("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = by("token").value.trim();
  by("token").value = "";
  if (!/^[ -~]+$/.test(token)) { leave("No token has such characters."); return; }
  session.token = token;
  enter();
});
by("sign-out").addEventListener("click", () => leave(""));
addEventListener("hashchange", route);
addEventListener("oncalld:changed", refreshSoon);
// A phone that slept may have missed that the feed broke.
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
setInterval(() => document.querySelectorAll("time .age").forEach((node) => { node.textContent = age(node.parentNode.dateTime); }), 5000);
enter();
