//! Use of CPU, memory and processes against their limits.

use super::{
    DockerEnvironment, cgroup,
    connect::{DEADLINE, Engine},
    error::{Answer, EngineError, within},
    inspect::Container,
};
use crate::domain::Values;
use bollard::{models::ContainerStatsResponse, query_parameters::StatsOptionsBuilder};
use futures_util::StreamExt as _;
use serde_json::json;
use std::time::Duration;

/// Between two samples. The engine's own way to a rate takes two seconds; this is long enough for a few of the
/// scheduler's periods of 100 ms.
const BETWEEN: Duration = Duration::from_millis(400);

/// One sample of the kernel's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    /// Nanoseconds of CPU used, of all CPUs.
    pub cpu: u64,
    /// The same of the whole machine.
    pub system: u64,
    pub cpus: u64,
    pub periods: u64,
    pub throttled: u64,
    /// Without the page cache that can be dropped.
    pub memory: u64,
    pub memory_peak: Option<u64>,
    pub pids: i64,
}

impl Sample {
    fn of(stats: &ContainerStatsResponse) -> Self {
        let cpu = stats.cpu_stats.clone().unwrap_or_default();
        let throttling = cpu.throttling_data.unwrap_or_default();
        let memory = stats.memory_stats.clone().unwrap_or_default();
        let usage = memory.usage.unwrap_or(0);
        let details = memory.stats.unwrap_or_default();
        let cache = ["total_inactive_file", "inactive_file"].iter().find_map(|name| details.get(*name)).copied();
        Self {
            cpu: cpu.cpu_usage.and_then(|usage| usage.total_usage).unwrap_or(0),
            system: cpu.system_cpu_usage.unwrap_or(0),
            cpus: cpu.online_cpus.map_or(1, u64::from).max(1),
            periods: throttling.periods.unwrap_or(0),
            throttled: throttling.throttled_periods.unwrap_or(0),
            memory: usage.saturating_sub(cache.unwrap_or(0)),
            memory_peak: memory.max_usage,
            pids: stats.pids_stats.as_ref().and_then(|pids| pids.current).map_or(0, |pids| pids as i64),
        }
    }

    /// Percent of the periods since its start in which it was held back.
    pub fn throttled_percent(&self) -> f64 {
        percent(self.throttled, self.periods)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { ((part as f64 * 100.0 / whole as f64) * 10.0).round() / 10.0 }
}

/// CPU of one sample against another: 100 is all of the limit, or of the machine where there is none.
fn cpu_percent(before: &Sample, after: &Sample, limit: Option<f64>) -> f64 {
    let used = after.cpu.saturating_sub(before.cpu) as f64;
    let system = after.system.saturating_sub(before.system) as f64;
    if system <= 0.0 {
        return 0.0;
    }
    let cpus = used / system * after.cpus as f64;
    let share = cpus * 100.0 / limit.unwrap_or(after.cpus as f64);
    (share.clamp(0.0, 100.0) * 10.0).round() / 10.0
}

fn throttled_between(before: &Sample, after: &Sample) -> f64 {
    let periods = after.periods.saturating_sub(before.periods);
    // Nothing ran in between: what it suffered since its start says more than nothing.
    if periods == 0 {
        after.throttled_percent()
    } else {
        percent(after.throttled.saturating_sub(before.throttled), periods)
    }
}

impl Engine {
    /// One sample, without the engine's wait for a second.
    pub async fn sample(&self, container: &Container) -> Answer<Sample> {
        let docker = self.docker()?;
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let mut stream = std::pin::pin!(docker.stats(container.id(), Some(options)));
        let first = async { Ok::<_, EngineError>(stream.next().await) };
        match within(DEADLINE, first).await? {
            Some(stats) => Ok(Sample::of(&stats?)),
            None => Err(EngineError::Broken("the engine gave no statistics".into())),
        }
    }
}

/// Use by one container.
struct Use {
    id: String,
    cpu_percent: f64,
    throttled_percent: f64,
    memory: u64,
    memory_limit: Option<i64>,
    memory_peak: Option<u64>,
    pids: i64,
    pids_limit: Option<i64>,
}

impl Use {
    fn memory_percent(&self) -> Option<f64> {
        self.memory_limit.map(|limit| percent(self.memory, limit.unsigned_abs()))
    }

