//! Settings and sessions of Redis and PostgreSQL through their own clients: which commands to run, and what their
//! output means. Pure; whoever runs the commands is the executor's business.

use crate::domain::{TimeSpan, Values, is_secret_name, shell_word};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A data store that settings and sessions are known of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataStore {
    /// Redis or Valkey, through `redis-cli`.
    Redis,
    /// PostgreSQL, through `psql`.
    Postgresql,
}

/// Settings that run programs, load code, hold secrets or move the data: not for a remedy to touch, nor to show.
const REDIS_FORBIDDEN: [&str; 12] = [
    "dir",
    "dbfilename",
    "requirepass",
    "masterauth",
    "masteruser",
    "aclfile",
    "logfile",
    "pidfile",
    "unixsocket",
    "appendfilename",
    "appenddirname",
    "loadmodule",
];
const POSTGRESQL_FORBIDDEN: [&str; 12] = [
    "_command",
    "_preload_libraries",
    "library_path",
    "_file",
    "_directory",
    "conninfo",
    "password",
    "listen_addresses",
    "unix_socket",
    "plpgsql",
    "role",
    "search_path",
];

/// Sessions listed at most; more than this nobody reads, and it bounds the result.
const MOST_SESSIONS: usize = 200;

/// Characters kept of a session's query.
const QUERY_LENGTH: usize = 200;

impl std::str::FromStr for DataStore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "redis" => Ok(Self::Redis),
            "postgresql" => Ok(Self::Postgresql),
            _ => Err(format!("'{text}' is not a data store that oncalld knows; use redis or postgresql")),
        }
    }
}

