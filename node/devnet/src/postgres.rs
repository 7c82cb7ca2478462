//! A PostgreSQL server of its own, with an empty data folder.
//!
//! The server refuses to run as root, so a harness that is root starts it under an account without
//! privileges: `postgres` if there is one, else `nobody`. Connections need no password and are
//! accepted on 127.0.0.1 and on a socket in its folder only.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use eyre::{Context as _, Result, bail, ensure};

use crate::{Folder, Port, Process, account::Account, wait};

/// Longest wait for the server to accept connections: a loaded machine may need many seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest wait for a fast shutdown, in seconds; then it is killed.
const STOP_LIMIT_S: &str = "10";

/// The account inside the server.
const USER: &str = "trestle";

/// A running server. Dropping it stops the process and removes its folder.
#[derive(Debug)]
pub struct Postgres {
    // Dropped in this order: the folder goes when nothing writes into it any more.
    process: Process,
    programs: PathBuf,
    account: Option<Account>,
    port: Port,
    folder: Folder,
}

impl Postgres {
    /// Makes a data folder, starts a server on it and waits until it accepts connections.
    ///
    /// # Errors
    /// When there is no PostgreSQL, or it ends or stays silent; the error quotes its log.
    pub async fn start() -> Result<Self> {
        let programs = find_programs()?;
        let account = Account::needed("PostgreSQL", &["postgres", "nobody"])?;
        let folder = Folder::new("postgres")?;
        if let Some(account) = &account {
            account.own(folder.path())?;
        }
        let port = Port::free()?;
        let mut initdb = command(&programs, "initdb", account.as_ref(), &folder);
        initdb.arg("-D").arg(data(&folder)).args(["-U", USER, "--encoding=UTF8", "--no-locale"]);
        // The server itself flushes to disk as usual.
        initdb.args(["--auth=trust", "--no-sync", "--no-instructions"]);
        run(initdb)?;
        let process = launch(&programs, account.as_ref(), &folder, &port)?;
        let mut postgres = Self { process, programs, account, port, folder };
        postgres.wait_ready().await?;
        Ok(postgres)
    }

    /// `postgres://…` of the database that every server has.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database (letters, digits and underscores) and gives its URL.
    ///
    /// # Errors
    /// When the server refuses, as it does for a name that is taken.
    pub fn create_database(&self, name: &str) -> Result<String> {
        let mut createdb = self.client("createdb");
        createdb.args(["--template=template0", "--maintenance-db=postgres", name]);
        run(createdb)?;
        Ok(self.url_of(name))
    }

    /// Runs one SQL statement in a database of this server and gives its rows, one a line.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
        psql.args(["--set=ON_ERROR_STOP=1", "--dbname", database, "--command", statement]);
        run(psql)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The process number of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends the server at once (SIGKILL), as a power cut would, and starts it again on the same
    /// data and port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn crash_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        // The server's own children notice within moments; until then the data is in use.
        let (programs, account) = (self.programs.clone(), self.account.clone());
        let mut answer = None;
        for _ in 0..START_ATTEMPTS {
            self.process = launch(&programs, account.as_ref(), &self.folder, &self.port)?;
            match self.wait_ready().await {
                Ok(()) => return Ok(()),
                Err(error) => answer = Some(error),
            }
        }
        answer.map_or(Ok(()), Err)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port.number())
    }

    fn client(&self, program: &str) -> Command {
        let mut client = command(&self.programs, program, self.account.as_ref(), &self.folder);
        client.args(["-h", "127.0.0.1", "-U", USER, "-p"]).arg(self.port.number().to_string());
        client
    }

    async fn wait_ready(&mut self) -> Result<()> {
        wait::until("PostgreSQL to accept connections", START_LIMIT, async || {
            self.process.check_running()?;
            let mut ready = self.client("pg_isready");
            ready.args(["--quiet", "--timeout=1", "--dbname=postgres"]);
            let ready = ready.status().wrap_err("cannot run pg_isready")?;
            Ok(ready.success().then_some(()))
        })
        .await
    }
}

/// Starts of a server after a crash before giving up: the first may meet children of the old one.
const START_ATTEMPTS: usize = 20;

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown ends sessions and leaves no shared memory behind. Whatever it comes to,
        // what still runs is killed when the process is dropped.
        if let Ok(None) = self.process.ended() {
            let mut stop = command(&self.programs, "pg_ctl", self.account.as_ref(), &self.folder);
            stop.arg("stop").arg("-D").arg(data(&self.folder));
            stop.args(["-m", "fast", "-w", "-s", "-t", STOP_LIMIT_S]);
            if let Err(error) = run(stop) {
                tracing::warn!(%error, "PostgreSQL did not stop; it is killed");
            }
        }
    }
}

fn launch(
    programs: &Path,
    account: Option<&Account>,
    folder: &Folder,
    port: &Port,
) -> Result<Process> {
    let mut postgres = command(programs, "postgres", account, folder);
    postgres.arg("-D").arg(data(folder)).arg("-k").arg(folder.path());
    postgres.args(["-h", "127.0.0.1", "-p"]).arg(port.number().to_string());
    for setting in
        ["shared_buffers=16MB", "max_connections=50", "fsync=on", "logging_collector=off"]
    {
        postgres.args(["-c", setting]);
    }
    Process::start("PostgreSQL", postgres, &folder.path().join("postgres.log"))
}

fn data(folder: &Folder) -> PathBuf {
    folder.path().join("data")
}

/// A program of PostgreSQL, to run in `folder` (which every account it runs under can enter) and
/// without settings from our environment.
fn command(programs: &Path, name: &str, account: Option<&Account>, folder: &Folder) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(folder.path());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    if let Some(account) = account {
        account.run(&mut command);
    }
    command
}

fn run(mut command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().wrap_err_with(|| format!("cannot run {program}"))?;
    ensure!(
        output.status.success(),
        "{program} ended ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The folder with the server's programs: the newest of Debian's, else where PATH has them.
fn find_programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = versions.into_iter().map(|version| version.join("bin"));
    let mut folders = folders.chain(env::split_paths(&path));
    match folders.find(|folder| ["initdb", "postgres"].iter().all(|p| folder.join(p).is_file())) {
        Some(folder) => Ok(folder),
        None => bail!(
            "found no PostgreSQL: expected initdb and postgres in /usr/lib/postgresql/*/bin or on \
             PATH; install the package postgresql"
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[tokio::test]
    async fn postgres__should_answer_keep_data_over_a_crash_and_leave_nothing() {
        // Given
        let mut postgres = Postgres::start().await.expect("a server starts");
        let folder = postgres.folder.path().to_owned();
        postgres.create_database("kept").expect("a new database");
        postgres.sql("kept", "CREATE TABLE t AS SELECT 42 AS x").expect("a table");

        // When
        postgres.crash_and_restart().await.expect("it starts again");

        // Then
        assert_eq!(postgres.sql("kept", "SELECT x FROM t").expect("a row"), "42");
        let pid = postgres.pid();
        drop(postgres);
        assert!(!folder.exists(), "the folder is removed");
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the server has ended");
    }
}
