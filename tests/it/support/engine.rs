//! A Docker engine of a test's own: for what would touch everybody's things on a shared one.

use super::command::{Said, eventually, run};
use super::need::{Need, have};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
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

    /// The folder that holds the file systems of its containers and images.
    pub fn layers(&self) -> PathBuf {
        self.folder.path().join("data/vfs/dir")
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

    /// Builds an image with BuildKit, from this recipe and a file `ballast` of so many random bytes; its id.
    ///
    /// The engine has BuildKit inside, but which `docker` can ask for it depends on plugins: so the engine is asked itself.
    pub fn build(&self, name: &str, recipe: &str, ballast: usize) -> String {
        let context = tempfile::tempdir().expect("a temporary folder");
        let script = r#"set -e; cd "$1"; printf '%s' "$2" >Dockerfile; head -c "$3" /dev/urandom >ballast; tar -cf context.tar Dockerfile ballast"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(context.path()).arg(recipe).arg(ballast.to_string());
        let said = run(&mut shell, LIMIT);
        assert!(said.ok, "{}", said.err);
        let archive = std::fs::read(context.path().join("context.tar")).expect("an archive");
        let said = self.ask("POST", &format!("/build?version=2&networkmode=none&t={name}"), &archive);
        assert!(said.contains("moby.image.id") && !said.contains("errorDetail"), "{said}");
        self.ok(&["image", "inspect", "--format", "{{.Id}}", name])
    }

    /// Sizes of the build cache in bytes: of what images share, and of what nothing but a later build would use.
    pub fn build_cache(&self) -> (u64, u64) {
        let usage: Value = serde_json::from_str(&self.ask("GET", "/system/df", &[])).expect("JSON");
        let all = usage["BuildCache"].as_array().map_or(&[][..], Vec::as_slice);
        let size =
            |shared: bool| all.iter().filter(move |one| one["Shared"] == shared).filter_map(|one| one["Size"].as_u64());
        (size(true).sum(), size(false).sum())
    }

    /// One request to its API; what it answered.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.folder.path().join("socket")).expect("the engine's socket");
        stream.set_read_timeout(Some(LIMIT)).expect("a socket");
        // Of this version there are no chunks, and the end of the answer is the end of the stream.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(" 200 "), "{method} {path}: {answer}");
        body.to_owned()
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
