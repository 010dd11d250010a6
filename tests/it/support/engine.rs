//! A Docker engine of a test's own: for what would touch everybody's things on a shared one.

use super::command::{Said, eventually, run};
use super::need::{Need, have};
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A second engine starts beside everything else that is tested.
const LIMIT: Duration = Duration::from_secs(180);

/// An engine with folders and a socket of its own. Dropping it ends it, with everything in it.
pub struct PrivateEngine {
    child: Child,
    folder: TempDir,
}

impl PrivateEngine {
    /// Starts one; none where this machine or this user cannot.
    pub fn start() -> Option<Self> {
        if !have(&[Need::Dockerd]) {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("oncalld-engine").tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let log = File::create(path("log")).expect("a file");
        // In a network namespace of its own: an engine told to have no bridge removes `docker0` wherever it starts.
        let child = Command::new("unshare")
            .args(["--net", "dockerd", "--data-root"])
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .arg("--host")
            .arg(format!("unix://{}", path("socket").display()))
            // Nothing of the machine's network is touched; layers are plain folders, which need no mounts.
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("dockerd");
        let engine = Self { child, folder };
        eventually("the engine answers", LIMIT, || {
            let said = engine.docker(&["info", "--format", "{{.ServerVersion}}"]);
            let log = || std::fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default();
            if said.ok { Ok(()) } else { Err(format!("{}\n{}", said.err, log())) }
        });
        Some(engine)
    }

    /// Where it listens, as `docker.host` wants it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    /// `docker` against this engine.
    pub fn docker(&self, arguments: &[&str]) -> Said {
        run(Command::new("docker").arg("--host").arg(self.host()).args(arguments), LIMIT)
    }

    /// `docker`, which must succeed; what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let said = self.docker(arguments);
        assert!(said.ok, "docker {}: {}", arguments.join(" "), said.err);
        said.out.trim().to_owned()
    }

    /// An image with nothing but a static busybox that does this; its id. The same name again leaves the old one
    /// dangling.
    pub fn image(&self, name: &str, command: &[&str]) -> String {
        let script = r#"set -e; root=$(mktemp -d); trap 'rm -rf "$root"' EXIT; mkdir "$root/bin"
            cp "$(command -v busybox)" "$root/bin/busybox"
            for name in sh sleep true; do ln -s busybox "$root/bin/$name"; done
            tar -C "$root" -c . | docker --host "$1" import --change "$2" - "$3""#;
        let words: Vec<String> = command.iter().map(|word| format!("{word:?}")).collect();
        let change = format!("CMD [{}]", words.join(","));
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", &self.host(), &change, name]);
        let said = run(&mut shell, LIMIT);
        assert!(said.ok, "{}", said.err);
        said.out.trim().to_owned()
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        for id in self.docker(&["ps", "--all", "--quiet"]).out.split_whitespace() {
            self.docker(&["rm", "--force", "--volumes", id]);
        }
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if super::command::wait(&mut self.child, Duration::from_secs(20)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
