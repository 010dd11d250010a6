//! The live feed as a client: connects, resumes after what was seen, and goes on.

use super::{
    client::{Client, segment},
    failure::Failure,
};
use crate::domain::{Event, IncidentId};
use futures_util::StreamExt as _;
use std::time::Duration;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The daemon pings every 20 seconds; silence of three of them means that it is gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(15);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A feed of events that survives restarts of the daemon.
pub struct Follow<'a> {
    client: &'a Client,
    incident: Option<IncidentId>,
    after: Option<u64>,
    socket: Option<Socket>,
    /// Whether it was ever connected: only then is a refusal taken for a restart.
    connected: bool,
}

impl<'a> Follow<'a> {
    /// A feed of one incident or of all, from `after` on, or of what is new.
    pub fn new(client: &'a Client, incident: Option<IncidentId>, after: Option<u64>) -> Self {
        Self { client, incident, after, socket: None, connected: false }
    }

    /// The next event.
    ///
    /// # Errors
    /// The daemon refused the first connection, or none answered.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        let mut delay = FIRST_DELAY;
        loop {
            let mut socket = match self.socket.take() {
                Some(socket) => socket,
                None => match self.connect().await {
                    Ok(socket) => {
                        self.connected = true;
                        socket
                    }
                    Err(failure) if !self.connected || !failure.may_pass => return Err(failure.into()),
                    Err(_) => {
                        sleep(delay).await;
                        delay = (delay * 2).min(LONGEST_DELAY);
                        continue;
                    }
                },
            };
            if let Some(event) = read(&mut socket).await {
                self.after = Some(event.seq);
                self.socket = Some(socket);
                return Ok(event);
            }
            sleep(FIRST_DELAY).await; // the connection ended: resume
        }
    }

    async fn connect(&self) -> Result<Socket, ConnectFailure> {
        let base = self.client.base().replacen("http", "ws", 1);
        let mut query = Vec::new();
        query.extend(self.after.map(|after| format!("after={after}")));
        query.extend(self.incident.as_ref().map(|id| format!("incident={}", segment(id.as_str()))));
        let address = format!("{base}/api/v1/live?{}", query.join("&"));
        let mut request = address.into_client_request().map_err(|error| ConnectFailure::of(self.client, &error))?;
        if let Some(token) = self.client.token() {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| ConnectFailure { may_pass: false, message: "the token has odd characters".into() })?;
            request.headers_mut().insert("authorization", value);
        }
        // An event may carry a whole binding or a page of evidence: the default of 64 MiB is far above that.
        let config = WebSocketConfig::default().max_message_size(Some(16 << 20)).max_frame_size(Some(16 << 20));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(ConnectFailure::of(self.client, &error)),
            Err(_) => Err(ConnectFailure { may_pass: true, message: "the daemon did not answer in time".into() }),
        }
    }
}

struct ConnectFailure {
    may_pass: bool,
    message: String,
}

impl ConnectFailure {
    fn of(client: &Client, error: &Error) -> Self {
        match error {
            Error::Http(response) => {
                let body = response.body().as_deref().unwrap_or_default();
                let document: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
                let detail = document.get("detail").and_then(serde_json::Value::as_str).unwrap_or("refused");
                let status = response.status();
                Self { may_pass: status.is_server_error(), message: format!("{detail} ({} {status})", client.base()) }
            }
            Error::Io(_) => Self {
                may_pass: true,
                message: format!(
                    "no daemon answers at {}: start one with `oncalld serve`, or name another with --url",
                    client.base()
                ),
            },
            other => Self { may_pass: false, message: format!("{}: {other}", client.base()) },
        }
    }
}

impl From<ConnectFailure> for Failure {
    fn from(failure: ConnectFailure) -> Self {
        Self::failed(failure.message)
    }
}

/// The next event of this connection; none when it ends. Pongs are sent by the library while it is read.
async fn read(socket: &mut Socket) -> Option<Event> {
    loop {
        match timeout(LONGEST_SILENCE, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => {
                // An event of a newer daemon, of a kind that this program does not know, is passed over.
                if let Ok(event) = serde_json::from_str(&text) {
                    return Some(event);
                }
            }
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
            Ok(Some(Ok(_))) => {}
        }
    }
}
