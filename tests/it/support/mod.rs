//! What the tests lean on. Some of it waits for the topics that will use it.
#![allow(dead_code)]

pub mod again;
pub mod browser;
pub mod cache;
pub mod clear;
pub mod command;
pub mod daemon;
pub mod disk;
pub mod drive;
pub mod engine;
pub mod http;
pub mod link;
pub mod monitoring;
pub mod need;
pub mod podman;
pub mod postgresql;
pub mod receiver;
pub mod scene;
pub mod shipped;
pub mod source;
pub mod stage;
pub mod strict_schema;
pub mod waiting;

pub use shipped::shipped;
