//! Which paths may be touched at all. Pure.

use super::inspect::Container;
use serde_json::Value;

/// Whether a path is declared, exactly.
///
/// # Errors
/// It is not, or is one that no declaration can make right.
pub(super) fn declared<'a>(path: &str, list: &'a [String], what: &str, service: &str) -> Result<&'a str, String> {
    let same = |entry: &&String| entry.trim_end_matches('/') == path.trim_end_matches('/');
    let Some(entry) = list.iter().find(same) else {
        return Err(format!("'{path}' is not among the {what} paths that environments.yml declares of {service}"));
    };
    let entry = entry.trim_end_matches('/');
    let parts: Vec<&str> = entry.split('/').skip(1).collect();
    let plain = entry.starts_with('/')
        && !parts.is_empty()
        && parts.iter().all(|part| !part.is_empty() && *part != "." && *part != "..")
        && !entry.chars().any(char::is_control);
    let system = ["proc", "sys", "dev", "etc", "bin", "sbin", "lib", "lib64", "usr", "boot"];
    if !plain || (parts.len() == 1 && system.contains(&parts[0])) {
        return Err(format!(
            "'{entry}' is not a path that may be declared as {what}: give a whole path of plain names"
        ));
    }
    Ok(entry)
}

/// The mount that holds a path: the longest destination that is the path or above it. None is the writable layer.
pub(super) fn mount_of<'a>(container: &'a Container, path: &str) -> Option<&'a Value> {
    let holds = |mount: &&Value| {
        let destination = mount["Destination"].as_str().unwrap_or_default().trim_end_matches('/');
        path == destination || path.strip_prefix(destination).is_some_and(|rest| rest.starts_with('/'))
    };
    container.mounts().iter().filter(holds).max_by_key(|mount| mount["Destination"].as_str().map_or(0, str::len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_declared_exactly_may_be_touched() {
        let list = ["/data/cache".to_owned(), "/".into(), "/etc".into(), "/data/../etc".into(), "tmp".into()];
        assert_eq!(declared("/data/cache/", &list, "clearable", "api"), Ok("/data/cache"));
        for path in ["/data", "/data/cache/x", "/data/./cache", "/", "/etc", "/data/../etc", "tmp", ""] {
            assert!(declared(path, &list, "clearable", "api").is_err(), "{path}");
        }
    }

    #[test]
    fn the_nearest_mount_holds_a_path() {
        let container = Container::new(json!({"Mounts": [
            {"Destination": "/data", "Name": "a"}, {"Destination": "/data/deep", "Name": "b"},
        ]}));
        let name = |path| mount_of(&container, path).map(|mount| mount["Name"].as_str().unwrap());
        assert_eq!((name("/data/x"), name("/data/deep"), name("/database")), (Some("a"), Some("b"), None));
    }
}
