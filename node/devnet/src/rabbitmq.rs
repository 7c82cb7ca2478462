//! A RabbitMQ broker of its own, empty, with its own node name, cookie, name server (`epmd`) and
//! ports.
//!
//! Nothing is shared with a broker of the system: the name server listens on a port of ours, every
//! file lies in a temporary folder, and the files in `/etc/rabbitmq` are not read. Everything
//! listens on 127.0.0.1 only. A harness that is root starts it under an account without
//! privileges: `rabbitmq` if there is one, else `nobody`.

use std::{
    env, fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use eyre::{Context as _, OptionExt as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{Folder, Port, Process, account::Account, wait};

/// Longest wait for the broker to speak AMQP: it needs some ten seconds, more on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Longest wait for an orderly stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Longest wait for the name server to listen.
const EPMD_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for one answer while looking whether the broker is up.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// The account inside the broker, which may do everything.
const USER: &str = "trestle";

/// What a client of AMQP 0-9-1 says first.
const GREETING: &[u8] = b"AMQP\x00\x00\x09\x01";

/// A running broker. Dropping it ends the broker and its name server and removes its folder.
#[derive(Debug)]
pub struct RabbitMq {
    // Dropped in this order: the folder goes when nothing writes into it any more.
    broker: Process,
    epmd: Process,
    setup: Setup,
}

/// What stays the same over restarts.
#[derive(Debug)]
struct Setup {
    programs: PathBuf,
    account: Option<Account>,
    node: String,
    password: String,
    amqp: Port,
    distribution: Port,
    control: Port,
    names: Port,
    folder: Folder,
}

impl RabbitMq {
    /// Starts a broker in an empty folder and waits until it speaks AMQP.
    ///
    /// # Errors
    /// When there is no RabbitMQ, or it ends or stays silent; the error quotes its log.
    pub async fn start() -> Result<Self> {
        let setup = Setup::new()?;
        let mut epmd = setup.launch_epmd()?;
        let broker = setup.launch_broker()?;
        let names = setup.names.number();
        wait::until("the name server of RabbitMQ to listen", EPMD_LIMIT, async || {
            epmd.check_running()?;
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, names)).await.ok())
        })
        .await?;
        let mut rabbit = Self { broker, epmd, setup };
        rabbit.wait_ready().await?;
        Ok(rabbit)
    }

    /// `amqp://…` of the default virtual host, with the password in it.
    #[must_use]
    pub fn url(&self) -> String {
        let (password, port) = (&self.setup.password, self.port());
        format!("amqp://{USER}:{password}@127.0.0.1:{port}/%2f")
    }

    /// The same without the password.
    #[must_use]
    pub fn url_without_password(&self) -> String {
        format!("amqp://{USER}@127.0.0.1:{}/%2f", self.port())
    }

    /// The password, to be put into a file.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.setup.password
    }

    /// The port of AMQP on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.setup.amqp.number()
    }

    /// The process number of the broker.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.broker.pid()
    }

    /// Runs `rabbitmqctl` against this broker and gives what it printed, without headers.
    ///
    /// # Errors
    /// When it reports a failure.
    pub async fn control(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.setup.command("rabbitmqctl");
        command.args(["--quiet", "--node", &self.setup.node]).args(arguments);
        if arguments.first().is_some_and(|name| name.starts_with("list_")) {
            command.arg("--no-table-headers");
        }
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = run.await?.wrap_err("cannot run rabbitmqctl")?;
        ensure!(
            output.status.success(),
            "rabbitmqctl {} ended ({}): {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Stops the broker in good order. Its data and port stay.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        self.broker.stop(STOP_LIMIT).await.map(drop)
    }

    /// Ends the broker at once (SIGKILL), as a power cut would. Its data and port stay.
    ///
    /// # Errors
    /// When the system cannot say whether it ended.
    pub fn crash(&mut self) -> Result<()> {
        self.broker.kill().map(drop)
    }

    /// Starts it on the same data and port after [`Self::stop`] or [`Self::crash`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.broker.ended()?.is_some(), "RabbitMQ still runs; stop it first");
        self.broker = self.setup.launch_broker()?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let port = self.port();
        wait::until("RabbitMQ to speak AMQP", START_LIMIT, async || {
            self.broker.check_running()?;
            self.epmd.check_running()?;
            Ok(timeout(ANSWER_LIMIT, greet(port)).await.ok().and_then(Result::ok))
        })
        .await
    }
}

/// Says hello and waits for the first byte of the answer, which is that of a method frame. A
/// broker that is not ready for clients closes the connection or says nothing.
async fn greet(port: u16) -> Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(GREETING).await?;
    let first = stream.read_u8().await?;
    ensure!(first == 1, "expected a method frame, got a frame of type {first}");
    Ok(())
}

impl Setup {
    fn new() -> Result<Self> {
        let programs = find_programs()?;
        let account = Account::needed("RabbitMQ", &["rabbitmq", "nobody"])?;
        let setup = Self {
            programs,
            account,
            node: format!("trestle-{:016x}@localhost", rand::random::<u64>()),
            password: hex::encode(rand::random::<[u8; 16]>()),
            amqp: Port::free()?,
            distribution: Port::free()?,
            control: Port::free()?,
            names: Port::free()?,
            folder: Folder::new("rabbitmq")?,
        };
        setup.write_files()?;
        Ok(setup)
    }

