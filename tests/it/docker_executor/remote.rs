//! An engine that is elsewhere: behind TLS, and with nothing of its containers on this machine.

use super::{Rig, declared, eventually};
use crate::support::command::run;
use crate::support::need::{Need, have};
use crate::support::stage::{Stage, docker_ok};
use oncalld::execute::docker::{Connection, DeclaredService};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixStream};

/// Makes an authority, and certificates of a server and of a client.
fn certificates(folder: &Path) {
    let script = r#"set -e; cd "$1"
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 2 -subj /CN=authority 2>/dev/null
        for name in server client; do
            openssl req -newkey rsa:2048 -nodes -keyout $name-key.pem -out $name.csr -subj /CN=$name 2>/dev/null
            printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n' >$name.ext
            openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out $name.pem -days 2 \
                -extfile $name.ext 2>/dev/null
        done
        mkdir client; cp ca.pem client/; cp client.pem client/cert.pem; cp client-key.pem client/key.pem"#;
    let said = run(std::process::Command::new("sh").args(["-c", script, "sh"]).arg(folder), Duration::from_secs(60));
    assert!(said.ok, "{}", said.err);
}

/// Puts TLS that asks for a client's certificate before the engine's socket, as an engine on TCP has it; its port.
async fn behind_tls(folder: &Path, socket: String) -> u16 {
    let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name)).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("an authority");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let key = PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate("server.pem")], key)
        .expect("a server");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = UnixStream::connect(socket).await.expect("the engine's socket");
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn an_engine_behind_tls_answers_everything_through_its_api_alone() {
    let Some(stage) = have(&[Need::Openssl]).then(Stage::open).flatten() else { return };
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
    let socket = host.strip_prefix("unix://").expect("tests use an engine on a socket");
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    certificates(folder.path());
    let port = behind_tls(folder.path(), socket.to_owned()).await;
    let connection =
        Connection { host: Some(format!("tcp://127.0.0.1:{port}")), certificates: Some(folder.path().join("client")) };
    let (app, db) = (stage.unique("app"), stage.unique("db"));
    let facts = DeclaredService {
        clearable: vec!["/data/cache".into(), "/data/link".into()],
        ownable: vec!["/data".into()],
        depends_on: vec![db.clone()],
        ..declared()
    };
    let rig = Rig::at(connection, folder.clone(), vec![(app.clone(), facts)]).await;
    assert!(rig.environment.answers().await);

    let network = stage.network("net");
    stage.run("db", &["--network", &network, "--expose", "8080"], &["httpd", "-f", "-p", "8080"]);
    let script =
        "mkdir -p /data/cache/deep; ln -s /etc /data/link; echo x >/data/cache/deep/file; echo ready; sleep 600";
    stage.run("app", &["--network", &network, "--tmpfs", "/data:size=1m"], &["sh", "-c", script]);
    let logs = eventually("its log", || async {
        let logs = rig.read("container.logs", json!({"containers": [app]})).await;
        if logs["matched"] == 1 { Ok(logs) } else { Err(logs.to_string()) }
    })
    .await;
    assert_eq!(logs["lines"][0]["text"], "ready");
    let disk = rig.read("container.disk", json!({"containers": [app], "service": app})).await;
    assert!(
        disk["mounts"]
            .as_array()
            .is_some_and(|mounts| mounts.iter().any(|m| m["path"] == "/data" && m["size"] == 1 << 20)),
        "{disk}"
    );
    assert_eq!(disk["clearable"][0]["path"], "/data/cache");
    let needed = rig.read("container.dependencies", json!({"service": app})).await;
    assert_eq!(needed["all_ready"], true, "{needed}");
    // A program in the container tries it, and may be too late to tell.
    super::eventually("it is found not to be reachable", || async {
        let reach = rig.read("container.connectivity", json!({"from": app, "to": db, "port": 9})).await;
        if reach["reachable"] == false { Ok(()) } else { Err(reach.to_string()) }
    })
    .await;
    let used = rig.read("container.resources", json!({"containers": [app]})).await;
    assert_eq!(used["host_memory_free"], 0, "what cannot be known is not promised");

    let clear = |path: &str| json!({"container": app, "service": app, "path": path});
    assert!(rig.try_act("container.clear_path", clear("/data/link")).await.is_err(), "a link");
    assert_eq!(rig.act("container.clear_path", clear("/data/cache")).await["changed"], true);
    assert_eq!(docker_ok(&["exec", &app, "sh", "-c", "ls /data/cache | wc -l; ls /etc/group"]), "0\n/etc/group");
    rig.act("container.set_ownership", json!({"container": app, "service": app, "path": "/data", "owner": "7:7"}))
        .await;
    assert_eq!(docker_ok(&["exec", &app, "stat", "-c", "%u:%g", "/data"]), "7:7");
    assert!(rig.try_act("container.rotate_logs", json!({"container": app})).await.is_err(), "its log is elsewhere");
    let done = rig
        .act("container.recreate", json!({"container": app, "key": "t1", "restore": [], "set": {}, "remove": []}))
        .await;
    assert_eq!(done["changed"], true);

    // Without the certificate nothing is answered.
    let stranger = Connection { host: Some(format!("tcp://127.0.0.1:{port}")), certificates: None };
    let stranger = Rig::at(stranger, Arc::new(tempfile::tempdir().expect("a temporary folder")), Vec::new()).await;
    assert!(!stranger.environment.answers().await);
}
