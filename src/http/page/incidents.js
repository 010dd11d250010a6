// The list of incidents.

import { badge, el, tone, when } from "./dom.js";

/** One incident of the list. */
export function incidentRow(incident) {
  const place = incident.service ? `${incident.environment} / ${incident.service}` : incident.environment;
  return el("li", {},
    el("a", { class: "card", href: `#/incidents/${encodeURIComponent(incident.id)}` },
      el("span", { class: "row" },
        el("span", { class: "title grow" }, incident.title),
        badge(incident.state, tone(incident.state)),
        incident.verdict && badge(incident.verdict, tone(incident.verdict))),
      el("span", { class: "row faint" },
        el("span", {}, place),
        el("span", { class: tone(incident.severity) }, incident.severity),
        el("span", {}, when(incident.opened_at)),
        incident.cause && el("span", { class: "grow" }, incident.cause.code ?? incident.cause))));
}
