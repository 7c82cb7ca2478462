//! `trestle staking export`: the confirmed stakes as the CSV that other indexers write.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use trestle_actors::staking::{export::Export, query};
use trestle_staking::export;
use trestle_store::{Store, StoreError};

use super::database::DatabaseArgs;
use crate::cli::{CliError, output::Output};

/// Which stakes, and where to.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The height of the first block.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    from: u32,
    /// The height that ends it, itself left out; without it all confirmed blocks.
    #[arg(long, value_name = "HEIGHT")]
    end: Option<u32>,
    /// The file to write, in place of one that is there; without it stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Serialize)]
struct Exported {
    file: Option<PathBuf>,
    stakes: usize,
    /// The last block whose stakes count.
    confirmed_height: Option<u32>,
}

pub(super) async fn run(output: &Output, args: ExportArgs) -> Result<(), CliError> {
    let (from, end) = (args.from, args.end.unwrap_or(u32::MAX));
    if from >= end {
        let what = format!("no block is from height {from} to below {end}");
        return Err(CliError::usage(what).hint("--end is the first height that is left out"));
    }
    if output.is_json() && args.output.is_none() {
        return Err(CliError::usage("with --json, name the CSV by --output FILE"));
    }
    let store = args.database.find()?.read().await?;
    let done = write(&store, from, end, args.output.as_deref(), output).await;
    store.close().await;
    let done = done?;
    match &done.file {
        None => Ok(()),
        Some(_) => output.result(&done, |done| {
            let height = done.confirmed_height.map_or("none".into(), |height| height.to_string());
            format!("{} stake(s); the last confirmed block: {height}", done.stakes)
        }),
    }
}

async fn write(
    store: &dyn Store,
    from: u32,
    end: u32,
    file: Option<&Path>,
    output: &Output,
) -> Result<Exported, CliError> {
    let Some(head) = query::head(store).await.map_err(|e| unread(&e))? else {
        let what = "the database has no index of stakes";
        return Err(CliError::failed(what).hint("a node with [staking] makes one when it runs"));
    };
    let export = Export::of(store, from, end).await.map_err(|e| unread(&e))?;
    let stakes = match file {
        None => lines(store, export, output.stdout(), "stdout").await?,
        Some(file) => {
            // Nobody finds half an export under its name.
            let mut part = file.as_os_str().to_owned();
            part.push(".part");
            let part = PathBuf::from(part);
            let name = file.display().to_string();
            let made = File::create(&part).map_err(|e| unwritten(&name, &e))?;
            let written = lines(store, export, made, &name).await;
            let named = written.and_then(|stakes| {
                std::fs::rename(&part, file).map_err(|e| unwritten(&name, &e))?;
                Ok(stakes)
            });
            if named.is_err() {
                // What is left of it says nothing; the failure is told.
                let _ = std::fs::remove_file(&part);
            }
            named?
        }
    };
    let confirmed_height = head.confirmed();
    Ok(Exported { file: file.map(Path::to_owned), stakes, confirmed_height })
}

async fn lines(
    store: &dyn Store,
    mut export: Export,
    to: impl Write,
    name: &str,
) -> Result<usize, CliError> {
    let mut to = BufWriter::new(to);
    let mut stakes = 0_usize;
    let failed = |e: io::Error| unwritten(name, &e);
    writeln!(to, "{}", export::HEADER).map_err(failed)?;
    loop {
        let page = export.lines(store).await.map_err(|e| unread(&e))?;
        if page.is_empty() {
            to.flush().map_err(failed)?;
            return Ok(stakes);
        }
        stakes = stakes.saturating_add(page.len());
        for line in page {
            writeln!(to, "{line}").map_err(failed)?;
        }
    }
}

fn unread(error: &StoreError) -> CliError {
    CliError::failed(error.to_string())
}

fn unwritten(name: &str, error: &io::Error) -> CliError {
    CliError::failed(format!("{name}: {error}"))
}