    /// How near to any of its limits.
    fn strain(&self) -> f64 {
        let pids = self.pids_limit.map_or(0.0, |limit| percent(self.pids.unsigned_abs(), limit.unsigned_abs()));
        self.memory_percent().unwrap_or(0.0).max(self.cpu_percent).max(self.throttled_percent).max(pids)
    }
}

impl DockerEnvironment {
    /// The result of `container.resources`.
    pub(super) async fn resources(&self, ids: &[String]) -> Answer<Values> {
        let containers = self.some(ids).await?;
        let measured: Vec<Use> =
            futures_util::future::join_all(containers.iter().map(|container| self.used(container)))
                .await
                .into_iter()
                .collect::<Answer<_>>()?;
        let (memory, free) = self.host_memory().await?;
        let instances: Vec<_> = measured
            .iter()
            .map(|used| {
                json!({
                    "id": used.id, "cpu_percent": used.cpu_percent, "throttled_percent": used.throttled_percent,
                    "memory_usage": used.memory, "memory_limit": used.memory_limit,
                    "memory_percent": used.memory_percent(), "pids": used.pids, "pids_limit": used.pids_limit,
                })
            })
            .collect();
        let worst = measured.iter().max_by(|a, b| a.strain().total_cmp(&b.strain()));
        Ok(Values::from_iter([
            ("cpu_percent".to_owned(), json!(worst.map_or(0.0, |used| used.cpu_percent))),
            ("throttled_percent".to_owned(), json!(worst.map_or(0.0, |used| used.throttled_percent))),
            ("memory_usage".to_owned(), json!(worst.map_or(0, |used| used.memory))),
            ("memory_limit".to_owned(), json!(worst.and_then(|used| used.memory_limit))),
            ("memory_percent".to_owned(), json!(worst.and_then(Use::memory_percent))),
            ("memory_peak".to_owned(), json!(worst.and_then(|used| used.memory_peak))),
            ("pids".to_owned(), json!(worst.map_or(0, |used| used.pids))),
            ("pids_limit".to_owned(), json!(worst.and_then(|used| used.pids_limit))),
            ("host_memory".to_owned(), json!(memory)),
            ("host_memory_free".to_owned(), json!(free)),
            ("instances".to_owned(), json!(instances)),
        ]))
    }

    async fn used(&self, container: &Container) -> Answer<Use> {
        let (before, after) = if matches!(container.state(), "running" | "paused") {
            let before = self.shared.engine.sample(container).await?;
            tokio::time::sleep(BETWEEN).await;
            (before, self.shared.engine.sample(container).await?)
        } else {
            Default::default()
        };
        let peak = match (after.memory_peak, container.pid()) {
            (None, Some(pid)) if self.shared.engine.local => {
                cgroup::counts(pid, container.id()).await.and_then(|counts| counts.memory_peak)
            }
            (peak, _) => peak,
        };
        Ok(Use {
            id: container.id().to_owned(),
            cpu_percent: cpu_percent(&before, &after, container.cpu_limit()),
            throttled_percent: throttled_between(&before, &after),
            memory: after.memory,
            memory_limit: container.memory_limit(),
            memory_peak: peak,
            pids: after.pids,
            pids_limit: container.pids_limit(),
        })
    }

    /// Memory of the engine's machine, and how much of it is free; what cannot be known counts as not free.
    pub(super) async fn host_memory(&self) -> Answer<(u64, u64)> {
        let info = within(DEADLINE, self.shared.engine.docker()?.info()).await?;
        let total = info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        if !self.shared.engine.local {
            return Ok((total, 0));
        }
        let text = tokio::fs::read_to_string("/proc/meminfo").await.unwrap_or_default();
        Ok((total, available(&text).unwrap_or(0).min(total)))
    }
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_of_the_limit() {
        let before = Sample { cpus: 4, ..Sample::default() };
        let after = Sample { cpu: 500, system: 4_000, cpus: 4, periods: 10, throttled: 5, ..Sample::default() };
        assert_eq!(cpu_percent(&before, &after, Some(0.5)), 100.0);
        assert_eq!(cpu_percent(&before, &after, None), 12.5);
        assert_eq!(cpu_percent(&after, &after, None), 0.0);
        assert_eq!(throttled_between(&before, &after), 50.0);
        assert_eq!(throttled_between(&after, &after), 50.0);
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:     2048 kB\n"), Some(2 << 20));
    }
}
