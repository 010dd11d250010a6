//! A real Redis and a real PostgreSQL in containers, asked through their own clients there.

use super::{Rig, eventually};
use crate::support::command::run;
use crate::support::need::{Need, have, postgresql_programs};
use crate::support::stage::{Stage, docker, docker_ok};
use oncalld::domain::ActCall;
use oncalld::execute::{Executor as _, NativeCall};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// An image of programs of this machine, each with the libraries that it is linked with, on the test image.
pub fn image_of(stage: &Stage, name: &str, programs: &[&str], folders: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = r#"set -e; root=$1; shift
        while [ "$1" != -- ]; do
            for file in "$1" $(ldd "$1" 2>/dev/null | grep -o '/[^ )]*'); do
                mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"
            done; shift
        done; shift
        for folder in "$@"; do mkdir -p "$root$(dirname "$folder")"; cp -rL "$folder" "$root$(dirname "$folder")/"; done
        cd "$root"; for dir in bin lib lib64 sbin; do if [ -d "$dir" ]; then mkdir -p "usr/$dir"; cp -rL "$dir/." "usr/$dir/"; rm -rf "$dir"; fi; done
        mkdir -p usr/lib64; cp -L /lib64/ld-linux-x86-64.so.2 usr/lib64/ 2>/dev/null || true
        tar -C "$root" -c . >"$root.tar""#;
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).expect("a folder");
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(&tree).args(programs).arg("--").args(folders);
    let said = run(&mut command, Duration::from_secs(60));
    assert!(said.ok, "{}", said.err);
    let context = folder.path().join("context");
    std::fs::create_dir(&context).expect("a folder");
    std::fs::rename(folder.path().join("tree.tar"), context.join("tree.tar")).expect("an archive");
    let recipe = format!(
        "FROM {}\nADD tree.tar /\nENV LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu:/usr/lib PATH=/usr/bin:/bin\n\
         RUN [ -e /lib64 ] || ln -s usr/lib64 /lib64\nLABEL {}\n",
        crate::support::stage::IMAGE,
        stage.label()
    );
    std::fs::write(context.join("Dockerfile"), recipe).expect("a file");
    let tag = format!("{}:v1", stage.unique(name));
    docker_ok(&["build", "--quiet", "--tag", &tag, &context.to_string_lossy()]);
    stage.owns_image(&tag);
    tag
}

async fn parameter(rig: &Rig, container: &str, engine: &str, name: &str) -> Value {
    rig.read("container.parameter", json!({"container": container, "engine": engine, "name": name})).await["value"]
        .clone()
}

#[tokio::test]
async fn redis_tells_and_takes_settings_and_ends_sessions() {
    let Some(stage) = have(&[Need::Redis]).then(Stage::open).flatten() else { return };
    let rig = Rig::new().await;
    let image = image_of(&stage, "redis", &["/usr/bin/redis-server", "/usr/bin/redis-cli"], &[]);
    let redis = stage.unique("redis");
    let said = stage.run_image(
        &image,
        "redis",
        &["--env", "REDIS_PASSWORD=s3cret"],
        &["/usr/bin/redis-server", "--maxmemory", "2mb", "--requirepass", "s3cret", "--save", ""],
    );
    assert!(said.ok, "{}", said.err);
    eventually("redis", || async {
        let said = docker(&["exec", "--env", "REDISCLI_AUTH=s3cret", &redis, "redis-cli", "PING"]);
        if said.out.trim() == "PONG" { Ok(()) } else { Err(format!("{said:?} {}", docker(&["logs", &redis]).out)) }
    })
    .await;
    assert_eq!(parameter(&rig, &redis, "redis", "maxmemory").await, "2097152");
    let set = |name: &str, value: &str| json!({"container": redis, "engine": "redis", "name": name, "value": value});
    rig.act("container.set_parameter", set("maxmemory", "4mb")).await;
    assert_eq!(parameter(&rig, &redis, "redis", "maxmemory").await, "4194304");
    for (name, value) in [("dir", "/etc"), ("requirepass", "x"), ("nosuch-setting", "1"), ("maxmemory", "much")] {
        assert!(rig.try_act("container.set_parameter", set(name, value)).await.is_err(), "{name}");
    }
    docker_ok(&["exec", "--detach", "--env", "REDISCLI_AUTH=s3cret", &redis, "redis-cli", "BLPOP", "nothing", "0"]);
    let sessions = eventually("a session", || async {
        let sessions = rig.read("container.sessions", json!({"container": redis, "engine": "redis"})).await;
        let one = &sessions["sessions"][0];
        let blocked = sessions["count"] == 1 && one["state"] == "blocked";
        if blocked { Ok(sessions) } else { Err(sessions.to_string()) }
    })
    .await;
    assert_eq!(sessions["sessions"][0]["query"], "blpop");
    assert!(sessions["limit"].as_i64() > Some(0), "{sessions}");
    let end = json!({"container": redis, "engine": "redis", "session": sessions["sessions"][0]["id"]});
    assert_eq!(rig.act("container.terminate_session", end.clone()).await["changed"], true);
    assert_eq!(rig.act("container.terminate_session", end).await["changed"], false);
}

