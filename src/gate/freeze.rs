//! Freeze windows: times in which nothing may be begun.

use super::request::{Opinion, rule};
use crate::config::{Freeze, Window};
use crate::domain::Timestamp;
use chrono::Datelike as _;

/// Whether a window is open in this environment now.
pub fn is_frozen(windows: &[Freeze], environment: &str, now: Timestamp) -> bool {
    open(windows, environment, now).next().is_some()
}

/// A refusal for every window that is open in this environment now.
pub(super) fn opinions(windows: &[Freeze], environment: &str, now: Timestamp) -> Vec<Opinion> {
    let refusal = |freeze: &Freeze| {
        let reason = format!("freeze window '{}' is open: nothing is changed until it ends", freeze.name);
        Opinion::refuse(format!("{}{}", rule::FREEZE, freeze.name), reason)
    };
    open(windows, environment, now).map(refusal).collect()
}

fn open<'a>(windows: &'a [Freeze], environment: &str, now: Timestamp) -> impl Iterator<Item = &'a Freeze> {
    let here = move |freeze: &&Freeze| {
        freeze.environments.is_empty() || freeze.environments.iter().any(|name| name == environment)
    };
    windows.iter().filter(here).filter(move |freeze| is_open(&freeze.window, now))
}

fn is_open(window: &Window, now: Timestamp) -> bool {
    match window {
        Window::Once { from, to } => *from <= now && now < *to,
        Window::Daily { from, to, days } => {
            let begins_on = |day| days.is_empty() || days.contains(&day);
            let (today, time) = (now.weekday(), now.time());
            if from < to {
                begins_on(today) && *from <= time && time < *to
            } else {
                // Over midnight, or, where both are the same, a whole day.
                (begins_on(today) && *from <= time) || (begins_on(today.pred()) && time < *to)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Weekday::{Fri, Sat};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_nightly_window_belongs_to_the_day_on_which_it_begins() {
        let time = |hour| chrono::NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
        let window = Window::Daily { from: time(22), to: time(6), days: vec![Fri, Sat] };
        for (moment, open) in [
            ("2026-11-20T21:59:59Z", false), // a Friday
            ("2026-11-20T22:00:00Z", true),
            ("2026-11-21T05:59:59Z", true),
            ("2026-11-21T06:00:00Z", false),
            ("2026-11-22T03:00:00Z", true),  // Sunday morning, of Saturday's window
            ("2026-11-22T23:00:00Z", false), // Sunday has none
        ] {
            assert_eq!(is_open(&window, at(moment)), open, "{moment}");
        }
        let day = Window::Daily { from: time(9), to: time(17), days: vec![] };
        assert!(is_open(&day, at("2026-11-25T09:00:00Z")) && !is_open(&day, at("2026-11-25T17:00:00Z")));
    }

    #[test]
    fn a_window_holds_where_it_says() {
        let window = Window::Once { from: at("2026-12-24T00:00:00Z"), to: at("2026-12-27T00:00:00Z") };
        let freeze = Freeze { name: "holidays".into(), window, environments: vec!["prod".into()] };
        let now = at("2026-12-25T12:00:00Z");
        assert_eq!(opinions(std::slice::from_ref(&freeze), "prod", now)[0].rule, "freeze:holidays");
        assert!(opinions(std::slice::from_ref(&freeze), "lab", now).is_empty());
        assert!(opinions(&[freeze], "prod", at("2026-12-27T00:00:00Z")).is_empty());
    }
}
