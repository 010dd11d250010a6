//! What the evidence means: findings, causes, the verdict where nothing was done, and whether an act helped. Pure.

mod check;
mod claims;
mod findings;
mod promql;
mod verdict;

pub use check::{as_expected, expectation, expected, found, holds, precondition, probe, verify_arguments};
pub use claims::claimed;
pub use findings::findings;
pub use promql::{Selector, selectors};
pub use verdict::verdict_without_remedy;
