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

/// Its standard input ends when the test does, however that ends; then everything goes.
const RUN: &str = r#"
    profile=$1; shift
    # It is many processes, which end together.
    setsid chromium "--user-data-dir=$profile" "$@" </dev/null >/dev/null 2>&1 &
    read -r _
    kill -KILL -$!; wait
    rm -rf "$profile""#;

/// What the browser says of an expression while one page follows another.
const BETWEEN: [&str; 3] = [
    "Cannot find default execution context",
    "Execution context was destroyed",
    "Inspected target navigated or closed",
];

/// A browser with one tab.
pub struct Browser {
    running: Running,
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
        let running = Running::start();
        let port = eventually("the browser's port", LIMIT, || {
            let text = std::fs::read_to_string(running.profile.path().join("DevToolsActivePort"));
            text.ok().and_then(|text| text.lines().next()?.parse().ok()).ok_or_else(|| "no port yet".to_owned())
        });
        let socket = RefCell::new(connect(port));
        let (sent, troubles) = (Cell::new(0), RefCell::default());
        let browser = Self { running, base: site.to_owned(), socket, sent, troubles };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser.resize(WIDTHS[1]);
        Some(browser)
    }

    /// One command of the protocol. What else the browser has to say meanwhile is looked at.
    fn call(&self, method: &str, parameters: Value) -> Value {
        self.ask(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same, where it may be refused.
    fn ask(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let id = self.send(method, &parameters);
        loop {
            let message = self.socket.borrow_mut().read().unwrap_or_else(|error| panic!("{method}: {error}"));
            let Message::Text(text) = message else { continue };
            let said: Value = serde_json::from_str(&text).expect("JSON");
            if said["id"] == id {
                let refused = &said["error"];
                return if refused.is_null() { Ok(said["result"].clone()) } else { Err(refused.to_string()) };
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
        self.value(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same; none but the reason where there is no page to evaluate it in.
    fn value(&self, expression: &str) -> Result<Value, String> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", asked)?;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is true, and returns its value.
    pub fn until(&self, what: &str, expression: &str) -> Value {
        let both = format!("Promise.all([({expression}), document.body?.innerText])");
        eventually(what, LIMIT, || {
            let seen = match self.value(&both) {
                Ok(seen) => seen,
                Err(error) if BETWEEN.iter().any(|known| error.contains(known)) => return Err(error),
                Err(error) => panic!("{expression}: {error}"),
            };
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

/// Chromium's processes and their folder. Dropping it ends them.
struct Running {
    child: Child,
    profile: TempDir,
}

impl Running {
    fn start() -> Self {
        let profile = tempfile::Builder::new().prefix("oncalld-browser").tempdir().expect("a temporary folder");
        let child = Command::new("sh")
            .args(["-c", RUN, "chromium"])
            .arg(profile.path())
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
            .args(["--remote-debugging-port=0", "about:blank"])
            .stdin(Stdio::piped())
            .process_group(0) // what interrupts the tests at a terminal must not end it before it has cleaned up
            .spawn()
            .expect("a shell");
        Self { child, profile }
    }

    /// What its end, however it comes, begins with: nobody holds its standard input any more.
    fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.let_go();
        if wait(&mut self.child, Duration::from_secs(60)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
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

#[test]
fn a_page_that_is_being_left_is_waited_for() {
    let Some(browser) = Browser::open("http://127.0.0.1:1") else { return };
    let once = "window.name === 'again' || (window.name = 'again', location.reload(), new Promise(() => {}))";
    assert_eq!(browser.until("a page loaded again", once), true);
}

#[test]
fn nothing_of_a_browser_outlives_who_holds_its_input() {
    let Some(mut browser) = Browser::open("http://127.0.0.1:1") else { return };
    let profile = browser.running.profile.path().to_owned();
    let alive = || {
        let all = std::fs::read_dir("/proc").expect("processes").flatten();
        let lines = all.filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok());
        lines.filter(|line| line.contains(&*profile.to_string_lossy())).count()
    };
    assert!(alive() > 1, "a shell and a browser");
    browser.running.let_go();
    eventually("an end", LIMIT, || match (alive(), profile.exists()) {
        (0, false) => Ok(()),
        left => Err(format!("{left:?}")),
    });
}
