//! What `/proc` says of processes.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A process, told apart from a later one of the same pid by when it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRef {
    /// Its pid.
    pub pid: i32,
    /// Clock ticks after boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
    /// Which boot.
    pub boot: String,
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Pid.
    pub pid: i32,
    /// Name of the program, cut at 15 bytes.
    pub name: String,
    /// `R` running, `S` sleeping, `D` uninterruptible, `T` stopped, `Z` zombie.
    pub state: char,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Clock ticks of processor time, its own.
    pub ticks: u64,
    /// Clock ticks after boot.
    pub start: u64,
    /// Resident bytes.
    pub resident: u64,
}

impl ProcessRef {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, start: stat.start, boot: boot_id() })
    }

    /// Its present state, if it is still this very process and not only a zombie of it.
    pub fn alive(&self) -> Option<Stat> {
        stat(self.pid)
            .filter(|stat| stat.start == self.start && !matches!(stat.state, 'Z' | 'X') && self.boot == boot_id())
    }

    /// Sends a signal, if it is still this very process.
    pub fn signal(&self, signal: rustix::process::Signal) -> bool {
        self.alive().is_some() && send(self.pid, signal)
    }
}

/// Sends a signal to a process.
pub fn send(pid: i32, signal: rustix::process::Signal) -> bool {
    // 0, 1 and negative numbers mean groups, everybody or init: never what is wanted here.
    pid > 1 && rustix::process::Pid::from_raw(pid).is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

fn boot_id() -> String {
    static BOOT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
    });
    BOOT.clone()
}

/// Reads `/proc/PID/stat`; none if there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name stands in parentheses and may itself hold spaces and parentheses.
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        pid: pid.trim().parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        start: number(19)?,
        resident: number(21)? * page_size(),
    })
}

/// The process and all its descendants, at most [`MOST_PROCESSES`].
pub fn tree(root: i32) -> Vec<Stat> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([root]);
    let mut pending = vec![root];
    while let Some(pid) = pending.pop() {
        let Some(stat) = stat(pid) else { continue };
        found.push(stat);
        for child in children(pid) {
            if seen.len() < MOST_PROCESSES && seen.insert(child) {
                pending.push(child);
            }
        }
    }
    found
}

/// More processes than this are not looked at: a fork bomb must not take the watcher down as well.
pub const MOST_PROCESSES: usize = 10_000;

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(text) => children.extend(text.split_ascii_whitespace().filter_map(|child| child.parse::<i32>().ok())),
            // A kernel without CONFIG_PROC_CHILDREN: look at everybody's parent.
            Err(_) if fs::exists("/proc/self/task/self/children").unwrap_or(true) => {}
            Err(_) => return children_by_scan(pid),
        }
    }
    children
}

fn children_by_scan(parent: i32) -> Vec<i32> {
    pids().into_iter().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// All pids.
pub fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Processes whose environment has `name=value`. Only those of the same user can be looked at.
pub fn with_variable(name: &str, value: &str) -> Vec<i32> {
    let wanted = format!("{name}={value}");
    pids()
        .into_iter()
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
        })
        .collect()
}

/// Words of the command line; the name in brackets where there is none.
pub fn command_line(stat: &Stat) -> String {
    let bytes = fs::read(format!("/proc/{}/cmdline", stat.pid)).unwrap_or_default();
    let words: Vec<_> = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return format!("[{}]", stat.name);
    }
    String::from_utf8_lossy(&words.join(&b' ')).into_owned()
}

/// Owner's number.
pub fn owner(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(format!("/proc/{pid}")).ok().map(|metadata| metadata.uid())
}

/// Clock ticks a second, the unit of [`Stat::ticks`].
pub fn ticks_per_second() -> u64 {
    const AT_CLKTCK: u64 = 17;
    auxiliary(AT_CLKTCK).unwrap_or(100)
}

fn page_size() -> u64 {
    const AT_PAGESZ: u64 = 6;
    auxiliary(AT_PAGESZ).unwrap_or(4096)
}

/// A value that the kernel handed to this program, such as the size of a page.
fn auxiliary(key: u64) -> Option<u64> {
    static VECTOR: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| {
        let bytes = fs::read("/proc/self/auxv").unwrap_or_default();
        let (words, _) = bytes.as_chunks::<{ size_of::<usize>() }>();
        words.iter().map(|word| usize::from_ne_bytes(*word) as u64).collect()
    });
    VECTOR.chunks_exact(2).find(|pair| pair[0] == key).map(|pair| pair[1])
}

/// `MemTotal` and the like, in bytes.
pub fn memory_info() -> BTreeMap<String, u64> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let kilobytes: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), kilobytes * 1024))
        })
        .collect()
}

/// Pids of processes that listen on a TCP port of this host; `None` for a listener that cannot be looked at.
pub fn listeners(port: u16) -> Vec<Option<i32>> {
    let inodes: BTreeSet<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| listening_inodes(&text, port))
        .collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let links: BTreeSet<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let owners: Vec<Option<i32>> = pids().into_iter().filter(|pid| holds(*pid, &links)).map(Some).collect();
    if owners.is_empty() { vec![None] } else { owners }
}

fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (_, local) = fields.get(1)?.rsplit_once(':')?;
            let found = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == LISTEN;
            if found { fields.get(9)?.parse().ok() } else { None }
        })
        .collect()
}

fn holds(pid: i32, links: &BTreeSet<String>) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files
        .flatten()
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|link| link.to_str().is_some_and(|link| links.contains(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_is_read() {
        let text =
            "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 10 5 0 0 20 0 1 0 12345 1000000 250 18446744073709551615";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.pid, stat.name.as_str(), stat.state, stat.parent, stat.ticks), (42, "a) b (c", 'S', 1, 15));
        assert_eq!(stat.start, 12345);
        assert_eq!(stat.resident, 250 * page_size());
        assert_eq!(parse_stat("nonsense"), None);
        assert!(page_size() >= 4096 && ticks_per_second() >= 100);
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let me = ProcessRef::of(std::process::id() as i32).unwrap();
        assert!(me.alive().is_some());
        assert!(ProcessRef { start: me.start + 1, ..me.clone() }.alive().is_none());
        assert!(ProcessRef { boot: "another".into(), ..me }.alive().is_none());
        assert!(!send(0, rustix::process::Signal::CONT) && !send(-1, rustix::process::Signal::CONT));
    }

    #[test]
    fn the_listener_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Other tests' children hold a copy from their fork to their exec.
        assert!(listeners(port).contains(&Some(std::process::id() as i32)));
        drop(listener);
        let begun = std::time::Instant::now();
        while !listeners(port).is_empty() {
            assert!(begun.elapsed().as_secs() < 30, "{:?}", listeners(port));
            std::thread::yield_now();
        }
    }

    #[test]
    fn children_are_in_the_tree() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().unwrap();
        let pids: Vec<i32> = tree(std::process::id() as i32).into_iter().map(|stat| stat.pid).collect();
        assert!(pids.contains(&(child.id() as i32)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
