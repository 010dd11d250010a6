//! What a test makes in a Docker engine, and its removal.

use super::command::{Said, run};
use super::need::{Need, have, test_name};
use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A call of the engine's command line takes seconds; stopping takes the grace period longer.
const LIMIT: Duration = Duration::from_secs(180);

/// The image that all test containers are made of: a static busybox on nothing.
pub const IMAGE: &str = "oncalld-test:busybox";

/// Label of everything that tests make.
const LABEL: &str = "io.oncalld.test";

/// A part of the engine that is one test's own. Dropping it removes everything with its label, and checks that.
pub struct Stage {
    name: String,
    images: std::cell::RefCell<Vec<String>>,
}

/// Runs `docker` with these arguments.
pub fn docker(arguments: &[&str]) -> Said {
    run(Command::new("docker").args(arguments), LIMIT)
}

/// Runs `docker`, which must succeed, and returns what it printed.
pub fn docker_ok(arguments: &[&str]) -> String {
    let said = docker(arguments);
    assert!(said.ok, "docker {}: {}", arguments.join(" "), said.err);
    said.out.trim().to_owned()
}

impl Stage {
    /// A stage for the calling test; none if no engine answers.
    pub fn open() -> Option<Self> {
        if !have(&[Need::Engine]) {
            return None;
        }
        build_image();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").subsec_nanos();
        let test = test_name();
        let topic = test.rsplit("::").next().unwrap_or(&test).replace('_', "-");
        let short: String = topic.chars().take(24).collect();
        let name = format!("{short}-{:x}{:x}", nanos & 0xf_ffff, COUNT.fetch_add(1, Ordering::Relaxed));
        Some(Self { name, images: std::cell::RefCell::default() })
    }

    /// A name that no other test has: `api` becomes `api-d01-3f2a1`.
    pub fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.name)
    }

    /// The label that everything of this stage has.
    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.name)
    }

    /// `docker run -d` under the unique form of `name`. Options come before the image, as in the command line. The
    /// container may fail to start: that is often what a test is about.
    pub fn run(&self, name: &str, options: &[&str], command: &[&str]) -> Said {
        self.run_image(IMAGE, name, options, command)
    }

    /// As `run`, of another image.
    pub fn run_image(&self, image: &str, name: &str, options: &[&str], command: &[&str]) -> Said {
        let (label, name) = (self.label(), self.unique(name));
        let mut arguments = vec!["run", "--detach", "--name", &name, "--label", &label, "--stop-timeout", "1"];
        arguments.extend(options);
        arguments.push(image);
        arguments.extend(command);
        docker(&arguments)
    }

    /// A network of its own.
    pub fn network(&self, name: &str) -> String {
        let name = self.unique(name);
        docker_ok(&["network", "create", "--label", &self.label(), &name]);
        name
    }

    /// A volume of its own.
    pub fn volume(&self, name: &str) -> String {
        let name = self.unique(name);
        docker_ok(&["volume", "create", "--label", &self.label(), &name]);
        name
    }

    /// An image that runs this shell script, under `<unique repository>:<tag>`.
    pub fn image(&self, repository: &str, tag: &str, script: &str) -> String {
        let name = format!("{}:{tag}", self.unique(repository));
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("start"), format!("#!/bin/sh\n{script}\n")).expect("a file");
        let recipe = format!(
            "FROM {IMAGE}\nCOPY start /start\nRUN chmod 755 /start\nLABEL {}\nCMD [\"/start\"]\n",
            self.label()
        );
        fs::write(folder.path().join("Dockerfile"), recipe).expect("a file");
        docker_ok(&["build", "--quiet", "--tag", &name, &folder.path().to_string_lossy()]);
        self.owns_image(&name);
        name
    }

    /// Removes this image too, when everything that was made of it is gone.
    pub fn owns_image(&self, name: &str) {
        self.images.borrow_mut().push(name.to_owned());
    }

    /// One field of `docker inspect`, by template.
    pub fn inspect(&self, name: &str, template: &str) -> String {
        docker_ok(&["inspect", "--format", template, &self.unique(name)])
    }

    /// Ids of the containers of this stage, stopped ones too.
    pub fn containers(&self) -> Vec<String> {
        self.labelled(&["ps", "--all", "--quiet", "--no-trunc"])
    }

    fn labelled(&self, list: &[&str]) -> Vec<String> {
        let filter = format!("label={}", self.label());
        let mut arguments = list.to_vec();
        arguments.extend(["--filter", &filter]);
        docker(&arguments).out.split_whitespace().map(str::to_owned).collect()
    }

    fn clear(&self) {
        let remove = |what: &[&str], ids: Vec<String>| {
            for id in ids {
                let mut arguments = what.to_vec();
                arguments.push(&id);
                docker(&arguments);
            }
        };
        remove(&["rm", "--force", "--volumes"], self.containers());
        remove(&["network", "rm"], self.labelled(&["network", "ls", "--quiet"]));
        remove(&["volume", "rm", "--force"], self.labelled(&["volume", "ls", "--quiet"]));
        remove(&["rmi", "--force"], self.images.take());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
        let mut left = self.containers();
        left.extend(self.labelled(&["network", "ls", "--quiet"]));
        left.extend(self.labelled(&["volume", "ls", "--quiet"]));
        // A second panic would abort the whole run, and hide the first.
        assert!(left.is_empty() || std::thread::panicking(), "{}: left in the engine: {left:?}", self.name);
    }
}

/// Builds the image once a run: busybox under every name that it answers to.
fn build_image() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        // One of an earlier run will do, if it was made of the same busybox.
        let script = r#"set -e
            mark=io.oncalld.test-image; sum=$(sha256sum <"$(command -v busybox)" | cut -c 1-64)
            is=$(docker image inspect --format "{{index .Config.Labels \"$mark\"}}" "$1" 2>/dev/null || true)
            [ "$is" != "$sum" ] || exit 0
            root=$(mktemp -d); trap 'rm -rf "$root"' EXIT
            mkdir -p "$root"/bin "$root"/etc "$root"/tmp "$root"/var/log "$root"/srv
            cp "$(command -v busybox)" "$root"/bin/busybox
            for name in $("$root"/bin/busybox --list); do [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"; done
            echo root:x:0:0::/:/bin/sh >"$root"/etc/passwd; echo root:x:0: >"$root"/etc/group
            tar -C "$root" -c . | docker import --change 'CMD ["/bin/sh"]' --change "LABEL $mark=$sum" - "$1""#;
        let said = run(Command::new("sh").args(["-c", script, "sh", IMAGE]), LIMIT);
        assert!(said.ok, "the test image: {}", said.err);
    });
}

#[test]
fn a_stage_leaves_nothing_behind() {
    let Some(stage) = Stage::open() else { return };
    let network = stage.network("net");
    let volume = format!("{}:/data", stage.volume("data"));
    let said = stage.run("web", &["--network", &network, "--volume", &volume], &["sleep", "60"]);
    assert!(said.ok, "{}", said.err);
    assert_eq!(stage.inspect("web", "{{.State.Status}}"), "running");
    let image = stage.image("app", "v1", "echo started; exec sleep 60");
    assert!(stage.run_image(&image, "app", &[], &[]).ok);
    let filter = format!("label={}", stage.label());
    assert_eq!(stage.containers().len(), 2);
    drop(stage);
    for list in [
        ["ps", "--all", "--quiet"].as_slice(),
        &["network", "ls", "--quiet"],
        &["volume", "ls", "--quiet"],
        &["images", "--quiet"],
    ] {
        assert_eq!(docker_ok(&[list, &["--filter", &filter]].concat()), "", "{list:?}");
    }
}
