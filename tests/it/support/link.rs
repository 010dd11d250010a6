//! A link to the Docker engine that a test can cut: a socket of its own, whose connections are passed on to the real one.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tempfile::TempDir;

/// Where engines listen, by the order in which their clients look.
const ENGINES: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// The link. Dropping it cuts it.
pub struct Link {
    folder: TempDir,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Connections under way, both ends.
    open: Vec<[UnixStream; 2]>,
    /// Whether it is cut now: a connection is closed as soon as it is made.
    cut: bool,
    /// A request that cuts it: passed on, and its answer is not.
    trap: Option<String>,
    /// First lines of the requests that were passed on, but for reading ones.
    sent: Vec<String>,
}

impl Link {
    /// A link to the engine of this machine.
    pub fn open() -> Self {
        let folder = tempfile::Builder::new().prefix("oncalld-link").tempdir().expect("a temporary folder");
        let link = Self { folder, state: Arc::default() };
        link.listen();
        link
    }

    /// What `docker.host` of an environment is to be.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Cuts it: what is under way breaks, and nothing listens any more.
    pub fn cut(&self) {
        cut(&mut self.state(), &self.socket());
    }

    /// Cuts it right after a request whose first line contains this was passed on, and before its answer is.
    pub fn cut_after(&self, request: &str) {
        self.state().trap = Some(request.to_owned());
    }

    /// Whether it is cut.
    pub fn is_cut(&self) -> bool {
        self.state().cut
    }

    /// Mends it.
    pub fn mend(&self) {
        self.state().cut = false;
        self.listen();
    }

    /// Requests that change something and were passed on, whose first line contains this.
    pub fn sent(&self, what: &str) -> usize {
        self.state().sent.iter().filter(|line| line.contains(what)).count()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        let (state, socket) = (self.state.clone(), self.socket());
        thread::spawn(move || {
            for near in listener.incoming() {
                let Ok(near) = near else { return };
                if state.lock().unwrap_or_else(PoisonError::into_inner).cut {
                    return;
                }
                pass_on(near, &state, &socket);
            }
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

fn cut(state: &mut State, socket: &Path) {
    state.cut = true;
    // The listener ends with the next connection, which nobody can make: its socket has no name any more.
    let last = UnixStream::connect(socket);
    let _ = std::fs::remove_file(socket);
    drop(last);
    for stream in state.open.drain(..).flatten() {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Passes bytes on in both directions until one side ends.
fn pass_on(near: UnixStream, state: &Arc<Mutex<State>>, socket: &Path) {
    let Some(far) = ENGINES.iter().find_map(|path| UnixStream::connect(path).ok()) else { return };
    let clone = |stream: &UnixStream| stream.try_clone().expect("another handle");
    state.lock().unwrap_or_else(PoisonError::into_inner).open.push([clone(&near), clone(&far)]);
    let (back_from, back_to) = (clone(&far), clone(&near));
    thread::spawn(move || copy(back_from, back_to, |_| {}));
    let (state, socket) = (state.clone(), socket.to_owned());
    thread::spawn(move || {
        copy(near, far, move |bytes| {
            let Some(line) = request_line(bytes) else { return };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let trapped = state.trap.as_ref().is_some_and(|trap| line.contains(trap));
            state.sent.push(line);
            if trapped {
                state.trap = None;
                // The near end is deaf before the engine can answer.
                for [near, _] in &state.open {
                    let _ = near.shutdown(Shutdown::Both);
                }
            }
            state.cut |= trapped;
        });
        drop(socket);
    });
}

/// The first line of a request that changes something. Clients write a request's head at once.
fn request_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    ["POST ", "PUT ", "DELETE "].iter().any(|method| line.starts_with(method)).then_some(line)
}

fn copy(mut from: UnixStream, mut to: UnixStream, seen: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        seen(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Write);
}
