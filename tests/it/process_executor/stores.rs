//! A real Redis, through its own client.

use super::{Rig, permanent, service};
use crate::support::http::free_port;
use crate::support::need::{Need, have};
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
    assert_eq!(rig.read("process.parameter", parameter).await["value"], "77");
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
