//! YAML as a tree that remembers where everything stands, and the reading of it that reports every mistake at once.
//!
//! ```text
//! text ─► Node (file, line, column of each value) ─► Fields ─► typed values
//!                                                       └────► Problems: unknown keys, wrong types, missing fields
//! ```

mod decode;
mod fields;
mod node;
mod problem;

pub use decode::Decode;
pub(crate) use decode::choices;
pub use fields::Fields;
pub use node::{Content, Key, Node, Place, parse};
pub use problem::{Problem, Problems, Reports};
