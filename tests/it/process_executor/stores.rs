//! A real Redis and a real PostgreSQL, through their own clients.

use super::typed::type_in;
use super::{Rig, permanent, service, with_variables};
use crate::support::http::free_port;
use crate::support::need::{Need, have};
use crate::support::postgresql::Postgresql;
use crate::support::waiting::eventually;
use oncalld::config::{DataStore, ServiceConfig};
use serde_json::json;

#[tokio::test]
async fn settings_and_sessions_of_redis() {
    if !have(&[Need::Redis]) {
        return;
    }
    let port = free_port().to_string();
    let redis = ServiceConfig {
        address: Some(format!("127.0.0.1:{port}")),
        data_store: Some(DataStore::Redis),
        ..service(&["redis-server", "--port", &port, "--save", "", "--appendonly", "no"])
    };
    let rig = Rig::new([("redis", redis)]).await;
    rig.until_logged("redis", "Ready to accept connections").await;
    let parameter = json!({"service": "redis", "engine": "redis", "name": "maxclients"});
    let old = rig.read("process.parameter", parameter.clone()).await;
    assert!(old["value"].as_str().unwrap().parse::<u32>().is_ok(), "{old}");
    let set = json!({"service": "redis", "engine": "redis", "name": "maxclients", "value": "77"});
    rig.act("process.set_parameter", set).await;
    assert_eq!(rig.read("process.parameter", parameter.clone()).await["value"], "77");
    let other = json!({"service": "redis", "engine": "redis", "name": "maxmemory", "value": "5mb"});
    assert_eq!(type_in(&rig.typed("process.set_parameter", other).await, &[]), "OK\n", "as a person would type it");
    assert_eq!(type_in(&rig.typed("process.parameter", parameter).await, &[]), "maxclients\n77\n");
    let _client = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let sessions = rig.read("process.sessions", json!({"service": "redis", "engine": "redis"})).await;
    assert_eq!((&sessions["count"], &sessions["limit"]), (&json!(1), &json!(77)));
    let id = sessions["sessions"][0]["id"].clone();
    let end = json!({"service": "redis", "engine": "redis", "session": id});
    assert_eq!(rig.act("process.terminate_session", end).await["changed"], true);
    for (engine, name) in [("redis", "dir"), ("redis", "x y"), ("mongodb", "maxclients")] {
        let wrong = json!({"service": "redis", "engine": engine, "name": name, "value": "1"});
        permanent(rig.try_act("process.set_parameter", wrong).await);
    }
}

#[tokio::test]
async fn settings_and_sessions_of_postgresql() {
    let Some(database) = Postgresql::make() else { return };
    let argv = database.argv();
    let program = service(&argv.iter().map(String::as_str).collect::<Vec<_>>());
    let declared = ServiceConfig {
        address: Some(database.address()),
        data_store: Some(DataStore::Postgresql),
        ..with_variables(program, &[("POSTGRES_PASSWORD", "hunter2hunter2")])
    };
    let rig = Rig::new([("db", declared)]).await;
    rig.until_logged("db", "ready to accept connections").await;

    let parameter = json!({"service": "db", "engine": "postgresql", "name": "work_mem"});
    let old = rig.read("process.parameter", parameter.clone()).await;
    assert_eq!(old["value"], "4MB");
    let set = |name: &str, value: &str| json!({"service": "db", "engine": "postgresql", "name": name, "value": value});
    for value in ["8MB", "4MB"] {
        assert_eq!(rig.act("process.set_parameter", set("work_mem", value)).await["changed"], true);
        assert_eq!(rig.read("process.parameter", parameter.clone()).await["value"], value);
    }
    let typed = rig.typed("process.set_parameter", set("work_mem", "6MB")).await;
    assert!(typed.ends_with(" # with PGPASSWORD as it has it") && !typed.contains("hunter2"), "{typed}");
    type_in(&typed, &[]);
    let shown = rig.typed("process.parameter", parameter.clone()).await;
    eventually("what a person typed", || async {
        let now = type_in(&shown, &[]);
        if now == "6MB\n" { Ok(()) } else { Err(now) }
    })
    .await;
    assert_eq!(rig.act("process.set_parameter", set("work_mem", "4MB")).await["changed"], true);
    let later = rig.act("process.set_parameter", set("max_connections", "50")).await;
    assert_eq!(later["changed"], false, "it takes that only when it starts: {later}");
    for (name, value) in [("archive_command", "reboot"), ("work_mem", "lots"), ("work_mem", "1'; DROP TABLE x")] {
        permanent(rig.try_act("process.set_parameter", set(name, value)).await);
    }
    assert_eq!(rig.read("process.parameter", parameter).await["value"], "4MB", "what was refused changed nothing");

    assert!(database.ask("CREATE TABLE t (n int)").ok);
    let _holder = database.begin("BEGIN; LOCK TABLE t; SELECT pg_sleep(600)");
    let listed = json!({"service": "db", "engine": "postgresql"});
    eventually("the lock", || async {
        let held = database.ask("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND granted").out;
        if held.trim() == "1" { Ok(()) } else { Err(held) }
    })
    .await;
    let _waiter = database.begin("SELECT * FROM t");
    let blocked = eventually("somebody who waits", || async {
        let sessions = rig.read("process.sessions", listed.clone()).await;
        if sessions["sessions"][0]["blocks"] == 1 { Ok(sessions) } else { Err(sessions.to_string()) }
    })
    .await;
    let holder = &blocked["sessions"][0];
    assert_eq!(
        (&blocked["count"], &blocked["limit"], &holder["user"]),
        (&json!(2), &json!(20), &json!("postgres")),
        "{blocked}"
    );
    assert!(
        holder["query"].as_str().is_some_and(|query| query.contains("LOCK TABLE t")),
        "who is in the way: {blocked}"
    );
    let end = json!({"service": "db", "engine": "postgresql", "session": holder["id"]});
    assert_eq!(rig.act("process.terminate_session", end.clone()).await["changed"], true);
    eventually("nobody who waits", || async {
        let sessions = rig.read("process.sessions", listed.clone()).await;
        if sessions["count"] == 0 { Ok(()) } else { Err(sessions.to_string()) }
    })
    .await;
    assert_eq!(rig.act("process.terminate_session", end).await["changed"], false, "it is gone");
}
