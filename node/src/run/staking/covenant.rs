//! A member of the covenant: its actor, and the signer that the config names.

use std::sync::Arc;

use tokio::sync::watch;
use trestle_actors::{
    covenant::{
        self, CovenantActor, CovenantHandle, CovenantInput, Jobs, LocalSigner, Means, Setup,
    },
    ports::SignUnbonding,
    runtime::{ActorStatus, Mailbox, run},
};
use trestle_keys::StakingParams;
use trestle_wire::staking::UnbondingRefusal;

use super::super::{
    RunError,
    actors::{Actors, Parts, Shared, ended},
    feeds, handler,
};
use super::signer;
use crate::{
    config::{CovenantSigner, GlobalFile},
    metrics,
};

/// Letters that may wait: each is a batch of up to 100 unbondings.
const MAILBOX: usize = 128;

pub(super) fn start(
    parts: &mut Parts<'_>,
    shared: &Shared,
    listed: &StakingParams,
    global: &GlobalFile,
    key: [u8; 33],
    actors: &mut Actors,
) -> Result<(), RunError> {
    let counters = covenant::Metrics::default();
    counters.register(metrics::ours(parts.registry));
    counters.register_compatible(parts.registry);
    for reason in UnbondingRefusal::ALL {
        let label = covenant::Reason { reason: reason.label() };
        let _ = counters.refused.get_or_create(&label);
    }
    let signer: Arc<dyn SignUnbonding> = match &parts.config.covenant.signer {
        CovenantSigner::Local => {
            let own = &parts.keys.identity.committee;
            if own.compressed() != key {
                return Err(RunError::Staking(format!(
                    "[staking.members] lists this node with the covenant key {}, but its own is \
                     {}: correct the parameters, or set covenant.signer = \"wallet\"",
                    hex::encode(key),
                    hex::encode(own.compressed())
                )));
            }
            Arc::new(LocalSigner::new(own, Arc::clone(&shared.compute)))
        }
        CovenantSigner::Wallet(wallet) => {
            Arc::new(signer::wallet(wallet, parts, &mut actors.tasks)?)
        }
    };
    let setup = Setup {
        coordinators: listed.coordinators.iter().copied().collect(),
        max_staking_height: parts.config.covenant.max_staking_height,
        store: Arc::clone(&parts.store),
        network: Arc::new(parts.p2p.clone()),
        chain: Arc::new(parts.guard()),
        metrics: counters.clone(),
    };
    let means = Means {
        global: Arc::new(global.params.clone()),
        compute: Arc::clone(&shared.compute),
        signer,
        metrics: counters,
    };
    let (mailbox, letters) = Mailbox::new(MAILBOX);
    mailbox.register(metrics::ours(parts.registry), "covenant");
    let (status, health) = watch::channel(ActorStatus::Loading);
    let actor = CovenantActor::new(setup);
    let (clock, stop) = (Arc::clone(&shared.clock), parts.stop.clone());
    let mut jobs = Jobs::new(means, mailbox.clone());
    actors.tasks.spawn(async move {
        let carry_out = move |job| jobs.start(job);
        ended("covenant", run(actor, letters, clock, carry_out, status, stop).await)
    });
    let pulse = health.clone();
    feeds::health("covenant", health, || None, parts, &mut actors.tasks);
    actors.covenant = Some(CovenantHandle::new(mailbox.clone()).with_pulse(pulse));
    actors.mailboxes.covenant = Some(handler::mailbox(mailbox, CovenantInput::Received));
    Ok(())
}