/// A PostgreSQL in a container, ready; its name.
async fn postgresql(stage: &Stage) -> String {
    let bin = postgresql_programs().expect("programs");
    let version = bin.parent().expect("a version").file_name().expect("a name").to_string_lossy().into_owned();
    let program = |name: &str| bin.join(name).to_string_lossy().into_owned();
    let (server, init, client) = (program("postgres"), program("initdb"), program("psql"));
    let (share, lib) = (format!("/usr/share/postgresql/{version}"), format!("/usr/lib/postgresql/{version}/lib"));
    let image = image_of(stage, "postgresql", &[&server, &init, &client], &[&share, &lib]);
    let database = stage.unique("postgresql");
    let script = format!(
        "export PATH={}:$PATH; echo postgres:x:999:999::/data:/bin/sh >>/etc/passwd; echo postgres:x:999: >>/etc/group; mkdir -p /data /run/postgresql /var/run /tmp; chmod 1777 /tmp; \
         [ -e /var/run/postgresql ] || ln -s /run/postgresql /var/run/postgresql; ln -sf {client} /bin/psql; chown postgres /data /run/postgresql; \
         mkdir -p /usr/share/zoneinfo; \
         su postgres -s /bin/sh -c 'initdb --no-sync -D /data -A trust -U postgres --no-locale; exec postgres -D /data -c max_connections=20'",
        bin.display()
    );
    let said = stage.run_image(
        &image,
        "postgresql",
        &["--env", "POSTGRES_USER=postgres", "--shm-size", "64m"],
        &["sh", "-c", &script],
    );
    assert!(said.ok, "{}", said.err);
    eventually("postgresql", || async {
        let said = docker(&["exec", &database, "psql", "-U", "postgres", "-c", "SELECT 1"]);
        if said.ok { Ok(()) } else { Err(format!("{} {:?}", said.err, docker(&["logs", "--tail", "20", &database]))) }
    })
    .await;
    database
}

#[tokio::test]
async fn postgresql_shows_who_blocks_whom() {
    let Some(stage) = have(&[Need::Postgresql]).then(Stage::open).flatten() else { return };
    let rig = Rig::new().await;
    let database = postgresql(&stage).await;
    assert_eq!(parameter(&rig, &database, "postgresql", "work_mem").await, "4MB");
    let set =
        |name: &str, value: &str| json!({"container": database, "engine": "postgresql", "name": name, "value": value});
    rig.act("container.set_parameter", set("work_mem", "8MB")).await;
    eventually("the new value", || async {
        let value = parameter(&rig, &database, "postgresql", "work_mem").await;
        if value == "8MB" { Ok(()) } else { Err(value.to_string()) }
    })
    .await;
    let call = set("work_mem", "9MB").as_object().cloned().expect("fields");
    let call = ActCall::decode("container.set_parameter", call).expect("a call");
    let typed = rig.environment.command(NativeCall::Act(&call)).await.expect("a command");
    let said = run(Command::new("sh").args(["-c", &typed]), Duration::from_secs(60));
    assert!(said.ok, "as a person would type it: {typed}: {}", said.err);
    eventually("what a person typed", || async {
        let value = parameter(&rig, &database, "postgresql", "work_mem").await;
        if value == "9MB" { Ok(()) } else { Err(value.to_string()) }
    })
    .await;
    for (name, value) in [("archive_command", "reboot"), ("work_mem", "lots"), ("work_mem", "1'; DROP TABLE x")] {
        assert!(rig.try_act("container.set_parameter", set(name, value)).await.is_err(), "{name} {value}");
    }
    docker_ok(&["exec", &database, "psql", "-U", "postgres", "-c", "CREATE TABLE t (n int)"]);
    let psql = |statement: &str| {
        docker_ok(&["exec", "--detach", &database, "psql", "-U", "postgres", "-c", statement]);
    };
    psql("BEGIN; LOCK TABLE t; SELECT pg_sleep(600)");
    eventually("the lock", || async {
        let locks = "SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted";
        let held = docker_ok(&["exec", &database, "psql", "-U", "postgres", "-Atc", locks]);
        if held == "1" { Ok(()) } else { Err(held) }
    })
    .await;
    psql("SELECT * FROM t");
    let listed = json!({"container": database, "engine": "postgresql"});
    let sessions = eventually("a blocked session", || async {
        let sessions = rig.read("container.sessions", listed.clone()).await;
        if sessions["sessions"][0]["blocks"] == 1 { Ok(sessions) } else { Err(sessions.to_string()) }
    })
    .await;
    assert_eq!((&sessions["count"], &sessions["limit"]), (&json!(2), &json!(20)), "{sessions}");
    let end = json!({"container": database, "engine": "postgresql", "session": sessions["sessions"][0]["id"]});
    assert_eq!(rig.act("container.terminate_session", end).await["changed"], true);
    eventually("nobody waits", || async {
        let sessions = rig.read("container.sessions", listed.clone()).await;
        if sessions["count"] == 0 { Ok(()) } else { Err(sessions.to_string()) }
    })
    .await;
}