impl DataStore {
    /// As in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgresql => "postgresql",
        }
    }

    /// Variables for the client, taken from those the server was started with.
    pub fn client_environment(self, server: &BTreeMap<String, String>) -> Vec<(String, String)> {
        let first = |names: &[&str]| names.iter().find_map(|name| server.get(*name)).cloned();
        let named = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
        match self {
            Self::Redis => named("REDISCLI_AUTH", first(&["REDISCLI_AUTH", "REDIS_PASSWORD"])).into_iter().collect(),
            Self::Postgresql => [
                named("PGUSER", first(&["PGUSER", "POSTGRES_USER"]).or_else(|| Some("postgres".into()))),
                named(
                    "PGDATABASE",
                    first(&["PGDATABASE", "POSTGRES_DB", "POSTGRES_USER"]).or_else(|| Some("postgres".into())),
                ),
                named("PGPASSWORD", first(&["PGPASSWORD", "POSTGRES_PASSWORD"])),
                named("PGHOST", first(&["PGHOST"])),
                named("PGPORT", first(&["PGPORT"])),
                named("PGCONNECT_TIMEOUT", Some("5".into())),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    /// The command that reads a setting.
    ///
    /// # Errors
    /// The name is not that of a setting, or of one that is not for us.
    pub fn read_parameter(self, name: &str) -> Result<Vec<String>, String> {
        self.check_name(name)?;
        Ok(match self {
            Self::Redis => words(&["redis-cli", "CONFIG", "GET", name]),
            Self::Postgresql => psql(&[&format!("SHOW {name}")]),
        })
    }

    /// The command that changes a setting while the server runs.
    ///
    /// # Errors
    /// The name or the value is not one that may be set.
    pub fn set_parameter(self, name: &str, value: &str) -> Result<Vec<String>, String> {
        self.check_name(name)?;
        if value.len() > 1_000 || value.chars().any(char::is_control) {
            return Err(format!("the value for {name} is too long or has control characters"));
        }
        Ok(match self {
            Self::Redis => words(&["redis-cli", "CONFIG", "SET", name, value]),
            Self::Postgresql => psql(&[
                &format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''")),
                "SELECT pg_reload_conf()",
            ]),
        })
    }

    /// The commands that list sessions; [`DataStore::sessions`] takes their outputs in order.
    pub fn list_sessions(self) -> Vec<Vec<String>> {
        match self {
            Self::Redis => {
                vec![words(&["redis-cli", "CLIENT", "LIST"]), words(&["redis-cli", "CONFIG", "GET", "maxclients"])]
            }
            Self::Postgresql => vec![psql(&[POSTGRESQL_SESSIONS])],
        }
    }

    /// The command that ends a session.
    ///
    /// # Errors
    /// The session is not a number.
    pub fn terminate_session(self, session: &str) -> Result<Vec<String>, String> {
        if session.is_empty() || session.len() > 20 || !session.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("'{session}' is not the id of a session; list the sessions to see them"));
        }
        Ok(match self {
            Self::Redis => words(&["redis-cli", "CLIENT", "KILL", "ID", session]),
            Self::Postgresql => psql(&[&format!("SELECT pg_terminate_backend({session})")]),
        })
    }

    /// The command that a person types to see the sessions: all that the server tells of them.
    pub fn look_at_sessions(self) -> Vec<String> {
        match self {
            Self::Redis => words(&["redis-cli", "CLIENT", "LIST"]),
            Self::Postgresql => psql(&["SELECT * FROM pg_stat_activity"]),
        }
    }

    fn check_name(self, name: &str) -> Result<(), String> {
        let plain = !name.is_empty()
            && name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let dashed = self == Self::Postgresql && name.contains('-');
        if !plain || dashed {
            return Err(format!("'{name}' is not the name of a setting of {}", self.as_str()));
        }
        let lower = name.to_ascii_lowercase();
        let forbidden = match self {
            Self::Redis => REDIS_FORBIDDEN.contains(&lower.as_str()) || lower.starts_with("tls-"),
            Self::Postgresql => POSTGRESQL_FORBIDDEN.iter().any(|part| lower.contains(part)),
        };
        if forbidden {
            return Err(format!("'{name}' runs programs, holds a secret or moves data; change it by hand"));
        }
        Ok(())
    }

    /// What reading a setting printed.
    ///
    /// # Errors
    /// The output is an error, or there is no such setting.
    pub fn parameter(self, name: &str, output: &str) -> Result<Values, String> {
        let value = match self {
            Self::Redis => {
                refused(output)?;
                let mut lines = output.lines();
                let found = lines.next().map(str::trim).filter(|found| found.eq_ignore_ascii_case(name));
                found.ok_or_else(|| format!("redis has no setting '{name}'"))?;
                lines.next().unwrap_or_default().trim()
            }
            Self::Postgresql => output.lines().next().unwrap_or_default().trim(),
        };
        Ok(Values::from_iter([
            ("engine".to_owned(), json!(self.as_str())),
            ("name".to_owned(), json!(name)),
            ("value".to_owned(), json!(value)),
        ]))
    }

    /// Whether a change that exited with 0 was done: redis-cli says what went wrong and exits with 0 all the same.
    ///
    /// # Errors
    /// What the server said.
    pub fn changed(self, output: &str) -> Result<bool, String> {
        match self {
            Self::Redis => {
                refused(output)?;
                Ok(output.trim() != "0") // `CLIENT KILL` counts
            }
            Self::Postgresql => Ok(!output.lines().any(|line| line.trim() == "f")),
        }
    }

    /// What the commands of [`DataStore::list_sessions`] printed.
    ///
    /// # Errors
    /// The output is an error or is not understood.
    pub fn sessions(self, outputs: &[String]) -> Result<Values, String> {
        let first = outputs.first().map_or("", String::as_str);
        let (mut sessions, limit) = match self {
            Self::Redis => {
                refused(first)?;
                let limit =
                    outputs.get(1).and_then(|output| output.lines().nth(1)).and_then(|line| line.trim().parse().ok());
                (first.lines().filter_map(redis_session).collect::<Vec<_>>(), limit)
            }
            Self::Postgresql => {
                let answer: Value = serde_json::from_str(first.trim())
                    .map_err(|error| format!("psql's answer is not understood: {error}"))?;
                let sessions = answer["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
                (sessions.iter().map(postgresql_session).collect(), answer["limit"].as_i64())
            }
        };
        let count = sessions.len();
        // Those that block others first, then the oldest: these are what one looks for.
        sessions.truncate(MOST_SESSIONS);
        let percent = limit.filter(|limit| *limit > 0).map(|limit: i64| count as f64 * 100.0 / limit as f64);
        Ok(Values::from_iter([
            ("engine".to_owned(), json!(self.as_str())),
            ("sessions".to_owned(), json!(sessions)),
            ("count".to_owned(), json!(count)),
            ("limit".to_owned(), json!(limit)),
            ("percent".to_owned(), json!(percent)),
        ]))
    }
}

const POSTGRESQL_SESSIONS: &str = "SELECT json_build_object('limit', current_setting('max_connections')::int, 'sessions', \
    coalesce(json_agg(s ORDER BY s.blocks DESC, s.age DESC), '[]')) FROM (SELECT a.pid AS id, a.usename AS user, \
    coalesce(a.client_addr::text, 'local') AS client, a.datname AS database, a.state, \
    extract(epoch FROM now() - coalesce(a.xact_start, a.state_change, a.backend_start))::bigint AS age, \
    left(a.query, 200) AS query, (SELECT count(*) FROM pg_stat_activity b WHERE a.pid = ANY(pg_blocking_pids(b.pid))) AS blocks \
    FROM pg_stat_activity a WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()) s";

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}

