//! Which labels name a target, and how specific each is.

/// How a label's value names a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// The name of a service, an alias, or the name of an instance (a container, a pod).
    Name,
    /// A cgroup path or runtime reference that holds a container id: `/docker/4f3c…`, `docker://4f3c…`.
    Id,
    /// An address: `api:8080`, `http://api:8080/health`.
    Address,
}

/// Labels of one rank, and what they are worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank {
    pub labels: &'static [(&'static str, Naming)],
    /// Whether the scraper sets such a label to the exporter, so that an exporter found by it is not the target.
    pub of_scrape: bool,
    /// Whether it describes the subject of the alert: such ranks must agree. What the scraper knows (job, instance) counts
    /// only where none of them names anything.
    pub subject: bool,
}

use Naming::{Address, Id, Name};

/// What the scraped thing says of itself where the scraper had a label of the same name: always about the subject.
pub(super) const EXPORTED: &[Rank] = &[
    Rank { labels: &[("exported_pod", Name)], of_scrape: false, subject: true },
    Rank {
        labels: &[("exported_container", Name), ("exported_container_name", Name)],
        of_scrape: false,
        subject: true,
    },
    Rank { labels: &[("exported_name", Name)], of_scrape: false, subject: true },
    Rank {
        labels: &[("exported_deployment", Name), ("exported_statefulset", Name), ("exported_daemonset", Name)],
        of_scrape: false,
        subject: true,
    },
    Rank { labels: &[("exported_service", Name)], of_scrape: false, subject: true },
    Rank { labels: &[("exported_job", Name), ("exported_instance", Address)], of_scrape: false, subject: false },
];

/// The others, most specific first.
pub(super) const PLAIN: &[Rank] = &[
    Rank { labels: &[("container_id", Id), ("id", Id)], of_scrape: false, subject: true },
    Rank { labels: &[("pod", Name), ("pod_name", Name)], of_scrape: true, subject: true },
    Rank { labels: &[("container", Name), ("container_name", Name)], of_scrape: true, subject: true },
    // cAdvisor's name of a container, node_exporter's of a unit, process_exporter's of a group.
    Rank { labels: &[("name", Name), ("groupname", Name)], of_scrape: false, subject: true },
    Rank {
        labels: &[("compose_service", Name), ("container_label_com_docker_compose_service", Name)],
        of_scrape: false,
        subject: true,
    },
    Rank {
        labels: &[
            ("deployment", Name),
            ("statefulset", Name),
            ("daemonset", Name),
            ("workload", Name),
            ("cronjob", Name),
            ("job_name", Name),
            ("app", Name),
        ],
        of_scrape: true,
        subject: true,
    },
    Rank { labels: &[("service", Name), ("service_name", Name)], of_scrape: true, subject: true },
    // blackbox_exporter's relabelling puts the probed address into instance; some set target instead.
    Rank { labels: &[("job", Name), ("target", Address), ("instance", Address)], of_scrape: true, subject: false },
];

/// Labels that tell two Compose projects' services of one name apart.
pub(super) const PROJECT: &[&str] =
    &["compose_project", "container_label_com_docker_compose_project", "com_docker_compose_project"];

/// Words in the name or image of what only reports on others.
const EXPORTERS: &[&str] = &[
    "exporter",
    "cadvisor",
    "blackbox",
    "kube-state-metrics",
    "kubelet",
    "pushgateway",
    "telegraf",
    "otel-collector",
    "opentelemetry-collector",
    "grafana-agent",
    "grafana/alloy",
];

/// Whether a service of this name and these images reports on others.
pub(super) fn is_exporter<'a>(name: &str, mut images: impl Iterator<Item = &'a str>) -> bool {
    let exports = |text: &str| {
        let text = text.to_ascii_lowercase().replace('_', "-");
        EXPORTERS.iter().any(|word| text.contains(word))
    };
    exports(name) || images.any(exports)
}

/// The `host:port` of an address, without scheme, credentials and path.
pub(super) fn host_and_port(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The host alone; an IPv6 address keeps its brackets.
pub(super) fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Runs of at least twelve hexadecimal digits: what may be a container's id.
pub(super) fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_hexdigit()).filter(|part| part.len() >= 12)
}
