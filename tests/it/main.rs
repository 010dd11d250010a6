//! The one integration-test binary: linking one is faster than linking many. Modules are topics.
#![allow(clippy::disallowed_methods)] // tests may wait by sleeping

mod cli;
mod conformance;
mod data_stores;
mod demo;
mod dependents;
mod docker_executor;
mod documents;
mod environments;
mod faults_docker;
mod housekeeping;
mod http;
mod journal;
mod layers;
mod logs;
mod model;
mod monitoring;
mod operations;
mod packaging;
mod page;
mod paging;
mod podman;
mod policies;
mod process_executor;
mod prometheus_alertmanager;
mod reload;
mod replay;
mod runbooks;
mod support;
mod tidy;
mod translations;
mod trouble;
mod undo;
mod unresolved;
