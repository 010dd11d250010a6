//! A Podman of a test's own: with its storage, networks, locks and socket apart from everything else on the machine.

use super::command::{Said, eventually, run};
use super::need::{Need, have};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::{self, File};
use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// An engine starts, and a container ends, beside everything else that is tested.
const LIMIT: Duration = Duration::from_secs(180);

/// The image of its containers: a static busybox on nothing.
pub const IMAGE: &str = "localhost/oncalld-test:busybox";

/// Runs in namespaces of its own. Its standard input ends when the test does, however that ends; then everything goes.
const SERVE: &str = r#"
    folder=$1; conf=$folder/containers.conf
    busybox ip link set lo up
    # What it would share with a Podman of the machine: locks, leases of addresses, its folder of state.
    mkdir -p /var/lib/cni /run/cni
    for shared in /var/lib/cni /run /dev/shm; do mount -t tmpfs tmpfs $shared; done
    runtime=runc; if command -v crun >/dev/null; then runtime=crun; fi
    # A user who may not raise limits cannot give the usual ones to a container.
    cat >$conf <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "$runtime"
tmp_dir = "$folder/tmp"
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_config_dir = "$folder/net"
END
    export CONTAINERS_CONF=$conf HOME=$folder
    cd $folder
    # Layers are plain folders, which need no mounts.
    podman="podman --root $folder/storage --runroot $folder/run --storage-driver vfs"
    $podman system service --time=0 unix://$folder/podman.sock &
    service=$!
    read -r _
    timeout 60 $podman rm --all --force --time 0
    kill $service; wait
    # Who watched a program that was run in a container stays for minutes after it.
    for process in /proc/[0-9]*; do
        if grep -qs "$folder/" $process/cmdline; then kill -KILL ${process#/proc/}; fi
    done
    umount --recursive --lazy $folder/storage/vfs $folder/storage 2>/dev/null
    rm -rf $folder"#;

/// A Podman with a socket of its own. Dropping it ends it, with everything in it.
pub struct Podman {
    child: Child,
    folder: TempDir,
}

impl Podman {
    /// Starts one with its image; none where this machine or this user cannot.
    pub fn start() -> Option<Self> {
        if !have(&[Need::Podman]) {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("oncalld-podman").tempdir().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a file");
        let child = Command::new("unshare")
            .args(["--mount", "--net", "sh", "-c", SERVE, "sh"])
            .arg(folder.path())
            // What ends the tests by their group must leave it alone: it has to clear up after them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("unshare");
        let podman = Self { child, folder };
        eventually("podman answers", LIMIT, || {
            let said = podman.podman(&["version"]);
            if said.ok { Ok(()) } else { Err(format!("{}\n{}", said.err, podman.log())) }
        });
        podman.import();
        Some(podman)
    }

    fn import(&self) {
        let script = r#"set -e; root=$(mktemp -d); trap 'rm -rf "$root"' EXIT; mkdir "$root/bin" "$root/etc" "$root/tmp"
            cp "$(command -v busybox)" "$root/bin/busybox"
            for name in $(busybox --list); do [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"; done
            echo root:x:0:0::/:/bin/sh >"$root/etc/passwd"; echo root:x:0: >"$root/etc/group"
            tar -C "$root" -cf "$1" ."#;
        let said = run(Command::new("sh").args(["-c", script, "sh", &self.archive()]), LIMIT);
        assert!(said.ok, "{}", said.err);
        self.ok(&["import", "--change", "CMD [\"/bin/sh\"]", &self.archive(), IMAGE]);
    }

    /// The files of the image, to import others of them.
    pub fn archive(&self) -> String {
        self.folder.path().join("image.tar").to_string_lossy().into_owned()
    }

    /// What it complained about.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where it listens, as `docker.host` wants it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("podman.sock").display())
    }

    /// Everything of it is below this folder.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `podman` against its socket.
    pub fn podman(&self, arguments: &[&str]) -> Said {
        let conf = self.folder.path().join("containers.conf");
        let mut command = Command::new("podman");
        command
            .args(["--url", &self.host()])
            .args(arguments)
            .env("CONTAINERS_CONF", conf)
            .env("HOME", self.folder.path());
        run(&mut command, LIMIT)
    }

    /// `podman`, which must succeed; what it printed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let said = self.podman(arguments);
        assert!(said.ok, "podman {}: {}\n{}", arguments.join(" "), said.err, self.log());
        said.out.trim().to_owned()
    }

    /// `podman run --detach`; the id.
    pub fn run(&self, name: &str, options: &[&str], command: &[&str]) -> String {
        let run: &[&str] = &["run", "--detach", "--name", name, "--stop-timeout", "1"];
        self.ok(&[run, options, &[IMAGE], command].concat())
    }

    /// One field of `podman inspect`, by template.
    pub fn inspect(&self, name: &str, template: &str) -> String {
        self.ok(&["inspect", "--format", template, name])
    }

    /// A port of this machine that leads to an address of the engine's network.
    pub fn reach(&self, inside: &str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let network = File::open(format!("/proc/{}/ns/net", self.child.id())).expect("its network");
        let inside = inside.to_owned();
        thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("to be in its network");
            // What was opened before stays where it was opened.
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&inside) else { continue };
                let (from, to) = (near.try_clone().expect("a handle"), far.try_clone().expect("a handle"));
                thread::spawn(move || pass(&from, &to));
                thread::spawn(move || pass(&far, &near));
            }
        });
        port
    }

    /// What its end, however it comes, begins with: nobody holds its standard input any more.
    pub fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.let_go();
        if super::command::wait(&mut self.child, LIMIT).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
