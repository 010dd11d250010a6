//! Chromium without a window, driven over its DevTools protocol: it is clicked and typed at as by a person, and what it
//! complains about, or asks of other sites, is kept.

use super::command::{eventually, wait};
use super::http::Http;
use super::need::{Need, have};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// A browser starts, and a page becomes what is waited for, while other tests have the processors.
const LIMIT: Duration = Duration::from_secs(180);

/// Widths that pages must fit: a phone and a desk.
const WIDTHS: [u32; 2] = [390, 1280];

/// Names the folder that pictures are kept in, for who wants to look at them.
const PICTURES: &str = "TESTS_PICTURES";

/// A browser with one tab.
pub struct Browser {
    child: Child,
    _profile: TempDir,
    base: String,
    socket: RefCell<WebSocket<TcpStream>>,
    sent: Cell<u64>,
    troubles: RefCell<Vec<String>>,
}

impl Browser {
    /// A browser for the pages of one site; none if this machine has none.
    pub fn open(site: &str) -> Option<Self> {
        if !have(&[Need::Chromium]) {
            return None;
        }
        let profile = tempfile::Builder::new().prefix("oncalld-browser").tempdir().expect("a temporary folder");
        let child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // it is many processes, which end together
            .spawn()
            .expect("chromium");
        let port = eventually("the browser's port", LIMIT, || {
            let text = std::fs::read_to_string(profile.path().join("DevToolsActivePort"));
            text.ok().and_then(|text| text.lines().next()?.parse().ok()).ok_or_else(|| "no port yet".to_owned())
        });
        let socket = RefCell::new(connect(port));
        let (sent, troubles) = (Cell::new(0), RefCell::default());
        let browser = Self { child, _profile: profile, base: site.to_owned(), socket, sent, troubles };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(WIDTHS[1]);
        Some(browser)
    }

    /// One command of the protocol. What else the browser has to say meanwhile is looked at.
    fn call(&self, method: &str, parameters: Value) -> Value {
        let id = self.send(method, &parameters);
        loop {
            let message = self.socket.borrow_mut().read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Message::Text(text) = message else { continue };
            let said: Value = serde_json::from_str(&text).expect("JSON");
            if said["id"] == id {
                assert!(said["error"].is_null(), "{method}: {}", said["error"]);
                return said["result"].clone();
            }
            self.heard(&said);
        }
    }

    fn send(&self, method: &str, parameters: &Value) -> u64 {
        self.sent.set(self.sent.get() + 1);
        let text = json!({"id": self.sent.get(), "method": method, "params": parameters}).to_string();
        self.socket.borrow_mut().send(Message::text(text)).unwrap_or_else(|error| panic!("{method}: {error}"));
        self.sent.get()
    }

