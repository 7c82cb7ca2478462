//! The staking demo: seven scenarios on a real bitcoind, with every claim checked against the API,
//! the database and the metrics.
//!
//! Blocks are mined by command, so that each claim is about one height; nothing waits for a clock.

mod checks;
mod queues;
mod scenarios;

use eyre::Result;
use serde_json::{Value, json};
use trestle_devnet::{
    Bitcoind,
    network::{
        Node,
        staking::{StakingNet, StakingOptions},
    },
};
use trestle_store_sql::{Config, SqlStore};

use self::checks::Stage;
use super::{
    DemoArgs, Stack,
    demo::{Network, Teller},
    report,
};

impl Network for StakingNet {
    fn nodes(&self) -> Vec<&Node> {
        Self::nodes(self).collect()
    }

    fn bitcoind(&self) -> &Bitcoind {
        &self.bitcoind
    }

    fn endpoints(&self) -> String {
        let mut text = report::staking(self);
        if let Some(wallet) = &self.wallet {
            text.push_str(&format!("\nwallet      {}", wallet.cli()));
        }
        if let Some(rabbit) = &self.rabbit {
            text.push_str(&format!("\nRabbitMQ    {}", rabbit.url()));
        }
        if let Some(postgres) = &self.postgres {
            text.push_str(&format!("\nPostgreSQL  {}", postgres.url()));
        }
        text
    }

    fn stop(&mut self) -> impl Future<Output = Result<()>> {
        Self::stop(self)
    }
}

/// Starts the network and plays all scenarios on it.
pub(super) async fn play(
    teller: &mut Teller<'_>,
    args: &DemoArgs,
    slot: &mut Option<StakingNet>,
) -> Result<Value> {
    let full = args.stack == Stack::Full;
    let with = if full { "PostgreSQL and RabbitMQ" } else { "SQLite" };
    teller.step(
        "start",
        &format!("bitcoind, a coordinator and three covenant members, on {with}; one member signs with an offline wallet"),
    );
    let options = StakingOptions {
        members: args.network.committee,
        quorum: args.network.threshold,
        postgres: full,
        amqp: full,
        dir: args.network.dir.clone(),
        ..StakingOptions::default()
    };
    let network = slot.insert(StakingNet::prepare(&options).await?);
    network.start_nodes().await?;
    let database = network.database(&network.coordinator);
    let store = SqlStore::open_reader(Config::new(&database)?).await?;
    let mut stage = Stage::new(teller, network, store);
    let played = scenarios::play(&mut stage).await;
    let told = match played {
        Ok(()) => stage.events().await,
        Err(error) => Err(error),
    };
    let answer = told.map(|events| {
        json!({
            "ok": true,
            "scenarios": stage.finished.len(),
            "stack": if full { "full" } else { "embedded" },
            "height": stage.height,
            "stakes": stage.stakes,
            "events": events,
            "messages": stage.messages,
        })
    });
    stage.store.close().await;
    answer
}