    fn write_files(&self) -> Result<()> {
        let cookie = hex::encode(rand::random::<[u8; 16]>());
        self.write(".erlang.cookie", &cookie, 0o400)?;
        self.write("enabled_plugins", "[].\n", 0o600)?;
        let (port, password) = (self.amqp.number(), &self.password);
        let config = format!(
            "listeners.tcp.local = 127.0.0.1:{port}\ndefault_user = {USER}\n\
             default_pass = {password}\nlog.console = true\nlog.console.level = info\n\
             disk_free_limit.absolute = 10MB\nvm_memory_high_watermark.absolute = 512MB\n"
        );
        self.write("rabbitmq.conf", &config, 0o600)?;
        self.account.iter().try_for_each(|account| account.own(self.folder.path()))
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.folder.path().join(name);
        let written = fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)));
        written.wrap_err_with(|| format!("cannot write {}", path.display()))?;
        self.account.iter().try_for_each(|account| account.own(&path))
    }

    /// In the foreground, so that it ends with us: left to itself the broker starts one that
    /// stays behind.
    fn launch_epmd(&self) -> Result<Process> {
        let mut epmd = self.bare("epmd");
        epmd.args(["-address", "127.0.0.1", "-port"]).arg(self.names.number().to_string());
        Process::start("epmd", epmd, &self.folder.path().join("epmd.log"))
    }

    fn launch_broker(&self) -> Result<Process> {
        let mut broker = self.command("rabbitmq-server");
        // Without this the script stays as the parent of the broker, and we would hold the script;
        // with it the broker would read commands from its input if it were not told otherwise.
        broker.env("RABBITMQ_ALLOW_INPUT", "1").arg("-noinput");
        Process::start("RabbitMQ", broker, &self.folder.path().join("rabbitmq.log"))
    }

    /// A program of RabbitMQ with everything pointed into our folder and at our ports.
    fn command(&self, name: &str) -> Command {
        let mut command = self.bare(self.programs.join(name));
        let folder = self.folder.path();
        let number = |port: &Port| port.number().to_string();
        command.env("RABBITMQ_NODENAME", &self.node);
        command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODE_PORT", number(&self.amqp));
        command.env("RABBITMQ_DIST_PORT", number(&self.distribution));
        command.env("RABBITMQ_CTL_DIST_PORT_MIN", number(&self.control));
        command.env("RABBITMQ_CTL_DIST_PORT_MAX", number(&self.control));
        command.env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        command.env("RABBITMQ_LOGS", "-");
        let local = "-kernel inet_dist_use_interface {127,0,0,1}";
        command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", local);
        for (name, file) in [
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
            ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_MNESIA_BASE", "mnesia"),
            ("RABBITMQ_PID_FILE", "pid"),
        ] {
            command.env(name, folder.join(file));
        }
        command
    }

    /// A program that finds our name server and nothing else of our environment that would steer
    /// it.
    fn bare(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("RABBITMQ_") || text.starts_with("ERL_") {
                command.env_remove(name);
            }
        }
        command.env_remove("NOTIFY_SOCKET");
        command.env("HOME", self.folder.path()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command.env("ERL_EPMD_PORT", self.names.number().to_string());
        command.env("LC_ALL", "C.UTF-8").current_dir(self.folder.path());
        if let Some(account) = &self.account {
            account.run(&mut command);
        }
        command
    }
}

/// The folder with the broker's own programs: Debian's, else where PATH has them. What Debian puts
/// on PATH wants to run as a certain account and writes to the system's folders.
fn find_programs() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders =
        std::iter::once("/usr/lib/rabbitmq/bin".into()).chain(env::split_paths(&path));
    let found = folders
        .find(|folder| ["rabbitmq-server", "rabbitmqctl"].iter().all(|p| folder.join(p).is_file()));
    found.ok_or_eyre(
        "found no RabbitMQ: expected rabbitmq-server and rabbitmqctl in /usr/lib/rabbitmq/bin or on \
         PATH; install the package rabbitmq-server",
    )
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[tokio::test]
    async fn rabbitmq__should_run_beside_others_come_back_and_leave_nothing() {
        // Given
        let (one, other) = tokio::join!(RabbitMq::start(), RabbitMq::start());
        let (mut one, other) = (one.expect("it starts"), other.expect("and another"));
        one.control(&["add_vhost", "kept"]).await.expect("a virtual host");

        // When
        one.crash().expect("it ends");
        one.start_again().await.expect("it starts again");
        one.stop().await.expect("it stops");
        one.start_again().await.expect("and again");

        // Then
        let hosts = one.control(&["list_vhosts"]).await.expect("a list");
        assert!(hosts.lines().any(|host| host == "kept"), "{hosts}");
        let hosts = other.control(&["list_vhosts"]).await.expect("a list");
        assert_eq!(hosts, "/", "the other broker knows nothing of it");
        let folder = one.setup.folder.path().to_owned();
        let pids = [one.broker.pid(), one.epmd.pid()];
        drop(one);
        assert!(!folder.exists(), "the folder is removed");
        for pid in pids {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} has ended");
        }
    }
}
