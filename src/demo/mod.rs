//! The demo: three small services that really run, and faults that really break them.
//!
//! ```text
//! web ──HTTP──► api ──TCP──► cache          samples: `oncalld sample NAME`, under the process environment's shims
//!                ▲
//! fault ─────────┘ broken from outside, as a bad deployment, a leak or a stray `kill` would
//! ```

pub mod fault;
pub mod sabotage;
pub mod sample;
pub mod stage;

pub use fault::Fault;
pub use stage::Stage;
