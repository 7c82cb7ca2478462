//! A staker's request to unbond: the one fact of a delegation that no block brings.

use bitcoin::Txid;
use trestle_machine::{Machine, Refusal, Step};
use trestle_staking::delegation::{Delegation, Event, Reject};

use super::work::Work;
use crate::{
    runtime::Fault,
    staking::tables::{DELEGATIONS, ORPHANS, TxKey},
};

/// What became of a request to unbond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFact {
    /// It was checked and accepted.
    Made {
        /// The transaction to be signed.
        unbonding: Txid,
    },
    /// It is over without a transaction.
    Dropped {
        /// The transaction.
        unbonding: Txid,
    },
}

impl Work<'_> {
    /// Adds a request, or its end, to its delegation. Doing it twice changes nothing.
    pub(super) async fn request(
        &mut self,
        txid: Txid,
        fact: RequestFact,
    ) -> Result<Result<(), Reject>, Fault> {
        let event = match fact {
            RequestFact::Made { unbonding } => Event::UnbondingRequested { unbonding },
            RequestFact::Dropped { unbonding } => Event::RequestDropped { unbonding },
        };
        let place = match self.key_of(txid).await? {
            Some((key, _)) => self.row(&key).await?.map(|row| (key, row)),
            None => None,
        };
        let before = match &place {
            Some((_, row)) => row.delegation,
            None => ORPHANS.get(&self.draft, &TxKey(txid)).await?.unwrap_or_default(),
        };
        let (delegation, effects) = match before.apply(&event) {
            Ok(Step::Applied { state, effects }) => (state, effects),
            Ok(Step::Duplicate) => return Ok(Ok(())),
            Err(Refusal::Rejected(reject)) => return Ok(Err(reject)),
            Err(Refusal::Invariant(what)) => return Err(Fault::Invariant(what)),
        };
        match place {
            Some((key, mut row)) => {
                row.delegation = delegation;
                self.draft.put(&DELEGATIONS, &key, &row);
                self.follow_up(key, effects);
            }
            None => self.keep_orphan(txid, &delegation),
        }
        self.taken.changed.insert(txid, delegation);
        Ok(Ok(()))
    }

    /// Nothing of it is in the chain: only a request can be left, or nothing.
    fn keep_orphan(&mut self, txid: Txid, delegation: &Delegation) {
        if delegation.is_empty() {
            self.state.orphans.remove(&txid);
            self.draft.delete(&ORPHANS, &TxKey(txid));
        } else {
            self.state.orphans.insert(txid);
            self.draft.put(&ORPHANS, &TxKey(txid), delegation);
        }
    }
}
