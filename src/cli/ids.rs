//! Ids may be given by their beginning, as long as that names one.

use super::{
    client::{Client, segment},
    failure::Failure,
};
use crate::domain::Approval;
use serde_json::Value;

/// A whole id of an incident: `inc_` and 12 characters.
const INCIDENT_LENGTH: usize = 16;

/// The incident that `given` is, or begins. Among the 500 newest: older ones are named in full.
///
/// # Errors
/// None or several begin so.
pub async fn incident(client: &Client, given: &str) -> Result<String, Failure> {
    if given.starts_with("inc_") && given.len() >= INCIDENT_LENGTH {
        return Ok(given.to_owned());
    }
    let page: Value = client.get("/api/v1/incidents?limit=500").await?;
    let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids = items.iter().filter_map(|item| item.get("id").and_then(Value::as_str));
    one("incident", "inc_", given, ids)
}

/// The pending request for a decision that `given` is, or begins; an incident with only one names that.
///
/// # Errors
/// None or several pending ones begin so.
pub async fn approval(client: &Client, given: &str) -> Result<Approval, Failure> {
    let pending: Vec<Approval> = client.get("/api/v1/approvals").await?;
    if given.starts_with("inc_") {
        let mut of_incident = pending.into_iter().filter(|approval| approval.incident.as_str().starts_with(given));
        return match (of_incident.next(), of_incident.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Failure::failed(format!("nothing of {given} waits for a decision"))),
            (Some(_), Some(_)) => Err(Failure::failed(format!("{given} waits for several decisions; name one"))),
        };
    }
    let id = one("pending approval", "apr_", given, pending.iter().map(|approval| approval.id.as_str()))?;
    let found = pending.into_iter().find(|approval| approval.id.as_str() == id);
    found.ok_or_else(|| Failure::failed(format!("{given} no longer waits for a decision")))
}

/// The incident that `given` is, or begins, among these.
///
/// # Errors
/// None or several begin so.
pub fn of_these<'a>(given: &str, ids: impl Iterator<Item = &'a str>) -> Result<String, Failure> {
    one("incident", "inc_", given, ids)
}

fn one<'a>(what: &str, prefix: &str, given: &str, ids: impl Iterator<Item = &'a str>) -> Result<String, Failure> {
    let bare = given.strip_prefix(prefix).unwrap_or(given);
    let matching: Vec<&str> =
        ids.filter(|id| id.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(bare))).collect();
    match matching[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(Failure::failed(format!("there is no {what} {given}; see `oncalld incidents`"))),
        _ => Err(Failure::failed(format!("{given} begins several: {}", matching.join(", ")))),
    }
}

/// The path of an incident's resource.
pub fn incident_path(id: &str, rest: &str) -> String {
    format!("/api/v1/incidents/{}{rest}", segment(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_that_names_one_is_enough() {
        let ids = ["inc_abc", "inc_abd", "inc_xyz"];
        let find = |given| one("incident", "inc_", given, ids.into_iter());
        assert_eq!(find("x").unwrap(), "inc_xyz");
        assert_eq!(find("inc_abc").unwrap(), "inc_abc");
        assert!(find("ab").unwrap_err().to_string().contains("inc_abc, inc_abd"));
        assert!(find("q").unwrap_err().to_string().contains("there is no incident q"));
    }
}
