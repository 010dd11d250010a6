//! Models that plan: what they are offered and told, how they are asked, and what is made of their answers.

pub mod asked;
mod attacks;
mod incidents;
mod last_good;
mod proposals;
pub mod scripted;
mod wire;
