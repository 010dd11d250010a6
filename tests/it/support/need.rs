//! What a test needs of the machine. Where that is not to be had, the test is skipped and named; `tests/run` counts it.
//!
//! `tests/run` finds out what the machine has and says so in `TESTS_HAVE`: what it names must work, so that a
//! test cannot skip by mistake. `TESTS_SKIPPED` names the file where skipped tests are written down.

use super::command::{on_path, run};
use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

/// How long a program may take to say whether it works here, while all others are at work.
const ANSWER: Duration = Duration::from_secs(60);

/// Something that a test needs besides Rust.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// A Docker engine that answers, and a static busybox for images.
    Engine,
    /// A static busybox: small real programs.
    Busybox,
    /// Prometheus and Alertmanager.
    Prometheus,
    /// A Redis server.
    Redis,
    /// PostgreSQL's server programs.
    Postgresql,
    /// A browser without a window.
    Chromium,
    /// Docker Compose.
    Compose,
    /// Packages of Debian, and the right to unpack a system: for stand-ins of base images.
    Debootstrap,
    /// The right to mount a small file system in memory: a disk that is really full.
    Mount,
    /// The program that makes certificates.
    Openssl,
    /// The right to start a Docker engine of a test's own.
    Dockerd,
    /// Podman, a static busybox for its images, and the right to run it in namespaces of its own.
    Podman,
}

impl Need {
    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Busybox => "busybox",
            Self::Prometheus => "prometheus",
            Self::Redis => "redis",
            Self::Postgresql => "postgresql",
            Self::Chromium => "chromium",
            Self::Compose => "compose",
            Self::Debootstrap => "debootstrap",
            Self::Mount => "mount",
            Self::Openssl => "openssl",
            Self::Dockerd => "dockerd",
            Self::Podman => "podman",
        }
    }

    fn is_met(self) -> bool {
        match self {
            Self::Engine => {
                let id = || run(Command::new("docker").args(["info", "--format", "{{.ID}}"]), ANSWER);
                on_path("docker") && on_path("busybox") && !id().out.trim().is_empty()
            }
            Self::Busybox => on_path("busybox"),
            Self::Prometheus => on_path("prometheus") && on_path("prometheus-alertmanager"),
            Self::Redis => on_path("redis-server"),
            Self::Postgresql => postgresql_programs().is_some(),
            Self::Chromium => on_path("chromium"),
            Self::Compose => compose().is_some(),
            Self::Debootstrap => on_path("debootstrap"),
            Self::Mount => super::disk::SmallDisk::mount(1).is_some(),
            Self::Openssl => on_path("openssl"),
            Self::Podman => {
                let apart = || run(Command::new("unshare").args(["--mount", "--net", "true"]), ANSWER).ok;
                on_path("podman") && on_path("busybox") && rustix::process::getuid().is_root() && apart()
            }
            Self::Dockerd => Self::Engine.is_met() && on_path("dockerd") && rustix::process::getuid().is_root(),
        }
    }
}

/// The command line that is Docker Compose here: the plugin, or the older program of its own.
pub fn compose() -> Option<Vec<&'static str>> {
    if on_path("docker") && run(Command::new("docker").args(["compose", "version"]), ANSWER).ok {
        return Some(vec!["docker", "compose"]);
    }
    on_path("docker-compose").then(|| vec!["docker-compose"])
}

/// The folder with PostgreSQL's server programs, which Debian keeps off the path.
pub fn postgresql_programs() -> Option<std::path::PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.flatten().map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).max()
}

/// Whether the calling test can run. If not, it is written down, and the test should return.
pub fn have(needs: &[Need]) -> bool {
    let test = test_name();
    let promised = std::env::var("TESTS_HAVE").unwrap_or_default();
    for need in needs {
        let promised = promised.split_whitespace().any(|name| name == need.name());
        let met = need.is_met();
        assert!(met || !promised, "{test}: {} is here, as tests/run found, but does not work", need.name());
        if !met {
            skip(&test, need.name());
            return false;
        }
    }
    true
}

/// Path of the calling test below the binary. Its thread has that name: `--test-threads 1`, where there are no threads,
/// cannot skip.
pub fn test_name() -> String {
    let name = std::thread::current().name().unwrap_or("main").to_owned();
    assert_ne!(name, "main", "tests that may be skipped know their names only with two threads or more");
    name
}

fn skip(test: &str, why: &str) {
    eprintln!("skipped: {test} needs {why}");
    if let Some(path) = std::env::var_os("TESTS_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the list of skipped tests");
        writeln!(file, "{test} {why}").expect("the list of skipped tests");
    }
}
