//! The connection to an engine: its unix socket, Podman's, or TCP with or without TLS.
//!
//! Two clients share it. bollard speaks the typed API. A plain one streams logs, which bollard's decoder cannot do in
//! bounded time, and moves whole configurations as JSON, so that no field unknown to us is lost on the way.

use super::{
    dialect::Dialect,
    error::{Answer, EngineError, within},
    inspect::Container,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Every request but those that wait for something on purpose answers within this.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Where an engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// `unix:///path`, `tcp://host:port`, `http://…` or `https://…`; else `DOCKER_HOST`, else the first socket found.
    pub host: Option<String>,
    /// Folder of `ca.pem`, `cert.pem` and `key.pem`; TLS is used where it is given, or where `DOCKER_TLS_VERIFY` is set.
    pub certificates: Option<PathBuf>,
}

/// A connection that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is of no known form.
    #[error("'{0}' is not the address of an engine; write unix:///path/to.sock, tcp://host:port or https://host:port")]
    Address(String),
    /// A file of the TLS folder cannot be used.
    #[error("{}: {problem}; the folder must hold ca.pem, cert.pem and key.pem", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A client cannot be made.
    #[error("the engine's client cannot be set up: {0}")]
    Client(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Socket(PathBuf),
    Plain(String),
    Tls(String),
}

/// Sockets to look for where nothing is said, in this order.
const SOCKETS: [&str; 3] = ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"];

fn address(connection: &Connection, variable: &dyn Fn(&str) -> Option<String>) -> Result<Address, ConnectError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let host = connection.host.clone().or_else(|| variable("DOCKER_HOST"));
    let Some(host) = host else {
        let own = variable("XDG_RUNTIME_DIR").map(|folder| format!("{folder}/podman/podman.sock"));
        let mut candidates = SOCKETS.iter().map(|path| (*path).to_owned()).chain(own);
        let found = candidates.find(|path| Path::new(path).exists()).unwrap_or_else(|| SOCKETS[0].to_owned());
        return Ok(Address::Socket(found.into()));
    };
    let tls = connection.certificates.is_some() || variable("DOCKER_TLS_VERIFY").is_some();
    match host.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(Address::Socket(path.into())),
        Some(("https", authority)) => Ok(Address::Tls(authority.trim_end_matches('/').into())),
        Some(("tcp" | "http", authority)) if !authority.is_empty() => {
            let authority = authority.trim_end_matches('/').to_owned();
            Ok(if tls { Address::Tls(authority) } else { Address::Plain(authority) })
        }
        _ => Err(ConnectError::Address(host)),
    }
}

/// The engine.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    typed: Typed,
    plain: reqwest::Client,
    base: String,
    /// Who answers, once known. Another one may answer after the engine was away.
    dialect: Arc<Mutex<Option<Dialect>>>,
    /// It shares this machine with us, so that `/proc` shows its containers (where we may see them at all).
    pub local: bool,
}

/// bollard insists that a socket be there when its client is made, but the engine may come later, or come back: over a
/// socket the client, which is two words, is made for each request.
#[derive(Clone, Debug)]
enum Typed {
    Socket(String),
    Network(Docker),
}

