//! The daemon itself is killed, and its services are still there.

use crate::support::command::eventually;
use crate::support::daemon::{Daemon, Settings};
use crate::support::http::free_port;
use oncalld::shim::{ServiceFolder, proc};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_daemon_that_is_killed_orphans_and_doubles_nothing() {
    let port = free_port();
    let settings = Settings::of(json!({"here": {"kind": "process", "inventory_every": "1s", "services": {
        "cache": {
            "argv": [crate::support::daemon::ONCALLD, "sample", "cache"], "environment": {"PORT": port.to_string()},
            "address": format!("127.0.0.1:{port}"), "restart": "always",
        },
    }}}));
    let mut daemon = Daemon::start(&settings);
    let instance = ServiceFolder::new(&daemon.folder().join("data/processes/here"), "cache").instance(1);
    let program = || {
        eventually("the cache runs", Duration::from_secs(20), || {
            let state = instance.state().map_err(|error| error.to_string())?.unwrap_or_default();
            state.program.filter(|program| program.alive().is_some()).ok_or_else(|| "it does not run".to_owned())
        })
    };
    let before = program();
    daemon.crash_and_restart();
    assert_eq!(program(), before);
    let marked = proc::with_variable(oncalld::shim::MARKER, &instance.path().to_string_lossy());
    assert_eq!(marked, [before.pid], "one of it");
    // The new daemon is told when it ends, and its shim starts it again.
    assert!(before.signal(rustix::process::Signal::KILL));
    eventually("it is started again", Duration::from_secs(20), || {
        if program() == before { Err("it is the same".to_owned()) } else { Ok(()) }
    });
}
