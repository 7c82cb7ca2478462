//! Finished keys: when one becomes usable, and which share signs.

use bitcoin::ScriptBuf;
use trestle_chain::mock;
use trestle_keys::{
    ready::check_ready,
    taproot::{Tweak, internal_key, script_pubkey},
};
use trestle_store::Batch;
use trestle_wire::{
    Ack, KeyRef, Peer, Refusal,
    committee::{
        dkg::DkgSession,
        key::{FETCHED_KEYS, KeyFetch, KeyReady},
    },
};

use super::{
    CommitteeActor,
    rows::{AttemptKey, KEYS, KeyRow},
};
use crate::runtime::Fault;

/// What answering a fetch takes from a coordinator's budget: [`FETCHED_KEYS`] messages of up to
/// 14 KiB cost about as much as so many nonces.
const FETCH_COST: usize = 500;

impl CommitteeActor {
    /// Everyone's certificates and the proof came: the key is usable if they hold and are about
    /// the share that this member stored.
    pub(super) async fn key_ready(&mut self, from: Peer, ready: KeyReady) -> Result<Ack, Fault> {
        let session = ready.session.clone();
        if self.rollback {
            return Ok(Ack::Refused(Refusal::NotAllowed));
        }
        let Some(row) = self.keys.get(&session) else {
            tracing::warn!(%session.key, "a key is announced of which this member has no share");
            return Ok(Ack::Refused(Refusal::NotAllowed));
        };
        if row.ready.is_some() {
            return Ok(Ack::Duplicate);
        }
        let taken = self.usable(&session.key).is_some();
        if taken || row.public != ready.public || row.transcript != ready.transcript {
            tracing::error!(%session.key, "another key is announced than the one certified here");
            return Ok(Ack::Refused(Refusal::NotAllowed));
        }
        let Some(script) = script_of(row) else { return Ok(Ack::Refused(Refusal::Malformed)) };
        let Some(seat) = self.seats.get(&session.key.committee) else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        let sighash = mock::sighash(&session.key, &script);
        if let Err(reason) = check_ready(&seat.committee, &ready, &sighash) {
            tracing::warn!(%session.key, %reason, "a key is announced that is not usable");
            return Ok(Ack::Refused(Refusal::Malformed));
        }
        let row = KeyRow { ready: Some(ready), ..row.clone() };
        let mut batch = Batch::new();
        KEYS.put(&mut batch, &AttemptKey(session.clone()), &row);
        let failed =
            self.keys.keys().filter(|other| other.key == session.key && **other != session);
        let failed: Vec<DkgSession> = failed.cloned().collect();
        for other in &failed {
            KEYS.delete(&mut batch, &AttemptKey(other.clone()));
        }
        self.commit(batch).await?;
        self.keys.retain(|other, _| !failed.contains(other));
        self.keys.insert(session.clone(), row);
        self.count_dkg("ready");
        self.count_keys();
        tracing::info!(%session.key, "key is usable");
        self.send_status(from, &session.key.committee);
        Ok(Ack::Accepted)
    }

    /// Sends a coordinator the keys that it does not know, the latest first. A coordinator that
    /// wants more asks again.
    pub(super) fn send_keys(&mut self, to: Peer, fetch: &KeyFetch) {
        if !self.within_budget(to, FETCH_COST) {
            return;
        }
        let wanted = self.keys.values().filter_map(|row| Some((row.ready.as_ref()?, row.birth)));
        let mut wanted: Vec<_> = wanted
            .filter(|(ready, _)| {
                let key = &ready.session.key;
                key.committee == fetch.committee && !fetch.have.contains(key)
            })
            .collect();
        wanted.sort_unstable_by(|(a, _), (b, _)| b.session.key.cmp(&a.session.key));
        for (ready, own) in wanted.into_iter().take(FETCHED_KEYS) {
            // What the coordinator then believed is a better hint than none.
            let birth = if own == 0 { ready.birth } else { own };
            self.setup.network.offer(to, KeyReady { birth, ..ready.clone() }.into());
        }
    }

    /// The attempt whose key is usable under that name.
    pub(super) fn usable(&self, key: &KeyRef) -> Option<(&DkgSession, &KeyRow)> {
        self.keys.iter().find(|(session, row)| session.key == *key && row.ready.is_some())
    }

    /// The latest attempt at a key that is stored but not usable: it may sign its own proof.
    pub(super) fn pending(&self, key: &KeyRef) -> Option<(&DkgSession, &KeyRow)> {
        if self.usable(key).is_some() {
            return None;
        }
        let attempts = self.keys.iter().filter(|(session, _)| session.key == *key);
        attempts.max_by_key(|(_, row)| row.sequence)
    }
}

/// The committee's own script under a key.
pub(super) fn script_of(row: &KeyRow) -> Option<ScriptBuf> {
    let internal = internal_key(&row.public.group).ok()?;
    Some(script_pubkey(internal, Tweak::KeyPath))
}