impl Engine {
    /// Sets the clients up; nothing is sent yet.
    pub fn connect(connection: &Connection) -> Result<Self, ConnectError> {
        // The program installs it first of all; a library user may not have, and a second time changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: bollard::errors::Error| ConnectError::Client(error.to_string());
        let timeout = DEADLINE.as_secs();
        let client = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5));
        let (typed, client, base, local) = match address(connection, &|name| std::env::var(name).ok())? {
            Address::Socket(path) => {
                let host = format!("unix://{}", path.display());
                (Typed::Socket(host), client.unix_socket(path), "http://localhost".to_owned(), true)
            }
            Address::Plain(host) => {
                let docker = Docker::connect_with_http(&format!("tcp://{host}"), timeout, API_DEFAULT_VERSION);
                (Typed::Network(docker.map_err(failed)?), client, format!("http://{host}"), false)
            }
            Address::Tls(host) => {
                let folder = certificates(connection);
                let file = |name: &str| folder.join(name);
                let client = with_certificates(client, &folder)?;
                let docker = Docker::connect_with_ssl(
                    &format!("tcp://{host}"),
                    &file("key.pem"),
                    &file("cert.pem"),
                    &file("ca.pem"),
                    timeout,
                    API_DEFAULT_VERSION,
                );
                (Typed::Network(docker.map_err(failed)?), client, format!("https://{host}"), false)
            }
        };
        let plain = client.build().map_err(|error| ConnectError::Client(error.to_string()))?;
        Ok(Self { typed, plain, base, dialect: Arc::default(), local })
    }

    /// The typed client.
    pub fn docker(&self) -> Answer<Docker> {
        self.patient(Duration::ZERO)
    }

    /// A client that waits longer, for requests that take their time on purpose.
    pub fn patient(&self, extra: Duration) -> Answer<Docker> {
        let limit = DEADLINE + extra;
        match &self.typed {
            Typed::Socket(host) => Ok(Docker::connect_with_unix(host, limit.as_secs(), API_DEFAULT_VERSION)?),
            Typed::Network(docker) => Ok(docker.clone().with_timeout(limit)),
        }
    }

    /// What kind of engine answers, as found when it was last met.
    pub async fn dialect(&self) -> Answer<Dialect> {
        let known = *self.dialect.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(dialect) => Ok(dialect),
            None => self.meet().await,
        }
    }

    /// Asks what kind of engine answers now.
    pub async fn meet(&self) -> Answer<Dialect> {
        let version = self.json(self.plain.get(format!("{}/version", self.base))).await?;
        let dialect = Dialect::of(&version);
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = Some(dialect);
        Ok(dialect)
    }

    /// Asks for a stream of bytes. Path and query are made of ids, validated names and numbers only.
    pub async fn stream(&self, path: &str, query: &[(&str, String)]) -> Answer<reqwest::Response> {
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.plain.get(format!("{}{path}?{}", self.base, query.join("&")));
        answered(within(DEADLINE, request.send()).await?).await
    }

    /// A container with all that the engine knows of it.
    pub async fn inspect(&self, id: &str) -> Answer<Container> {
        check_name(id)?;
        let value = self.json(self.plain.get(format!("{}/containers/{id}/json", self.base))).await?;
        Ok(Container::new(self.dialect().await?.container(value)))
    }

    /// The paths in which a container's own files differ from those of its image.
    pub async fn changes(&self, id: &str) -> Answer<Vec<String>> {
        check_name(id)?;
        let dialect = self.dialect().await?;
        // Podman compares with the image only if it is told to; Docker does in any case.
        let value =
            self.json(self.plain.get(format!("{}/containers/{id}/changes?diffType=container", self.base))).await?;
        let paths = value.as_array().into_iter().flatten().filter_map(|change| change["Path"].as_str());
        Ok(paths.filter(|path| !dialect.writes(path)).map(str::to_owned).collect())
    }

    /// An image with all that the engine knows of it. The reference may have `/`, `:` and `@`.
    pub async fn inspect_image(&self, reference: &str) -> Answer<Value> {
        check_reference(reference)?;
        self.json(self.plain.get(format!("{}/images/{reference}/json", self.base))).await
    }

    /// Makes a container of a whole configuration; its id.
    pub async fn create(&self, name: &str, body: &Value) -> Answer<String> {
        check_name(name)?;
        let request = self.plain.post(format!("{}/containers/create?name={name}", self.base)).json(body);
        let made = self.json(request).await?;
        made["Id"].as_str().map(str::to_owned).ok_or_else(|| EngineError::Broken("the new container has no id".into()))
    }

    /// What a container that was made like another one lacks of it all the same.
    pub async fn lost(&self, old: &str, new: &str) -> Answer<Vec<String>> {
        let dialect = self.dialect().await?;
        if dialect == Dialect::Docker {
            return Ok(Vec::new());
        }
        check_name(old)?;
        check_name(new)?;
        // Podman's own API has a version in its paths; every later one serves this.
        let own = |id: &str| self.json(self.plain.get(format!("{}/v4.0.0/libpod/containers/{id}/json", self.base)));
        Ok(dialect.lost(&own(old).await?, &own(new).await?))
    }

    async fn json(&self, request: reqwest::RequestBuilder) -> Answer<Value> {
        within(DEADLINE, async { answered(request.send().await?).await?.json().await.map_err(EngineError::from) }).await
    }
}

