//! What nothing may be done to unless policy names it, by the same rules in every kind of environment.

use std::{fs, sync::OnceLock};

/// What watches the rest must not be touched by what it pages.
const WATCHERS: [&str; 3] = ["prometheus", "alertmanager", "oncalld"];

/// Why a service of these names is protected; `further` are names that the configuration adds.
pub fn by_name(names: &[&str], further: &[String]) -> Option<String> {
    if let Some(watcher) = WATCHERS.iter().find(|watcher| names.contains(watcher)) {
        return Some(format!("it is {watcher}, which watches the rest"));
    }
    let entry = further.iter().find(|entry| names.contains(&entry.as_str()))?;
    Some(format!("protected as '{entry}'"))
}

/// The name in a reference of an image, or in the path of a program: `registry:5000/team/app:v1@sha256:…` is `app`.
pub fn last_name(reference: &str) -> &str {
    let reference = reference.split('@').next().unwrap_or_default();
    reference.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default()
}

/// Whether this is the container that oncalld itself runs in, whatever that is called.
pub fn is_own(container: &str) -> bool {
    static OWN: OnceLock<Vec<String>> = OnceLock::new();
    let own = OWN.get_or_init(|| {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        own_ids(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"), text("/proc/sys/kernel/hostname").trim())
    });
    own.iter().any(|id| container.starts_with(id.as_str()))
}

/// Ids of the container that a process is in, as its control groups, its mounts and its host's name tell: the engine
/// names the group after it, mounts files out of its folder, and makes its short id the host's name unless told otherwise.
fn own_ids(groups: &str, mounts: &str, host: &str) -> Vec<String> {
    let given = |line: &&str| {
        let point = line.split(' ').nth(4);
        matches!(point, Some("/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf"))
    };
    let lines = groups.lines().chain(mounts.lines().filter(given));
    let words = lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
    let mut ids: Vec<String> = words.filter(|word| is_hex(word, 64)).map(str::to_owned).collect();
    ids.extend(is_hex(host, 12).then(|| host.to_owned()));
    ids.sort();
    ids.dedup();
    ids
}

fn is_hex(word: &str, length: usize) -> bool {
    word.len() == length && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn the_own_container_is_found_in_any_of_the_places_that_name_it() {
        let old = format!("12:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n");
        let new = format!("0::/system.slice/docker-{ID}.scope\n");
        let folder = format!("/var/lib/docker/containers/{ID}/hostname");
        let mounts = format!("611 600 254:1 {folder} /etc/hostname rw - ext4 /dev/vda1 rw\n");
        for (groups, mounts) in [(old.as_str(), ""), (new.as_str(), ""), ("0::/\n", mounts.as_str())] {
            assert_eq!(own_ids(groups, mounts, "shop"), [ID], "{groups}{mounts}");
        }
        assert_eq!(own_ids("0::/\n", "", &ID[..12]), [&ID[..12]]);
        // A layer of an image, mounted as the root, names no container; nor does a host of people.
        let layers = format!("22 1 0:21 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/{ID}/diff\n");
        assert!(own_ids("0::/user.slice\n", &layers, "feedbeef").is_empty());
    }

    #[test]
    fn watchers_and_configured_names_are_protected() {
        let further = ["vault".to_owned()];
        for (names, expected) in [
            (["x", last_name("quay.io/prom/alertmanager:v0.27@sha256:00")], true),
            (["x", last_name("/usr/bin/prometheus")], true),
            (["vault", ""], true),
            (["api", last_name("acme/api:1")], false),
        ] {
            assert_eq!(by_name(&names, &further).is_some(), expected, "{names:?}");
        }
    }
}
