//! One commit in the making: what is known of the incidents it touches, and the rows it will insert. Pure.

use crate::{
    domain::{DeliveryId, Event, EventBody, IncidentId},
    journal::{
        Append, IncidentRow, JournalError,
        chain::{Head, body_text, incident_text, time_text},
    },
};
use std::collections::{BTreeMap, HashMap};

/// Appends that become durable together or not at all, with their events encoded.
#[derive(Debug)]
pub(super) struct Group {
    appends: Vec<(Append, Vec<String>)>,
}

impl Group {
    /// Encodes the events, in the caller's task rather than in the one writer's.
    pub fn encode(appends: Vec<Append>) -> Result<Self, JournalError> {
        let encode = |body: &EventBody| {
            body_text(body)
                .map_err(|error| JournalError::Unavailable(format!("a {} event is not JSON: {error}", body.kind())))
        };
        let encoded = appends.into_iter().map(|append| {
            let bodies = append.events.iter().map(encode).collect::<Result<_, _>>()?;
            Ok((append, bodies))
        });
        Ok(Self { appends: encoded.collect::<Result<_, _>>()? })
    }

    /// Incidents whose last event must be known.
    pub fn incidents(&self) -> impl Iterator<Item = &IncidentId> {
        self.appends.iter().filter_map(|(append, _)| append.incident.as_ref())
    }

    /// Group keys whose open incident must be known.
    pub fn group_keys(&self) -> impl Iterator<Item = &str> {
        self.appends.iter().filter_map(|(append, _)| append.row.as_ref()).map(|row| row.group_key.as_str())
    }
}

/// A row of `events`.
#[derive(Debug)]
pub(super) struct Line {
    pub seq: u64,
    pub at: String,
    pub incident: Option<String>,
    pub body: String,
    pub hash: String,
}

/// One commit.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// End of the chain, with this batch.
    pub head: Head,
    /// Last event of each incident touched.
    pub last: HashMap<IncidentId, u64>,
    /// Open incident of each group key touched.
    pub open: HashMap<String, IncidentId>,
    /// Rows of `events`, in order.
    pub lines: Vec<Line>,
    /// Rows of `incidents`: the last one of each wins.
    pub rows: BTreeMap<IncidentId, (IncidentRow, u64)>,
    /// Rows of `deliveries`, with their time.
    pub deliveries: BTreeMap<DeliveryId, String>,
}

impl Batch {
    /// Takes a group in whole, or refuses it and stays as it was.
    pub fn add(&mut self, group: Group) -> Result<Vec<Vec<Event>>, JournalError> {
        self.check(&group)?;
        Ok(group.appends.into_iter().map(|(append, bodies)| self.apply(append, bodies)).collect())
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.rows.is_empty() && self.deliveries.is_empty()
    }

    /// Rows of incidents, closed ones first: a group key is given up before another incident takes it.
    pub fn take_rows(&mut self) -> Vec<(IncidentRow, u64)> {
        let mut rows: Vec<_> = std::mem::take(&mut self.rows).into_values().collect();
        rows.sort_by_key(|(row, _)| row.open);
        rows
    }

    fn check(&self, group: &Group) -> Result<(), JournalError> {
        // What earlier appends of the same group will have changed.
        let mut last: HashMap<&IncidentId, u64> = HashMap::new();
        let mut open: HashMap<&str, Option<&IncidentId>> = HashMap::new();
        let mut seq = self.head.seq;
        for (append, bodies) in &group.appends {
            if let (Some(incident), Some(after)) = (&append.incident, append.after) {
                let at = last.get(incident).or_else(|| self.last.get(incident)).copied().unwrap_or_default();
                if at != after {
                    return Err(JournalError::Conflict { incident: incident.clone(), at, after });
                }
            }
            seq += bodies.len() as u64;
            if let Some(incident) = append.incident.as_ref().filter(|_| !bodies.is_empty()) {
                last.insert(incident, seq);
            }
            let Some(row) = &append.row else { continue };
            let key = row.group_key.as_str();
            let holder = open.get(key).copied().unwrap_or_else(|| self.open.get(key));
            match holder.filter(|holder| **holder != row.id) {
                Some(existing) if row.open => {
                    return Err(JournalError::GroupOpen { group_key: key.to_owned(), existing: existing.clone() });
                }
                Some(_) => {} // a closed incident's row says nothing about the one that has the key now
                None => {
                    open.insert(key, row.open.then_some(&row.id));
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, append: Append, bodies: Vec<String>) -> Vec<Event> {
        let at = time_text(append.at);
        let mut events = Vec::with_capacity(bodies.len());
        for (body, text) in append.events.into_iter().zip(bodies) {
            self.head = self.head.next(&at, incident_text(&append.incident), &text);
            let hash = self.head.hash.clone();
            self.lines.push(Line {
                seq: self.head.seq,
                at: at.clone(),
                incident: incident_text(&append.incident).map(str::to_owned),
                body: text,
                hash: hash.as_str().to_owned(),
            });
            events.push(Event { seq: self.head.seq, at: append.at, incident: append.incident.clone(), body, hash });
        }
        if let Some(incident) = append.incident.filter(|_| !events.is_empty()) {
            self.last.insert(incident, self.head.seq);
        }
        if let Some(delivery) = append.delivery {
            self.deliveries.insert(delivery, at);
        }
        if let Some(row) = append.row {
            self.note_open(&row);
            self.rows.insert(row.id.clone(), (row, self.head.seq));
        }
        events
    }

    fn note_open(&mut self, row: &IncidentRow) {
        if row.open {
            self.open.insert(row.group_key.clone(), row.id.clone());
        } else if self.open.get(&row.group_key) == Some(&row.id) {
            self.open.remove(&row.group_key);
        }
    }
}
