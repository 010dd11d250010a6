//! The first thing that anyone tries: `oncalld demo`.

use crate::support::command::{Said, run, wait};
use crate::support::daemon::ONCALLD;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Start, fault, diagnosis, fix, verification with its soak.
const LIMIT: Duration = Duration::from_secs(240);

fn names() -> Vec<String> {
    let said = run(Command::new(ONCALLD).args(["demo", "--list"]), Duration::from_secs(20));
    assert!(said.ok, "{}", said.err);
    said.out.lines().map(str::to_owned).collect()
}

/// Runs the demo with a service that somebody froze, answering its question.
fn answered(answer: &str) -> Said {
    // The question must be read from its input as a person would type into it.
    let script = format!("printf '{answer}' | \"$0\" demo --once --fault paused");
    run(Command::new("sh").args(["-c", &script, ONCALLD]), LIMIT)
}

/// Runs the demo with one fault, approving; its exit code says whether cause and verdict were right.
fn demo(fault: &str) -> String {
    let said = run(Command::new(ONCALLD).args(["demo", "--yes", "--once", "--fault", fault]), LIMIT);
    assert_eq!(said.code, Some(0), "--fault {fault}\n{}\n{}", said.out, said.err);
    said.out + &said.err
}

#[test]
fn at_least_five_faults_are_offered() {
    let names = names();
    let faults = names.iter().filter(|name| *name != "none").count();
    assert!(faults >= 5, "{names:?}");
    assert!(names.iter().all(|name| !name.is_empty() && !name.contains(char::is_whitespace)), "{names:?}");
}

#[test]
fn every_fault_reaches_the_right_verdict() {
    // One after the other: each starts services of its own, and their deadlines are those of an idle machine.
    for fault in names().iter().filter(|name| *name != "none") {
        let told = demo(fault);
        assert!(told.contains("Verdict: **resolved**"), "--fault {fault}: no verdict is shown\n{told}");
    }
}

#[test]
fn it_asks_and_does_what_it_is_told() {
    let said = answered("y\\n");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("approve? [y/N]"), "{}", said.err);
    let before = said.err.split("approve?").next().expect("a text");
    assert!(before.contains("  page        http://127.0.0.1:"), "where the page is, while it is there: {}", said.err);
    assert_eq!(said.err.matches("  page  ").count(), 1, "it is gone at the end: {}", said.err);
    assert!(said.out.starts_with("# ") && said.out.contains("Verdict: **resolved**"), "the report: {}", said.out);
}

#[test]
fn a_no_and_no_answer_at_all_leave_things_alone_and_are_no_success() {
    for answer in ["n\\n", "", "maybe\\n"] {
        let said = answered(answer);
        assert_eq!(said.code, Some(1), "{answer}: {said:?}");
        assert!(said.err.contains("approve? [y/N]") && said.err.contains("it should have been resolved"), "{said:?}");
        assert!(!said.out.contains("- Sent at"), "{}", said.out);
    }
}

#[test]
fn nothing_is_done_where_there_is_no_fault() {
    let told = demo("none");
    assert!(told.contains("no_fault"), "{told}");
}

#[test]
fn an_unknown_fault_is_refused_with_the_names_that_there_are() {
    let said = run(Command::new(ONCALLD).args(["demo", "--once", "--fault", "nosuch"]), Duration::from_secs(20));
    assert_eq!(said.code, Some(2), "{}\n{}", said.out, said.err);
    let first = names().remove(0);
    assert!(said.err.contains(&first), "{}", said.err);
}

#[test]
fn it_stays_up_until_told_to_end_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut demo = Command::new(ONCALLD)
        .args(["demo", "--fault", "none"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let lines = BufReader::new(demo.stderr.take().expect("a pipe")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("it stays up")), "it ended by itself");
    let pid = rustix::process::Pid::from_raw(demo.id() as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a running demo");
    assert_eq!(wait(&mut demo, Duration::from_secs(30)), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "its folder is left");
    let marked = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&format!("{}/oncalld-demo", folder.path().display()))
    };
    let left: Vec<i32> = oncalld::shim::proc::pids().into_iter().filter(marked).collect();
    assert!(left.is_empty(), "processes are left: {left:?}");
}
