//! What open incidents still need of what is kept: their configuration, their evidence, and the ways back.

use super::handle::Engine;
use crate::domain::{CallOutcome, Digest, Incident};
use crate::translate;
use std::collections::BTreeSet;

/// What retention must spare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// Captured bytes in the journal's store.
    pub blobs: BTreeSet<Digest>,
    /// Objects in the restore store.
    pub objects: BTreeSet<Digest>,
    /// Keys under which old containers and configurations are kept.
    pub keys: BTreeSet<String>,
}

impl Engine {
    /// What open incidents and the next one need.
    pub fn needed(&self) -> Needed {
        let mut needed = Needed::default();
        needed.blobs.insert(self.config().digest.clone());
        self.shared.open_incidents().iter().for_each(|incident| add(&mut needed, incident));
        needed
    }
}

fn add(needed: &mut Needed, incident: &Incident) {
    needed.blobs.insert(incident.config.clone());
    for record in &incident.steps {
        needed.keys.insert(translate::key(&record.step.id));
        needed.blobs.extend(record.evidence.iter().map(|evidence| evidence.digest.clone()));
        let calls = record.action.iter().flat_map(|action| action.calls.iter().chain(&action.undo_calls));
        let results = calls.filter_map(|call| match &call.outcome {
            Some(CallOutcome::Done { result }) => result.get("id")?.as_str(),
            _ => None,
        });
        // Identifiers of containers are as long, and in no store: they do no harm.
        needed.objects.extend(results.map(Digest::new));
    }
}
