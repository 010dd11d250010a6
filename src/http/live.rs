//! The live feed: one JSON event a message.
//!
//! ```text
//! subscribe ─► replay from the journal after SEQ ─► go on with what is broadcast
//!                        ▲                                       │
//!                        └────── a gap, or this client lagged ◄──┘
//! ```
//!
//! What is broadcast is durable already, so the journal always has what a gap leaves out.

use super::{
    Api,
    auth::Viewer,
    body::Query,
    problem::{Problem, ProblemDocument},
};
use crate::domain::{Event, IncidentId};
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    response::Response,
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, broadcast::error::RecvError},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use utoipa::IntoParams;

/// The subprotocol that is spoken; a token may come beside it.
pub const PROTOCOL: &str = "oncalld.v1";

/// Feeds at once: each holds a buffer of a few KiB and a slot of the broadcast.
pub const MOST_FEEDS: usize = 256;

/// Events per reading of the journal.
const REPLAY_PAGE: u32 = 500;

/// A client that does not take a message for this long is let go; it can resume.
const SEND_DEADLINE: Duration = Duration::from_secs(10);

/// How often a silent client is asked whether it is there, and how long it may be silent.
const PING_EVERY: Duration = Duration::from_secs(20);
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Clients have nothing to say but pongs.
const LARGEST_MESSAGE: usize = 4096;

/// From where, and of what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// The last event that was seen: what came after it follows without a gap. Without it, only what is new.
    after: Option<u64>,
    /// Only this incident's events.
    incident: Option<String>,
}

/// The live feed, a WebSocket: one JSON event a message. Browsers send their token as a subprotocol: `oncalld.v1`
/// beside `bearer.<token>` or `bearer64.<token in base 64 for URLs>`.
#[utoipa::path(
    get, path = "/api/v1/live", tag = "live", params(Wanted),
    responses(
        (status = 101, description = "Events follow"),
        (status = 400, body = ProblemDocument, description = "`after` is beyond the journal's end"),
        (status = 404, body = ProblemDocument, description = "No such incident"),
        (status = 426, body = ProblemDocument, description = "This connection cannot become a WebSocket"),
        (status = 503, body = ProblemDocument, description = "Too many feeds"),
    )
)]
pub async fn live(
    State(api): State<Api>,
    _: Viewer,
    Query(wanted): Query<Wanted>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let permit = Arc::clone(&api.feeds)
        .try_acquire_owned()
        .map_err(|_| Problem::unavailable(format!("{MOST_FEEDS} live feeds are open; try again")))?;
    let incident = wanted.incident.map(IncidentId::new);
    if let Some(id) = &incident {
        api.engine.incident(id).await?;
    }
    let receiver = api.engine.subscribe(); // before the journal is read, or what happens in between would be lost
    if let Some(after) = wanted.after.filter(|after| *after > 0)
        && api.engine.events(None, after - 1, 1).await?.is_empty()
    {
        let detail = format!("after: the journal has no event {after} yet; was it another journal's? Load anew");
        return Err(Problem::bad_request(detail));
    }
    let feed = Feed { api, incident, last: wanted.after, receiver, _permit: permit };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(LARGEST_MESSAGE).max_frame_size(LARGEST_MESSAGE);
    Ok(upgrade.on_upgrade(|socket| feed.run(socket)))
}

struct Feed {
    api: Api,
    incident: Option<IncidentId>,
    /// The last event that was sent or passed over.
    last: Option<u64>,
    receiver: broadcast::Receiver<Arc<Event>>,
    _permit: OwnedSemaphorePermit,
}

/// Why a feed ends.
enum End {
    /// The client went away.
    Gone,
    /// We close it, with a code of RFC 6455 and a reason.
    Close(u16, &'static str),
}

const GOING_AWAY: u16 = 1001;
const TRY_AGAIN: u16 = 1013;

impl Feed {
    async fn run(mut self, mut socket: WebSocket) {
        let end = match self.replay(&mut socket).await {
            Ok(()) => self.follow(&mut socket).await,
            Err(end) => end,
        };
        if let End::Close(code, reason) = end {
            let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // If it cannot be told, it will notice.
            let _ = timeout(SEND_DEADLINE, socket.send(frame)).await;
        }
    }

    async fn follow(&mut self, socket: &mut WebSocket) -> End {
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let shutdown = self.api.shutdown.clone();
        loop {
            let step = tokio::select! {
                () = shutdown.cancelled() => Err(End::Close(GOING_AWAY, "oncalld is shutting down")),
                received = self.receiver.recv() => self.received(socket, received).await,
                message = socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
                    Some(Ok(_)) => {
                        heard = Instant::now();
                        Ok(())
                    }
                },
                _ = ping.tick() => {
                    if heard.elapsed() > LONGEST_SILENCE {
                        Err(End::Close(TRY_AGAIN, "no answer to pings; resume with ?after="))
                    } else {
                        send(socket, Message::Ping(Default::default())).await
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn received(&mut self, socket: &mut WebSocket, received: Result<Arc<Event>, RecvError>) -> Result<(), End> {
        match received {
            Ok(event) => match self.last {
                Some(last) if event.seq <= last => Ok(()),
                Some(last) if event.seq > last + 1 => {
                    self.replay(socket).await?;
                    self.last = self.last.max(Some(event.seq)); // durable before it was broadcast: the replay had it
                    Ok(())
                }
                _ => {
                    self.last = Some(event.seq);
                    self.pass_on(socket, &event).await
                }
            },
            Err(RecvError::Lagged(_)) if self.last.is_some() => self.replay(socket).await,
            Err(RecvError::Lagged(_)) => Err(End::Close(TRY_AGAIN, "too slow; connect again")),
            Err(RecvError::Closed) => Err(End::Close(GOING_AWAY, "oncalld is shutting down")),
        }
    }

    /// Sends what the journal has after the last event that was sent.
    async fn replay(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        while let Some(last) = self.last {
            let page = match self.api.engine.events(self.incident.clone(), last, REPLAY_PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a live feed could not read the journal");
                    return Err(End::Close(TRY_AGAIN, "the journal cannot be read; resume with ?after="));
                }
            };
            for event in &page {
                self.pass_on(socket, event).await?;
                self.last = Some(event.seq);
            }
            if page.len() < REPLAY_PAGE as usize {
                break;
            }
        }
        Ok(())
    }

    async fn pass_on(&self, socket: &mut WebSocket, event: &Event) -> Result<(), End> {
        if self.incident.is_some() && event.incident != self.incident {
            return Ok(());
        }
        let text = serde_json::to_string(event).map_err(|_| End::Close(TRY_AGAIN, "an event could not be written"))?;
        send(socket, Message::Text(text.into())).await
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(SEND_DEADLINE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Close(TRY_AGAIN, "too slow; resume with ?after=")),
    }
}
