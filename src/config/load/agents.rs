//! agents.yml.

use crate::config::{Agent, Agents, Provider};
use crate::document::{Decode, Fields, Node, Reports, choices};

choices! { Provider: "runbook" => Provider::Runbook }

impl Decode for Agent {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        let fields = Fields::of(node, reports)?;
        let provider = fields.required("provider");
        fields.finish();
        Some(Self { provider: provider? })
    }
}

pub(super) fn read(settings: &Node, reports: &Reports) -> Option<Agents> {
    let fields = Fields::of(settings.get("agents")?, reports)?;
    let (planner, analyst, reporter) =
        (fields.required("planner"), fields.required("analyst"), fields.required("reporter"));
    fields.finish();
    Some(Agents { planner: planner?, analyst: analyst?, reporter: reporter? })
}