/// No start-up file, unaligned tuples only, stop at the first error; each statement on its own, as ALTER SYSTEM needs.
fn psql(statements: &[&str]) -> Vec<String> {
    let mut argv = words(&["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    for statement in statements {
        argv.extend(["-c".to_owned(), (*statement).to_owned()]);
    }
    argv
}

/// A client's variables as they are shown: `NAME=value`, and the names of those whose values are secrets.
pub fn shown(environment: &[(String, String)]) -> (Vec<String>, Vec<String>) {
    let told = environment.iter().filter(|(name, _)| name != "PGCONNECT_TIMEOUT"); // a person waits as they like
    let (secret, open): (Vec<_>, Vec<_>) = told.partition(|(name, _)| is_secret_name(name));
    let open = open.into_iter().map(|(name, value)| shell_word(&format!("{name}={value}"))).collect();
    (open, secret.into_iter().map(|(name, _)| name.clone()).collect())
}

fn refused(output: &str) -> Result<(), String> {
    let first = output.trim_start().lines().next().unwrap_or_default();
    let errors = ["ERR", "(error)", "NOAUTH", "WRONGPASS", "NOPERM", "Could not connect", "MISCONF", "LOADING"];
    if errors.iter().any(|start| first.starts_with(start)) { Err(first.to_owned()) } else { Ok(()) }
}

fn redis_session(line: &str) -> Option<Value> {
    let fields: BTreeMap<&str, &str> = line.split(' ').filter_map(|field| field.split_once('=')).collect();
    let text = |name: &str| fields.get(name).copied().unwrap_or_default();
    // Our own listing is not a session of interest.
    if text("cmd") == "client" || text("cmd") == "client|list" {
        return None;
    }
    let age = TimeSpan::from_secs(text("age").parse().unwrap_or(0));
    let blocked = text("flags").contains('b');
    Some(json!({
        "id": fields.get("id")?, "user": text("user"), "client": text("addr"), "database": text("db"),
        "state": if blocked { "blocked" } else if text("idle").parse::<u64>().unwrap_or(0) > 0 { "idle" } else { "active" },
        "age": age, "query": text("cmd"), "blocks": 0,
    }))
}

fn postgresql_session(row: &Value) -> Value {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let age = TimeSpan::from_secs(row["age"].as_i64().and_then(|age| u64::try_from(age).ok()).unwrap_or(0));
    json!({
        "id": row["id"].as_i64().unwrap_or_default().to_string(), "user": text("user"), "client": text("client"),
        "database": text("database"), "state": text("state"), "age": age,
        "query": crate::domain::clean_text(&text("query"), QUERY_LENGTH), "blocks": row["blocks"].as_i64().unwrap_or(0),
    })
}

/// How often, and how long apart, a setting is read again before it counts as not taken: servers reload in their own time.
pub const READ_BACKS: u32 = 5;
/// The pause.
pub const READ_BACK_PAUSE: Duration = Duration::from_millis(300);

/// Whether a server took a value for a setting, and what the setting is now, by what it says itself before and after:
/// servers write values in their own way (`64mb` is `67108864`), and some take them only at their next start.
pub fn taken(name: &str, wanted: &str, before: &Values, after: &Values) -> (bool, String) {
    let value = |of: &Values| of.get("value").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (before, after) = (value(before), value(after));
    if after == wanted || after != before {
        (true, format!("{name} is {after}"))
    } else {
        (false, format!("{name} is still {after}: it was that already, or takes another value only at the next start"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_taken_if_the_server_says_so() {
        let value = |text: &str| Values::from_iter([("value".to_owned(), json!(text))]);
        for (wanted, before, after, expected) in [
            ("20", "10", "20", true),
            ("64mb", "0", "67108864", true),
            ("200", "100", "100", false),
            ("100", "100", "100", true),
        ] {
            assert_eq!(taken("max", wanted, &value(before), &value(after)).0, expected, "{wanted}");
        }
    }

    #[test]
    fn settings_are_read_and_set_but_dangerous_ones_are_not() {
        let redis = DataStore::Redis;
        assert_eq!(
            redis.set_parameter("maxmemory", "4mb").unwrap(),
            ["redis-cli", "CONFIG", "SET", "maxmemory", "4mb"]
        );
        assert_eq!(redis.parameter("maxmemory", "maxmemory\n2097152\n").unwrap()["value"], "2097152");
        assert!(redis.parameter("nosuch", "\n").is_err());
        assert!(redis.changed("ERR Unknown option").is_err());
        for wrong in ["dir", "requirepass", "a b", "", "tls-key-file", "-x"] {
            assert!(redis.set_parameter(wrong, "x").is_err(), "{wrong}");
        }
        let postgresql = DataStore::Postgresql;
        let argv = postgresql.set_parameter("work_mem", "4'MB").unwrap();
        assert!(argv.contains(&"ALTER SYSTEM SET work_mem = '4''MB'".to_owned()));
        for wrong in ["archive_command", "shared_preload_libraries", "x;y", "work-mem"] {
            assert!(postgresql.set_parameter(wrong, "x").is_err(), "{wrong}");
        }
    }

    #[test]
    fn sessions_have_one_form() {
        let clients = "id=5 addr=10.0.0.2:1 name= age=12 idle=3 flags=N db=0 cmd=get user=app\n\
                       id=6 addr=10.0.0.3:1 name= age=0 idle=0 flags=N db=0 cmd=client|list user=default\n";
        let listed = DataStore::Redis.sessions(&[clients.into(), "maxclients\n10\n".into()]).unwrap();
        assert_eq!((listed["count"].clone(), listed["percent"].clone()), (json!(1), json!(10.0)));
        assert_eq!(listed["sessions"][0]["age"], "12s");
        let rows = r#"{"limit": 100, "sessions": [{"id": 7, "user": "app", "client": "local", "database": "db",
            "state": "idle in transaction", "age": 90, "query": "LOCK TABLE t", "blocks": 2}]}"#;
        let listed = DataStore::Postgresql.sessions(&[rows.into()]).unwrap();
        assert_eq!(listed["sessions"][0]["blocks"], 2);
        let shape = crate::domain::spec_of("container.sessions").unwrap().returns;
        assert!(shape.coerce(Value::Object(listed)).is_ok());
        assert!(DataStore::Redis.terminate_session("5 6").is_err());
    }
}
