//! agents.yml: who thinks.

/// Who plans, who analyses, who writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agents {
    /// Makes and revises plans.
    pub planner: Agent,
    /// Draws conclusions from evidence.
    pub analyst: Agent,
    /// Writes reports.
    pub reporter: Agent,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What it thinks with.
    pub provider: Provider,
}

/// What an agent thinks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The runbooks: deterministic, needs nothing.
    Runbook,
}
