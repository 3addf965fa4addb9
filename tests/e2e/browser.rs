//! Chromium without a window, driven by its DevTools protocol: messages of JSON over a pipe, each ended by a NUL.
//!
//! All that a page complains of is kept: errors, what its policy forbids, and requests to anywhere but the page itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::run::Folder;

/// More than any page takes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium reads commands from descriptor 3 and answers on 4.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

const FLAGS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-device-scale-factor=1",
    "--window-size=1280,900",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    /// Of the page.
    session: Option<String>,
    sent: u64,
    url: String,
    complaints: Vec<String>,
    /// What it keeps. Goes when it has ended.
    _profile: Folder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Dark,
    Light,
}

/// A key that is more than its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    ArrowDown,
    ArrowRight,
    Enter,
    Escape,
    Slash,
    Tab,
}

impl Browser {
    /// Opens a file and waits until its script is ready.
    pub(crate) fn open(file: &str, scheme: Scheme) -> Result<Self> {
        let mut browser = Self::start()?;
        let target = browser.command("Target.createTarget", json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.command("Target.attachToTarget", attach)?;
        browser.session = Some(session["sessionId"].as_str().context("a session")?.to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.command(&format!("{domain}.enable"), json!({}))?;
        }
        browser.prefer(scheme)?;
        browser.url = format!("file://{file}");
        let opened = browser.command("Page.navigate", json!({"url": browser.url}))?;
        ensure!(opened["errorText"].is_null(), "{opened}");
        browser.eventually("document.documentElement?.dataset.ready === 'true'")?;
        Ok(browser)
    }

    fn start() -> Result<Self> {
        let profile = Folder::new()?;
        let mut command = Command::new("sh");
        command.args(["-c", WITH_PIPES, "chromium"]).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path("profile"))).env("HOME", profile.path("home"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting chromium")?;
        let commands = process.stdin.take();
        let messages = receive(process.stdout.take().context("standard output was asked for")?);
        Ok(Self {
            process,
            commands,
            messages,
            session: None,
            sent: 0,
            url: String::new(),
            complaints: Vec::new(),
            _profile: profile,
        })
    }

    /// What the user's settings say.
    pub(crate) fn prefer(&mut self, scheme: Scheme) -> Result<()> {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.command("Emulation.setEmulatedMedia", features).map(drop)
    }

    /// The page as it is printed, on the screen.
    pub(crate) fn lay_on_paper(&mut self) -> Result<()> {
        self.command("Emulation.setEmulatedMedia", json!({"media": "print"})).map(drop)
    }

    /// A window of another size, in CSS pixels.
    pub(crate) fn resize(&mut self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", metrics).map(drop)
    }

    /// The value of an expression, by way of JSON.
    pub(crate) fn value(&mut self, expression: &str) -> Result<Value> {
        let arguments = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.command("Runtime.evaluate", arguments)?;
        ensure!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        Ok(answer["result"]["value"].clone())
    }

    pub(crate) fn text(&mut self, expression: &str) -> Result<String> {
        let value = self.value(expression)?;
        value.as_str().map(str::to_owned).with_context(|| format!("{expression} is {value}"))
    }

    /// The text of the first element that a CSS selector finds.
    pub(crate) fn text_of(&mut self, selector: &str) -> Result<String> {
        self.text(&format!("document.querySelector({}).innerText", json!(selector)))
    }

    pub(crate) fn holds(&mut self, condition: &str) -> Result<()> {
        let found = self.value(condition)?;
        ensure!(found == true, "`{condition}` is {found}");
        Ok(())
    }

    /// Waits until it holds.
    pub(crate) fn eventually(&mut self, condition: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.value(condition)? != true {
            self.is_content()?;
            ensure!(Instant::now() < deadline, "`{condition}` does not come to hold");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn press(&mut self, key: Key) -> Result<()> {
        let (name, code, text) = key.description();
        let event = |kind: &str| json!({"type": kind, "key": name, "code": key.code(), "windowsVirtualKeyCode": code});
        let mut down = event("keyDown");
        if let Some(text) = text {
            down["text"] = text.into();
        }
        self.command("Input.dispatchKeyEvent", down)?;
        self.command("Input.dispatchKeyEvent", event("keyUp")).map(drop)
    }

    /// Types where the focus is.
    pub(crate) fn write(&mut self, text: &str) -> Result<()> {
        self.command("Input.insertText", json!({"text": text})).map(drop)
    }

    /// Presses Tab until the focus is on an element that a CSS selector finds.
    pub(crate) fn tab_to(&mut self, selector: &str) -> Result<()> {
        let is_there = format!("document.activeElement.matches({})", json!(selector));
        let mut passed = Vec::new();
        for _ in 0..200 {
            self.press(Key::Tab)?;
            if self.value(&is_there)? == true {
                return Ok(());
            }
            passed.push(self.text("document.activeElement.outerHTML.slice(0, 60)")?);
        }
        bail!("no Tab leads to {selector}: {passed:#?}")
    }

    /// Clicks into the middle of the first element that a CSS selector finds.
    pub(crate) fn click(&mut self, selector: &str) -> Result<()> {
        let script = "(element => { element.scrollIntoView({block: 'center', behavior: 'instant'}); \
                      const box = element.getBoundingClientRect(); \
                      return [box.x + box.width / 2, box.y + box.height / 2]; })";
        let at = self.value(&format!("{script}(document.querySelector({}))", json!(selector)))?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.command("Input.dispatchMouseEvent", event)?;
        }
        Ok(())
    }

    /// Expects no complaint so far.
    pub(crate) fn is_content(&mut self) -> Result<()> {
        // What it had to say before this is here with the answer.
        self.value("0")?;
        ensure!(self.complaints.is_empty(), "the page complains: {:#?}", self.complaints);
        Ok(())
    }

    /// What the page complained of so far.
    pub(crate) fn complaints(&mut self) -> Result<Vec<String>> {
        self.value("0")?;
        Ok(self.complaints.clone())
    }

    /// Sends a command and returns its answer. What comes in between is looked at.
    fn command(&mut self, method: &str, arguments: Value) -> Result<Value> {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": arguments});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let pipe = self.commands.as_mut().context("the browser runs")?;
        pipe.write_all(format!("{command}\0").as_bytes()).and_then(|()| pipe.flush()).context("asking chromium")?;
        loop {
            let message = self.messages.recv_timeout(PATIENCE).with_context(|| format!("chromium on {method}"))?;
            if message["id"] == self.sent {
                ensure!(message["error"].is_null(), "chromium on {method}: {}", message["error"]);
                return Ok(message["result"].clone());
            }
            self.complaints.extend(complaint(&message, &self.url));
        }
    }
}

/// The browser ends with its pipe.
impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.commands.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Key {
    /// As `KeyboardEvent` has it, the number that goes with it, and what it writes.
    fn description(self) -> (&'static str, u32, Option<&'static str>) {
        match self {
            Self::ArrowDown => ("ArrowDown", 40, None),
            Self::ArrowRight => ("ArrowRight", 39, None),
            Self::Enter => ("Enter", 13, Some("\r")),
            Self::Escape => ("Escape", 27, None),
            Self::Slash => ("/", 191, Some("/")),
            Self::Tab => ("Tab", 9, None),
        }
    }

    fn code(self) -> String {
        format!("{self:?}")
    }
}

/// Reads in a thread of its own, so that nobody waits for ever.
fn receive(pipe: impl Read + Send + 'static) -> Receiver<Value> {
    let (send, messages) = mpsc::channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else { break };
            if send.send(message).is_err() {
                break;
            }
        }
    });
    messages
}

/// What is wrong with the page at `url`, if that is what the browser tells.
fn complaint(message: &Value, url: &str) -> Option<String> {
    let told = &message["params"];
    match message["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(told["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if told["type"] == "error" || told["type"] == "warning" => {
            Some(told["args"].to_string())
        }
        "Log.entryAdded" => Some(told["entry"].to_string()),
        "Network.requestWillBeSent" => {
            let wanted = told["request"]["url"].as_str().unwrap_or_default();
            let own = wanted == url || wanted == "about:blank" || wanted.split('#').next() == Some(url);
            (!own).then(|| format!("a request for {wanted}"))
        }
        _ => None,
    }
}
