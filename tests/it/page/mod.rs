//! The web page in a real browser, used as people use it: nothing is complained of, and nobody else is asked.

mod incident;
mod people;
mod restart;
mod thinking;

use crate::conformance::Place;
use crate::support::browser::Browser;
use crate::support::daemon::Daemon;
use oncalld::demo::stage::quick_operations;
use oncalld::domain::Digest;
use serde_json::json;

/// What a log, an alert or a person may say, and no page may do.
const HOSTILE: &str = "<img src=x onerror=alert(1)><script>alert(2)</script>";

/// Two services, a daemon that knows whom it lets do what, and a browser.
struct Scene {
    place: Place,
    daemon: Daemon,
    browser: Browser,
}

/// The token of who has this role. A subprotocol can carry none of these characters as they are.
fn token(role: &str) -> String {
    format!("{role}/=, token")
}

impl Scene {
    fn open() -> Option<Self> {
        Self::open_with(Vec::new())
    }

    /// The same, with further files of configuration.
    fn open_with(files: Vec<(String, String)>) -> Option<Self> {
        let place = Place::process()?;
        let daemon = place.open_with(|settings| {
            let tokens = ["viewer", "responder", "approver", "admin"].map(
                |role| json!({"name": format!("the {role}"), "role": role, "hash": Digest::of(token(role).as_bytes())}),
            );
            settings.platform = json!({"tokens": tokens});
            settings.files.push(("config/operations.yml".to_owned(), quick_operations()));
            settings.files.extend(files);
            settings.token = Some(token("admin"));
        });
        let browser = Browser::open(daemon.http.base())?;
        Some(Self { place, daemon, browser })
    }

    /// Signs in by the keyboard alone.
    fn sign_in(&self, role: &str) {
        self.browser.until("the field for a token", "document.activeElement.id === 'token'");
        self.browser.write(&token(role));
        self.browser.press("Enter");
        self.browser.reads("#connection", "live");
        self.browser.reads("#who", &format!("the {role}"));
    }

    fn sign_out(&self) {
        self.browser.click("button", "Sign out");
        self.browser.until("the field for a token", "document.activeElement.id === 'token'");
    }

    /// Checks that the browser had nothing to complain about but what is expected.
    fn is_quiet(&self, expected: &[&str]) {
        let troubles = self.browser.troubles(expected);
        assert!(troubles.is_empty(), "{}", troubles.join("\n"));
    }
}
