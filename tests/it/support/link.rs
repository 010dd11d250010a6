//! A link to the Docker engine that a test can cut: a socket of its own, whose connections are passed on to the real one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Connections under way, both ends of each.
    open: BTreeMap<u64, [UnixStream; 2]>,
    made: u64,
    /// A request that is waited for, by a part of its first line, and what is done about it.
    trap: Option<(String, Trap)>,
    /// First lines of the requests that were passed on, but for those that only read.
    sent: Vec<String>,
}

/// What happens to a request that is waited for.
#[derive(Clone, Copy, PartialEq)]
pub enum Trap {
    /// It is passed on, the connection breaks, and no other one can be made.
    CutAfter,
    /// It is passed on and answered, and nobody can connect any more; what is connected goes on.
    CloseDoorAfter,
    /// It is passed on, and its answer never comes.
    SwallowAnswer,
    /// It is not passed on, and no answer ever comes.
    SwallowRequest,
}

impl Link {
    /// A link to the engine of this machine.
    pub fn open() -> Self {
        let folder = tempfile::Builder::new().prefix("oncalld-link").tempdir().expect("a temporary folder");
        let link = Self { folder, state: Arc::default() };
        link.mend();
        link
    }

    /// What `docker.host` of an environment is to be.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Lets nobody connect any more; what is connected goes on.
    pub fn close_door(&self) {
        let _ = std::fs::remove_file(self.socket());
    }

    /// Cuts it: what is under way breaks, and nobody can connect.
    pub fn cut(&self) {
        self.close_door();
        lock(&self.state).hang_up();
    }

    /// Waits for a request whose first line contains this. One at a time.
    pub fn trap(&self, request: &str, trap: Trap) {
        lock(&self.state).trap = Some((request.to_owned(), trap));
    }

    /// Whether nothing is waited for any more: what was, came.
    pub fn sprung(&self) -> bool {
        lock(&self.state).trap.is_none()
    }

    /// Mends it, for new connections.
    pub fn mend(&self) {
        self.close_door();
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        let (state, socket) = (self.state.clone(), self.socket());
        // It ends with the process: nobody can connect to a socket without a name.
        thread::spawn(move || listener.incoming().flatten().for_each(|near| pass_on(near, &state, &socket)));
    }

    /// How many requests that change something were passed on whose first line contains this.
    pub fn sent(&self, what: &str) -> usize {
        lock(&self.state).sent.iter().filter(|line| line.contains(what)).count()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
    }
}

impl State {
    fn hang_up(&mut self) {
        for stream in std::mem::take(&mut self.open).into_values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Looks at what a client sends; whether it is passed on, and whether the answer is.
    fn saw(&mut self, bytes: &[u8], socket: &Path) -> (bool, bool) {
        let Some(line) = request_line(bytes) else { return (true, true) };
        let trap = self.trap.take_if(|(wanted, _)| line.contains(wanted.as_str())).map(|(_, trap)| trap);
        if trap != Some(Trap::SwallowRequest) {
            self.sent.push(line);
        }
        if matches!(trap, Some(Trap::CutAfter | Trap::CloseDoorAfter)) {
            let _ = std::fs::remove_file(socket);
        }
        if trap == Some(Trap::CutAfter) {
            // Only the near ends: the engine has the request, and must not see that nobody waits for its answer.
            for [near, _] in self.open.values() {
                let _ = near.shutdown(Shutdown::Both);
            }
        }
        (trap != Some(Trap::SwallowRequest), matches!(trap, None | Some(Trap::CloseDoorAfter)))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes bytes on in both directions until one side ends.
fn pass_on(near: UnixStream, state: &Arc<Mutex<State>>, socket: &Path) {
    let Some(far) = ENGINES.iter().find_map(|path| UnixStream::connect(path).ok()) else { return };
    let again = |stream: &UnixStream| stream.try_clone().expect("another handle");
    let number = {
        let mut state = lock(state);
        state.made += 1;
        let number = state.made;
        state.open.insert(number, [again(&near), again(&far)]);
        number
    };
    let mute = Arc::new(AtomicBool::new(false));
    let (back_from, back_to, deaf, known) = (again(&far), again(&near), mute.clone(), state.clone());
    thread::spawn(move || {
        copy(&back_from, &back_to, |_| !deaf.load(Ordering::SeqCst));
        if !deaf.load(Ordering::SeqCst) {
            let _ = back_to.shutdown(Shutdown::Both);
        }
        lock(&known).open.remove(&number);
    });
    let (state, socket) = (state.clone(), socket.to_owned());
    thread::spawn(move || {
        copy(&near, &far, |bytes| {
            let (on, back) = lock(&state).saw(bytes, &socket);
            mute.fetch_or(!back, Ordering::SeqCst);
            on
        });
        if !mute.load(Ordering::SeqCst) {
            let _ = far.shutdown(Shutdown::Write);
        }
    });
}

/// The first line of a request that changes something. Clients write a request's head at once.
fn request_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\r').next()?;
    let line = String::from_utf8_lossy(line).into_owned();
    ["POST ", "PUT ", "DELETE "].iter().any(|method| line.starts_with(method)).then_some(line)
}

fn copy(mut from: &UnixStream, mut to: &UnixStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}
