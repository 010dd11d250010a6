//! The catalogue as it is shipped, read and checked like any other.

use oncalld::{
    catalog::{Catalog, Documents},
    document::{Node, Reports, parse},
    domain::EnvironmentKind,
};
use std::{fs, path::Path, sync::LazyLock};

/// Operations, translations and runbooks of this repository.
pub fn shipped() -> &'static Catalog {
    static SHIPPED: LazyLock<Catalog> = LazyLock::new(load);
    &SHIPPED
}

fn load() -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reports = Reports::default();
    let read = |path: &str| -> Option<Node> {
        parse(path, &fs::read_to_string(root.join(path)).expect("a shipped file"), &reports)
    };
    let translation = |kind: EnvironmentKind| Some((kind, read(&format!("translations/{kind}.yml"))?));
    let runbooks = fs::read_dir(root.join("runbooks")).expect("the shipped runbooks");
    let runbook = |entry: std::io::Result<fs::DirEntry>| {
        read(&format!("runbooks/{}", entry.expect("a runbook").file_name().to_string_lossy()))
    };
    let documents = Documents {
        operations: read("config/operations.yml"),
        translations: EnvironmentKind::ALL.into_iter().filter_map(translation).collect(),
        runbooks: runbooks.filter_map(runbook).collect(),
    };
    let catalog = Catalog::read(&documents, &reports);
    let problems = reports.into_problems();
    assert!(problems.0.is_empty(), "{problems}");
    catalog
}