fn certificates(connection: &Connection) -> PathBuf {
    let from_environment = || std::env::var_os("DOCKER_CERT_PATH").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    connection.certificates.clone().or_else(from_environment).or_else(home).unwrap_or_default()
}

fn with_certificates(client: reqwest::ClientBuilder, folder: &Path) -> Result<reqwest::ClientBuilder, ConnectError> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| ConnectError::Certificate { path, problem: error.to_string() })
    };
    let wrong = |name: &str, error: reqwest::Error| ConnectError::Certificate {
        path: folder.join(name),
        problem: error.to_string(),
    };
    let authority = reqwest::Certificate::from_pem_bundle(&read("ca.pem")?).map_err(|error| wrong("ca.pem", error))?;
    let mut pair = read("cert.pem")?;
    pair.push(b'\n');
    pair.extend(read("key.pem")?);
    let identity = reqwest::Identity::from_pem(&pair).map_err(|error| wrong("key.pem", error))?;
    Ok(client.tls_certs_only(authority).identity(identity))
}

/// Turns an error status into an error with the engine's own message.
async fn answered(response: reqwest::Response) -> Answer<reqwest::Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    let message = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|value| value["message"].as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned());
    Err(EngineError::Refused { status: status.as_u16(), message })
}

/// Names go into paths unescaped, by bollard too: nothing but the engine's own alphabet may pass.
pub(super) fn check_name(name: &str) -> Answer<()> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if first && name.len() <= 255 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        Ok(())
    } else {
        Err(EngineError::declined(format!("'{}' is not the name or id of a container", name.escape_debug())))
    }
}

/// The same for references of images.
pub(super) fn check_reference(reference: &str) -> Answer<()> {
    let first = reference.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let plain = reference.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/:@".contains(c));
    if first && plain && reference.len() <= 500 && !reference.contains("..") && !reference.contains("//") {
        Ok(())
    } else {
        Err(EngineError::declined(format!("'{}' is not a reference of an image", reference.escape_debug())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(host: Option<&str>, variables: &[(&str, &str)]) -> Result<Address, ConnectError> {
        let connection = Connection { host: host.map(str::to_owned), certificates: None };
        address(&connection, &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn addresses_are_understood_as_docker_does() {
        assert_eq!(resolved(Some("unix:///a.sock"), &[]).unwrap(), Address::Socket("/a.sock".into()));
        let variables = [("DOCKER_HOST", "tcp://engine:2376"), ("DOCKER_TLS_VERIFY", "1")];
        assert_eq!(resolved(None, &variables).unwrap(), Address::Tls("engine:2376".into()));
        assert_eq!(resolved(None, &variables[..1]).unwrap(), Address::Plain("engine:2376".into()));
        assert!(resolved(Some("ssh://x"), &[]).is_err());
    }

    #[test]
    fn names_that_are_paths_are_declined() {
        for name in ["api", "0f3a", "api_1.x-2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "../x", "name/json?x=", "a b", "-x", "a%2f"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_reference("host:5000/a/b:v1").is_ok());
        assert!(check_reference("a/../../containers/x").is_err());
    }
}
