//! oncalld, the on-call daemon.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod app;
pub mod brief;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod demo;
pub mod document;
pub mod domain;
pub mod engine;
pub mod execute;
pub mod expr;
pub mod flow;
pub mod gate;
pub mod http;
pub mod intake;
pub mod journal;
pub mod judge;
pub mod llm;
pub mod notify;
pub mod plan;
pub mod report;
pub mod shim;
pub mod telemetry;
pub mod translate;
