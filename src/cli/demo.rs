//! `oncalld demo`: breaks a small real service, sends itself the alert, and shows what comes of it.
//!
//! What happens goes to standard error as it happens; the report, at the end, to standard output.

use super::{
    Failure, Output,
    client::{Client, Connection, segment},
    configuration,
    follow::Follow,
    live::Feed,
    print, print_json,
    style::{Style, Tone},
};
use crate::{
    app::{self, App},
    config::read::Loaded,
    demo::{Fault, Stage, sabotage::sabotage},
    domain::{Approval, Event, EventBody, Incident, IncidentId},
    shim::control::end_all,
    telemetry,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long three services may take to start. It takes a second, unless the machine is overloaded.
const START: Duration = Duration::from_secs(60);

/// How long the services may take to end.
const END: Duration = Duration::from_secs(10);

/// What to break, and how much to ask.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What to break; see --list.
    #[arg(long, value_enum, default_value = "crash-on-setting", value_name = "NAME", hide_possible_values = true)]
    fault: Fault,
    /// Name the faults, one a line.
    #[arg(long)]
    list: bool,
    /// Approve the fix without asking.
    #[arg(long, short)]
    yes: bool,
    /// End after the report.
    #[arg(long)]
    once: bool,
}

/// Runs the demo. The exit code is 0 only if the verdict and the cause are right.
pub(super) fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    if arguments.list {
        let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        print(&names.join("\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(play(arguments, output));
    // A question that nobody answered waits for a line that will not come.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// Sets the stage, plays, and leaves nothing behind.
async fn play(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    let stage = Stage::set(arguments.fault)?;
    let result = with_daemon(arguments, output, &stage).await;
    if end_all(&stage.services, END).await {
        stage.strike();
    }
    result
}

/// Starts the daemon as `serve` does, only inside this process, and plays against its API.
async fn with_daemon(arguments: &Arguments, output: Output, stage: &Stage) -> Result<ExitCode, Failure> {
    let Loaded { config, variables } = configuration::load_with_variables(Some(&stage.config()))?;
    // Its log would run into the live lines; it is there for who asks for it.
    if variables.contains_key("ONCALLD_TELEMETRY__LEVEL") {
        telemetry::install(&config.platform.telemetry).map_err(Failure::failed)?;
    }
    let app = App::build(Arc::new(config), app::loader(variables)).await.map_err(Failure::failed)?;
    let play = Play::new(arguments, output, stage, app.address())?;
    let interrupted = interrupted()?;
    tokio::pin!(interrupted);
    let stop = CancellationToken::new();
    let unchanging = Box::pin(futures_util::stream::empty());
    let running = tokio::spawn(app.run(stop.clone().cancelled_owned(), unchanging, None));
    let result = tokio::select! {
        result = play.all() => result.map(Some),
        () = &mut interrupted => Ok(None),
    };
    if matches!(result, Ok(Some(_))) && !arguments.once {
        play.say("demo", "it stays up; Ctrl-C ends it");
        interrupted.await;
    }
    stop.cancel();
    running.await.map_err(Failure::failed)?;
    // Whoever interrupts the play does not know how it would have ended.
    Ok(result?.unwrap_or(ExitCode::FAILURE))
}

/// Resolves when someone wants the demo to end: the services must not be left running.
fn interrupted() -> io::Result<impl Future<Output = ()>> {
    let [mut interrupt, mut terminate, mut hangup] =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// One run of the demo.
struct Play<'a> {
    arguments: &'a Arguments,
    output: Output,
    stage: &'a Stage,
    client: Client,
    style: Style,
}

/// How the incident went.
struct Outcome {
    incident: Incident,
    /// Native calls that changed something.
    acted: usize,
}

impl<'a> Play<'a> {
    fn new(arguments: &'a Arguments, output: Output, stage: &'a Stage, daemon: SocketAddr) -> Result<Self, Failure> {
        let connection = Connection { url: format!("http://{daemon}"), token: None, token_file: None };
        let client = Client::new(&connection)?;
        Ok(Self { arguments, output, stage, client, style: Style::of_stderr() })
    }

    async fn all(&self) -> Result<ExitCode, Failure> {
        let fault = self.arguments.fault;
        self.until_well().await?;
        self.say("demo", "cache, api and web run, and all is well");
        self.page();
        self.say("fault", fault.story());
        sabotage(fault, self.stage).await?;
        let incident = self.alert().await?;
        let outcome = self.watch(incident).await?;
        self.report(&outcome).await?;
        let right = self.judge(&outcome);
        if !self.arguments.once {
            self.page(); // it stays up, and the report scrolled the address away
        }
        Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn page(&self) {
        self.say("page", &format!("{}/", self.client.base()));
    }

    /// Something that the demo itself has to say, in the form of the live lines.
    fn say(&self, heading: &str, text: &str) {
        let (time, heading) = (self.style.time(chrono::Utc::now()), format!("{heading:<11}"));
        let text = self.style.in_column(time.len() + heading.len() + 3, text);
        let (time, heading) = (self.style.paint(Tone::Faint, &time), self.style.paint(Tone::Strong, &heading));
        let _ = writeln!(io::stderr(), "{time}  {heading} {text}"); // whoever watched may be gone
    }

    async fn until_well(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + START;
        loop {
            let ready = self.client.get::<Value>("/ready").await.is_ok() && self.inventory_has_all().await;
            if ready && tokio::task::block_in_place(|| self.stage.all_well()) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Failure::failed(format!("the demo's services are not well within {} s", START.as_secs())));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The alert is resolved against the inventory, which is read from time to time.
    async fn inventory_has_all(&self) -> bool {
        self.client.get::<Value>("/api/v1/services").await.is_ok_and(|services| {
            let text = services.to_string();
            ["\"cache\"", "\"api\"", "\"web\""].iter().all(|name| text.contains(name))
        })
    }

    /// Sends what Alertmanager would send.
    async fn alert(&self) -> Result<IncidentId, Failure> {
        let name = self.arguments.fault.alert();
        let labels = json!({"alertname": name, "service": "api", "severity": "critical", "job": "demo"});
        let body = json!({
            "version": "4",
            "groupKey": format!("{{}}:{{alertname=\"{name}\"}}"),
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "oncalld",
            "groupLabels": {"alertname": name},
            "commonLabels": labels,
            "commonAnnotations": {},
            "routeLabels": {},
            "notification_reason": "first notification",
            "externalURL": "http://alertmanager.example:9093",
            "alerts": [{
                "status": "firing",
                "labels": labels,
                "annotations": {"summary": format!("{name}: api")},
                "startsAt": chrono::Utc::now().to_rfc3339(),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example:9090/graph",
                "fingerprint": "b3a1f0c2d4e5f607",
            }],
        });
        self.say("alert", &format!("POST {}/api/v1/alerts/alertmanager  {name} service=api", self.client.base()));
        let answer = self.client.change(Method::POST, "/api/v1/alerts/alertmanager", &body).await?;
        let incident = answer["incidents"][0].as_str().map(IncidentId::new);
        incident.ok_or_else(|| Failure::failed(format!("the alert opened no incident: {answer}")))
    }

    /// Shows the incident as it unfolds, and asks where it is asked.
    async fn watch(&self, incident: IncidentId) -> Result<Outcome, Failure> {
        let mut feed = Feed::new(self.style);
        let mut follow = Follow::new(&self.client, Some(incident.clone()), Some(0));
        let mut acted = 0;
        loop {
            let event = match timeout(PATIENCE, follow.next()).await {
                Ok(event) => event?,
                Err(_) => return Err(Failure::failed(format!("nothing happened for {} s", PATIENCE.as_secs()))),
            };
            for line in feed.render(&event) {
                let _ = writeln!(io::stderr(), "{line}"); // whoever watched may be gone
            }
            match &event.body {
                EventBody::ApprovalRequested { approval } => self.decide(approval).await?,
                EventBody::CallIntended { .. } => acted += 1,
                _ if is_end(&event) => break,
                _ => {}
            }
        }
        let path = format!("/api/v1/incidents/{}", segment(incident.as_str()));
        Ok(Outcome { incident: self.client.get(&path).await?, acted })
    }

    async fn decide(&self, approval: &Approval) -> Result<(), Failure> {
        let yes = self.arguments.yes || ask("approve? [y/N] ").await?;
        let what = if yes { "approve" } else { "deny" };
        let path = format!("/api/v1/approvals/{}/{what}", segment(approval.id.as_str()));
        let body = json!({"digest": approval.digest, "comment": "in the demo"});
        self.client.change(Method::POST, &path, &body).await.map(drop)
    }

    /// Says whether it came out as it should.
    fn judge(&self, outcome: &Outcome) -> bool {
        let expected = self.arguments.fault.expected();
        let Outcome { incident, acted } = outcome;
        let cause = incident.cause.as_ref().map(|cause| cause.code.as_str());
        let verdict = incident.verdict;
        let untouched = expected.cause.is_some() || *acted == 0;
        let right = cause == expected.cause && verdict == Some(expected.verdict) && untouched;
        let word = verdict.map_or("no verdict", |verdict| verdict.as_str());
        let found = format!("{word}, cause {}", cause.unwrap_or("none"));
        let text = if right {
            self.style.paint(Tone::Good, &format!("{found}: right"))
        } else {
            let wanted = format!("{}, cause {}", expected.verdict, expected.cause.unwrap_or("none"));
            self.style.paint(Tone::Bad, &format!("{found}; it should have been {wanted}"))
        };
        self.say("outcome", &text);
        right
    }

    async fn report(&self, outcome: &Outcome) -> Result<(), Failure> {
        if self.output.json {
            return print_json(&outcome.incident);
        }
        let path = format!("/api/v1/incidents/{}/report", segment(outcome.incident.id.as_str()));
        let report = self.client.get_text(&path, "text/markdown").await?;
        print(&report)
    }
}

/// How long nothing may happen. Checks through a soak say nothing for a while.
const PATIENCE: Duration = Duration::from_secs(120);

/// Nothing more comes of it by itself.
fn is_end(event: &Event) -> bool {
    matches!(event.body, EventBody::IncidentClosed { .. } | EventBody::IncidentEscalated { .. })
}

/// Asks a person. No answer at all, as from a closed input, is a no.
async fn ask(question: &'static str) -> Result<bool, Failure> {
    let asked = tokio::task::spawn_blocking(move || {
        let mut err = io::stderr();
        write!(err, "{question}")?;
        err.flush()?;
        let mut answer = String::new();
        if io::stdin().read_line(&mut answer)? == 0 {
            writeln!(err)?;
        }
        Ok::<_, io::Error>(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    });
    Ok(asked.await.map_err(Failure::failed)??)
}
