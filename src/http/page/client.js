// Talking to the daemon: requests, and the live feed with resumption.

const KEY = "oncalld.token";

const ROLES = ["viewer", "responder", "approver", "admin"];

/** The token of this tab, none where the daemon needs none; and whose it is, once that is known. */
export const session = {
  who: null,
  may(role) { return ROLES.indexOf(this.who?.role) >= ROLES.indexOf(role); },
  get token() { return sessionStorage.getItem(KEY) ?? ""; },
  set token(value) { value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY); },
};

/** What the daemon refused, in its words. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `the daemon answered ${status}`);
    this.status = status;
  }
}

/** Sends a request; answers with JSON, or text where `accept` says so. */
export async function call(method, path, body, accept = "application/json") {
  const headers = { accept };
  if (session.token) headers.authorization = `Bearer ${session.token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Problem(0, { detail: "the daemon does not answer" });
  }
  if (!response.ok) {
    throw new Problem(response.status, await response.json().catch(() => ({})));
  }
  if (response.status === 204) return null;
  return accept === "application/json" ? response.json() : response.text();
}

/** Base 64 for URLs: a WebSocket of a browser can carry a token only as a subprotocol, which has few characters. */
function encoded(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;

/** The live feed. It connects again by itself, and goes on after the last event that it saw. */
export class Live {
  #socket = null;
  #last = null;
  #delay = FIRST_DELAY;
  #timer = null;

  /** `changed(state)` hears `live` or `offline`; `refused()` that a connection could not be opened. */
  constructor({ event, changed, refused }) {
    this.event = event;
    this.changed = changed;
    this.refused = refused;
  }

  /** Connects, instead of what was connected before: there are never two feeds. */
  start() {
    this.#close();
    const address = new URL("/api/v1/live", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.#last !== null) address.searchParams.set("after", this.#last);
    const protocols = ["oncalld.v1"];
    if (session.token) protocols.push(`bearer64.${encoded(session.token)}`);
    const socket = new WebSocket(address, protocols);
    let opened = false;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      opened = true;
      this.#delay = FIRST_DELAY;
      this.changed("live");
    });
    socket.addEventListener("message", (message) => {
      if (socket !== this.#socket) return;
      const event = JSON.parse(message.data);
      this.#last = event.seq;
      this.event(event);
    });
    socket.addEventListener("close", () => {
      if (socket !== this.#socket) return;
      this.changed("offline");
      if (!opened) {
        this.#last = null; // perhaps another journal: begin anew
        this.refused();
      }
      this.#timer = setTimeout(() => this.start(), this.#delay);
      this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
    });
    this.#socket = socket;
  }

  stop() {
    this.#close();
    this.#last = null; // the next one may be another person's
  }

  #close() {
    clearTimeout(this.#timer);
    const old = this.#socket;
    this.#socket = null; // what it still has to say is nobody's
    old?.close();
  }
}