    fn heard(&self, event: &Value) {
        let about = &event["params"];
        let elsewhere = |url: &Value| {
            let url = url.as_str().unwrap_or_default();
            let ours = url.starts_with(&format!("{}/", self.base)) || url.starts_with("data:");
            let feed = url.starts_with(&format!("{}/", self.base.replacen("http", "ws", 1)));
            (!ours && !feed).then(|| format!("asked elsewhere: {url}"))
        };
        let trouble = match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => Some(format!("uncaught: {}", about["exceptionDetails"])),
            "Runtime.consoleAPICalled" => {
                let bad = ["error", "warning", "assert"].iter().any(|kind| about["type"] == *kind);
                bad.then(|| format!("console: {}", about["args"]))
            }
            "Log.entryAdded" => {
                let entry = &about["entry"];
                let bad = entry["level"] == "error" || entry["level"] == "warning";
                bad.then(|| format!("{}: {} {}", entry["source"], entry["text"], entry["url"]))
            }
            "Network.requestWillBeSent" => elsewhere(&about["request"]["url"]),
            "Network.webSocketCreated" => elsewhere(&about["url"]),
            "Page.javascriptDialogOpening" => {
                self.send("Page.handleJavaScriptDialog", &json!({"accept": false})); // all stands still until then
                Some(format!("a dialog: {}", about["message"]))
            }
            _ => None,
        };
        self.troubles.borrow_mut().extend(trouble);
    }

    /// What went wrong since the last look, but for what contains one of these.
    pub fn troubles(&self, expected: &[&str]) -> Vec<String> {
        self.eval("0"); // what happened before this has been heard of after it
        let all = self.troubles.take();
        all.into_iter().filter(|trouble| !expected.iter().any(|part| trouble.contains(part))).collect()
    }

    /// Opens a page of the site: `#/approvals`.
    pub fn visit(&self, path: &str) {
        self.go(&format!("{}/{path}", self.base));
    }

    fn go(&self, address: &str) {
        let gone = self.call("Page.navigate", json!({"url": address}));
        assert!(gone["errorText"].is_null(), "{address}: {}", gone["errorText"]);
        self.until("a loaded page", "document.readyState === 'complete'");
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.eval("window.before = true");
        self.call("Page.reload", json!({}));
        self.until("a page loaded again", "!window.before && document.readyState === 'complete'");
    }

    /// The value of an expression in the page.
    pub fn eval(&self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true, and returns its value.
    pub fn until(&self, what: &str, expression: &str) -> Value {
        let both = format!("[({expression}), document.body?.innerText]");
        eventually(what, LIMIT, || {
            let seen = self.eval(&both);
            let value = &seen[0];
            let is = !value.is_null() && ![json!(false), json!(""), json!(0)].contains(value);
            if is {
                Ok(value.clone())
            } else {
                Err(format!("{}\n{:?}", seen[1].as_str().unwrap_or_default(), self.troubles))
            }
        })
    }

    /// Waits until this text can be read in what a selector names.
    pub fn reads(&self, selector: &str, text: &str) {
        let read = format!("{}.some((node) => node.innerText.includes({}))", shown(selector), json!(text));
        self.until(&format!("{selector} reads {text}"), &read);
    }

    /// How many of these can be seen.
    pub fn count(&self, selector: &str) -> usize {
        self.eval(&format!("{}.length", shown(selector))).as_u64().unwrap_or_default() as usize
    }

    /// Clicks in the middle of what has this selector and reads this; waits until it can be clicked.
    pub fn click(&self, selector: &str, text: &str) {
        let middle = format!(
            "(() => {{
                const node = {}.find((node) => node.innerText.includes({}) && !node.disabled);
                if (!node) return null;
                node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const box = node.getBoundingClientRect();
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                return node.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
            }})()",
            shown(selector),
            json!(text)
        );
        let at = self.until(&format!("{selector} {text} can be clicked"), &middle);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// Types into what has the focus.
    pub fn write(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key: `Enter` or `Tab`.
    pub fn press(&self, key: &str) {
        let (code, text) = if key == "Enter" { (13, "\r") } else { (9, "") };
        let event = |kind: &str| json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
        let mut down = event(if text.is_empty() { "rawKeyDown" } else { "keyDown" });
        down["text"] = json!(text);
        self.call("Input.dispatchKeyEvent", down);
        self.call("Input.dispatchKeyEvent", event("keyUp"));
    }

    fn resize(&self, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Checks that nothing of the page sticks out at the side, on a phone and on a desk. Keeps pictures, in light and in
    /// dark, if a folder for them is named.
    pub fn fits(&self, name: &str) {
        for width in WIDTHS {
            self.resize(width);
            let wide = self.eval("document.documentElement.scrollWidth").as_u64().expect("a width");
            assert!(wide <= u64::from(width), "{name}: {wide} wide on a screen of {width}");
            for scheme in ["light", "dark"] {
                self.picture(name, width, scheme);
            }
        }
    }

    fn picture(&self, name: &str, width: u32, scheme: &str) {
        let Some(folder) = std::env::var_os(PICTURES) else { return };
        let scheme_is = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", scheme_is);
        let height = self.eval("Math.max(700, document.documentElement.scrollHeight)");
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let taken = self.call("Page.captureScreenshot", json!({"clip": clip, "captureBeyondViewport": true}));
        let image = STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("base 64");
        std::fs::write(PathBuf::from(folder).join(format!("{name}-{width}-{scheme}.png")), image).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_raw(self.child.id() as i32).expect("a pid");
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        wait(&mut self.child, Duration::from_secs(20));
    }
}

/// What a selector names and can be seen.
fn shown(selector: &str) -> String {
    format!("[...document.querySelectorAll({})].filter((node) => node.checkVisibility())", json!(selector))
}

fn connect(port: u16) -> WebSocket<TcpStream> {
    let http = Http::to(port, None);
    let address = eventually("a tab", LIMIT, || {
        let tabs = http.get("/json/list")?.json();
        let tab = tabs.as_array().and_then(|all| all.iter().find(|tab| tab["type"] == "page"));
        tab.and_then(|tab| tab["webSocketDebuggerUrl"].as_str().map(str::to_owned)).ok_or_else(|| tabs.to_string())
    });
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser");
    stream.set_read_timeout(Some(LIMIT)).expect("a time-out");
    client(address, stream).expect("a session with the browser").0
}

#[test]
fn what_a_page_does_wrong_is_heard_of() {
    let Some(browser) = Browser::open("http://127.0.0.1:1") else { return };
    let page = |body: &str| {
        browser.go(&format!(
            "data:text/html,<meta http-equiv=Content-Security-Policy content=\"script-src 'nonce-1'\">{body}"
        ));
        browser.troubles(&[])
    };
    assert_eq!(page("<p>nothing"), [""; 0]);
    for (body, said) in [
        ("<script>1</script>", "Content Security Policy"),
        ("<script nonce=1>console.error('odd')</script>", "odd"),
        ("<script nonce=1>nothing.at.all</script>", "ReferenceError"),
        ("<script nonce=1>alert(1)</script>", "a dialog"),
        ("<img src=http://127.0.0.1:2/x>", "asked elsewhere"),
    ] {
        let troubles = page(body);
        assert!(troubles.iter().any(|trouble| trouble.contains(said)), "{body}: {troubles:?}");
    }
}
