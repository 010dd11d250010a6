//! A PostgreSQL of a test's own, run as a plain process by whoever is to run it.

use super::command::{Said, run};
use super::http::free_port;
use super::need::{Need, have, postgresql_programs};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Making its data folder, beside everything else that is tested.
const LIMIT: Duration = Duration::from_secs(120);

/// PostgreSQL refuses to run as root; this user comes with Debian's package.
const UNPRIVILEGED: &str = "postgres";

/// Its data folder and its port.
pub struct Postgresql {
    folder: TempDir,
    port: u16,
}

impl Postgresql {
    /// Makes the data folder; none where there is no PostgreSQL.
    pub fn make() -> Option<Self> {
        if !have(&[Need::Postgresql]) {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("oncalld-postgresql").tempdir().expect("a temporary folder");
        let made = Self { folder, port: free_port() };
        if is_root() {
            let said = run(Command::new("chown").arg(UNPRIVILEGED).arg(made.folder.path()), LIMIT);
            assert!(said.ok, "{}", said.err);
        }
        let argv = made.program("initdb", &["--no-sync", "--auth=trust", "--username=postgres", "--no-locale", "-D"]);
        let mut command = Command::new(&argv[0]);
        let said = run(command.args(&argv[1..]).arg(made.data()).current_dir(made.folder.path()), LIMIT);
        assert!(said.ok, "{}", said.err);
        Some(made)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of the server, run as a user that it accepts.
    fn program(&self, name: &str, arguments: &[&str]) -> Vec<String> {
        let user = ["setpriv", "--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups"];
        let program = postgresql_programs().expect("programs").join(name).to_string_lossy().into_owned();
        let before = if is_root() { &user[..] } else { &[] };
        before.iter().copied().chain([program.as_str()]).chain(arguments.iter().copied()).map(str::to_owned).collect()
    }

    /// What runs the server.
    pub fn argv(&self) -> Vec<String> {
        let (data, port) = (self.data().to_string_lossy().into_owned(), self.port.to_string());
        let network = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="];
        let small = ["-c", "fsync=off", "-c", "max_connections=20"];
        self.program("postgres", &[&["-D", &data, "-p", &port], &network[..], &small[..]].concat())
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a statement; what it answered.
    pub fn ask(&self, statement: &str) -> Said {
        run(&mut client(self.port, statement), LIMIT)
    }

    /// Begins a statement that will not end soon.
    pub fn begin(&self, statement: &str) -> Session {
        let mut command = client(self.port, statement);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Session(command.spawn().expect("psql"))
    }
}

/// A client in the middle of a statement, until it is dropped.
pub struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn client(port: u16, statement: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "-c", statement]);
    command
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}
