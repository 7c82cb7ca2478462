//! Runs the real binary in folders of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;

pub(crate) const PASSPHRASE: &str = "correct horse";

/// A folder with what a command needs.
pub(crate) struct Folder {
    dir: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that somebody types answers to.
pub(crate) struct Terminal {
    child: Child,
    shown: String,
}

impl Terminal {
    /// Waits until this was shown.
    pub(crate) fn must_show(&mut self, text: &str) {
        let mut out = self.child.stdout.take().expect("piped");
        let mut byte = [0];
        while !self.shown.contains(text) {
            let read = out.read(&mut byte).expect("what it shows");
            assert_ne!(read, 0, "it has ended: {}", self.shown);
            self.shown.extend(byte.map(char::from));
        }
        self.child.stdout = Some(out);
    }

    /// Types a line, and gives the exit code and all that was shown.
    pub(crate) fn answer(&mut self, line: &str) -> (i32, String) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{line}").expect("an open terminal");
        let mut rest = Vec::new();
        self.child.stdout.take().expect("piped").read_to_end(&mut rest).expect("what it shows");
        self.shown.push_str(&String::from_utf8_lossy(&rest));
        let status = self.child.wait().expect("our child");
        (status.code().unwrap_or(-1), self.shown.clone())
    }
}

impl Done {
    pub(crate) fn must_json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {} / {}", self.stdout, self.stderr))
    }
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        folder.write("passphrase", &format!("{PASSPHRASE}\n"));
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    /// A bootnode's config on free ports.
    pub(crate) fn write_config(&self, more: &str) {
        let text = format!(
            "data_dir = \"data\"\nroles = [\"bootnode\"]\nnetwork = \"regtest\"\n[p2p]\nlisten = \
             [\"/ip4/127.0.0.1/tcp/0\"]\n{more}"
        );
        self.write("node.toml", &text);
    }

    pub(crate) fn must_make_keys(&self) -> Value {
        let done = self.run(&["keys", "new", "-c", "node.toml", "--json"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.must_json()
    }

    /// A command with the cheap keys of tests; the passphrase file is given where it fits.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trestle"));
        command
            .current_dir(self.dir.path())
            .env("TRESTLE_INSECURE_TEST_KEYS", "1")
            .env_remove("TRESTLE_NODE")
            .args(args)
            .stdin(Stdio::null());
        let takes = matches!(args.first(), Some(&"run" | &"keys"));
        if takes && !args.iter().any(|arg| arg.starts_with("--passphrase")) {
            command.args(["--passphrase-file", "passphrase"]);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        run(self.command(args))
    }

    /// A command at a terminal of its own, which asks its questions.
    pub(crate) fn at_terminal(&self, args: &[&str]) -> Terminal {
        let quoted = |arg: &&str| format!("'{arg}'");
        let line: Vec<String> = args.iter().map(quoted).collect();
        let line = format!("'{}' {}", env!("CARGO_BIN_EXE_trestle"), line.join(" "));
        let child = Command::new("script")
            .current_dir(self.dir.path())
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env_remove("TRESTLE_NODE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of util-linux");
        Terminal { child, shown: String::new() }
    }

    /// The config of a node with these roles, in a committee of two, that follows a bitcoind which
    /// never answers.
    pub(crate) fn write_role_config(&self, roles: &[&str], more: &str) {
        self.write_config("");
        let own = self.must_make_keys();
        let [other, another] = [(), ()].map(|()| {
            let folder = Self::new();
            folder.write_config("");
            folder.must_make_keys()
        });
        let who = |role: &str| if roles.contains(&role) { &own } else { &other };
        let member = |index: u8, keys: &Value| {
            let (peer, key) = (&keys["peer"], &keys["committee_key"]);
            format!("[[committee.member]]\nindex = {index}\npeer = {peer}\nkey = {key}\n")
        };
        let head = "network = \"regtest\"\n[[committee]]\nname = \"main\"\nscheme = \"frost\"";
        self.write(
            "params.toml",
            &format!(
                "{head}\nthreshold = 2\ncoordinators = [{}]\n{}{}",
                who("coordinator")["peer"],
                member(1, who("committee")),
                member(2, &another)
            ),
        );
        self.write(
            "node.toml",
            &format!(
                "data_dir = \"data\"\nroles = {roles:?}\nparams = \"params.toml\"\n[p2p]\nlisten = \
                 [\"/ip4/127.0.0.1/tcp/0\"]\n[bitcoin]\nrpc = \"http://127.0.0.1:1\"\ncookie_file = \
                 \"none\"\n[api]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \
                 \"127.0.0.1:0\"\n{more}"
            ),
        );
    }

    /// What the node of this folder has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts a node and waits until it can be reached.
    pub(crate) fn must_start(&self, args: &[&str]) -> Node {
        self.must_spawn(args).must_be_reached(self)
    }

    /// Starts a node.
    pub(crate) fn must_spawn(&self, args: &[&str]) -> Starting {
        let child = self
            .command(&[&["run", "-c", "node.toml", "--json"], args].concat())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.path("log")).expect("a log"))
            .spawn()
            .expect("the binary");
        Starting { child }
    }
}

/// A node that may not be reached yet.
pub(crate) struct Starting {
    child: Child,
}

impl Starting {
    pub(crate) fn must_stop(self) -> ExitStatus {
        // Only the endpoints of a node that is not reached are missing.
        Node { child: self.child, endpoints: Value::Null }.must_stop()
    }

    pub(crate) fn must_be_reached(mut self, folder: &Folder) -> Node {
        let mut line = String::new();
        let stdout = self.child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let endpoints = serde_json::from_str(&line)
            .unwrap_or_else(|e| panic!("{e}: {line:?}; the log:\n{}", folder.log()));
        Node { child: self.child, endpoints }
    }
}

pub(crate) fn run(mut command: Command) -> Done {
    let output = command.output().expect("the binary");
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running node, killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) endpoints: Value,
}

impl Node {
    pub(crate) fn must_stop(self) -> ExitStatus {
        self.must_signal(Signal::TERM);
        self.must_end()
    }

    pub(crate) fn must_signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
        rustix::process::kill_process(pid, signal).expect("our child");
    }

    /// Waits until it ends by itself.
    pub(crate) fn must_end(mut self) -> ExitStatus {
        self.child.wait().expect("our child")
    }

    /// GET from the public listener, without an HTTP library: status line and all.
    pub(crate) fn must_get(&self, path: &str) -> String {
        let host = self.endpoints["api"].as_str().expect("an address").replace("http://", "");
        let mut stream = std::net::TcpStream::connect(&host).expect("a listener");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our file");
}
