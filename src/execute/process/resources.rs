//! `process.resources` and `process.processes`.

use super::{
    events::values,
    ownership::users,
    service::{Managed, blocking},
    snapshot::Snapshot,
};
use crate::{
    domain::{Values, clean_text},
    execute::ExecuteError,
    shim::proc,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long processor use is measured.
const MEASURE: Duration = Duration::from_millis(250);

/// Processes that a result lists.
const MOST_LISTED: usize = 100;

/// Processor time of every process of an instance at one moment.
struct Sample {
    instance: Snapshot,
    processes: Vec<proc::Stat>,
    at: Instant,
}

fn sample(managed: &Managed) -> std::io::Result<Vec<Sample>> {
    let sample = |instance: Snapshot| Sample { processes: instance.processes(), instance, at: Instant::now() };
    Ok(Snapshot::all(managed)?.into_iter().map(sample).collect())
}

pub(super) async fn resources(call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
    let before = blocking(call, managed, sample).await?;
    tokio::time::sleep(MEASURE).await;
    let (after, limit, host) =
        blocking(call, managed, |managed| Ok((sample(managed)?, managed.launch()?.memory, proc::memory_info())))
            .await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let instances: Vec<Value> = after
        .iter()
        .filter(|sample| !sample.processes.is_empty())
        .map(|now| {
            let then = before.iter().find(|sample| sample.instance.n == now.instance.n);
            let usage: u64 = now.processes.iter().map(|stat| stat.resident).sum();
            json!({
                "id": now.instance.name,
                "cpu_percent": then.map_or(0.0, |then| cpu_percent(then, now, cores)),
                "throttled_percent": 0.0,
                "memory_usage": usage,
                "memory_limit": limit,
                "memory_percent": percent(usage, limit),
                "pids": now.processes.len(),
                "pids_limit": null,
            })
        })
        .collect();
    let field = |instance: &Value, name: &str| instance[name].as_f64().unwrap_or_default();
    let worst = instances.iter().max_by(|a, b| field(a, "memory_usage").total_cmp(&field(b, "memory_usage"))).cloned();
    let busiest = instances.iter().map(|instance| field(instance, "cpu_percent")).fold(0.0, f64::max);
    let worst = worst.unwrap_or(json!({"memory_usage": 0, "memory_percent": percent(0, limit), "pids": 0}));
    Ok(values(json!({
        "cpu_percent": busiest,
        "throttled_percent": 0.0,
        "memory_usage": worst["memory_usage"],
        "memory_limit": limit,
        "memory_percent": worst["memory_percent"],
        "memory_peak": after.iter().map(|sample| sample.instance.state.memory_peak).max(),
        "pids": worst["pids"],
        "pids_limit": null,
        "host_memory": host.get("MemTotal").copied().unwrap_or_default(),
        "host_memory_free": host.get("MemAvailable").or(host.get("MemFree")).copied().unwrap_or_default(),
        "instances": instances,
    })))
}

fn percent(usage: u64, limit: Option<u64>) -> Option<f64> {
    limit.filter(|limit| *limit > 0).map(|limit| usage as f64 * 100.0 / limit as f64)
}

/// Of all processors, at most 100.
fn cpu_percent(then: &Sample, now: &Sample, cores: usize) -> f64 {
    let before: BTreeMap<i32, u64> = then.processes.iter().map(|stat| (stat.pid, stat.ticks)).collect();
    let used: u64 =
        now.processes.iter().map(|s| s.ticks.saturating_sub(before.get(&s.pid).copied().unwrap_or(s.ticks))).sum();
    let seconds = now.at.duration_since(then.at).as_secs_f64().max(0.001);
    (used as f64 / proc::ticks_per_second() as f64 / seconds / cores as f64 * 100.0).min(100.0)
}

pub(super) async fn processes(call: &str, managed: &Arc<Managed>) -> Result<Values, ExecuteError> {
    blocking(call, managed, |managed| {
        let users = users();
        let all: Vec<proc::Stat> = Snapshot::all(managed)?.iter().flat_map(Snapshot::processes).collect();
        let counted = |state: char| all.iter().filter(|stat| stat.state == state).count();
        let listed: Vec<Value> = all.iter().take(MOST_LISTED).map(|stat| listed(stat, &users)).collect();
        Ok(values(json!({
            "processes": listed,
            "count": all.len(),
            "zombies": counted('Z'),
            "uninterruptible": counted('D'),
        })))
    })
    .await
}

fn listed(stat: &proc::Stat, users: &BTreeMap<u32, String>) -> Value {
    let owner = proc::owner(stat.pid);
    let user = owner.map_or_else(String::new, |uid| users.get(&uid).cloned().unwrap_or_else(|| uid.to_string()));
    json!({
        "pid": stat.pid,
        "parent": stat.parent,
        "user": user,
        "state": stat.state.to_string(),
        "memory": stat.resident,
        "command": clean_text(&proc::command_line(stat), 300),
    })
}
