//! A block at the tip: its stakes and spends become a block of the window.

use std::sync::Arc;

use bitcoin::{Block, OutPoint, Transaction, Txid, consensus::serialize};
use trestle_staking::{
    delegation::{ConfirmedStake, Delegation, Exit, Leaving, Output, Spender, Unbonding},
    identify::{StakeSpend, UnbondingSpend, spend_of_stake, spend_of_unbonding},
    script::ScriptError,
    tally::{OverflowRun, Position, Share},
};

use super::{
    figures::broken,
    prepare::{Content, FoundInput, FoundStake},
    state::WindowStake,
    work::Work,
};
use crate::{
    runtime::Fault,
    staking::{
        rows::{DelegationKey, Entry, StakeEntry, WindowBlock, stake_of},
        tables::{TxKey, UNBONDINGS},
    },
};

/// A delegation that a spend concerns, confirmed or in the window.
struct Holder {
    key: DelegationKey,
    stake: ConfirmedStake,
    version: u64,
    /// Its facts, if it is confirmed.
    confirmed: Option<Delegation>,
}

/// A block on its way into the window.
struct Entering<'b> {
    height: u32,
    block: &'b Block,
    run: OverflowRun,
    made: WindowBlock,
}

impl Work<'_> {
    /// Takes a block into the window.
    pub(super) async fn enter(
        &mut self,
        height: u32,
        block: &Block,
        content: Content,
    ) -> Result<(), Fault> {
        let Content { stakes, invalid, inputs } = content;
        let run = OverflowRun::from_tip(&self.state.totals.tip).map_err(broken)?;
        let mut made = WindowBlock { time: block.header.time, ..WindowBlock::default() };
        made.invalid.stakes = invalid;
        let mut entering = Entering { height, block, run, made };
        let mut inputs = inputs.into_iter().peekable();
        for stake in stakes {
            // A stake's own inputs come after it: what it spends matters as well.
            while let Some(input) = inputs.next_if(|input| (input.tx as usize) < stake.stake.place)
            {
                // Here and not in the call: nearly all end with this.
                if self.prints.contains(&input) {
                    self.look(&mut entering, input).await?;
                }
            }
            self.stake(&mut entering, stake).await?;
        }
        for input in inputs {
            if self.prints.contains(&input) {
                self.look(&mut entering, input).await?;
            }
        }
        let made = entering.made;
        self.taken.counts.invalid_seen.add(&made.invalid);
        self.entered.insert(height);
        self.state.window.push_back(Arc::new(made));
        Ok(())
    }

    async fn stake(&mut self, entering: &mut Entering<'_>, found: FoundStake) -> Result<(), Fault> {
        let FoundStake { stake, bytes, .. } = found;
        let (value, height) = (stake.value.to_sat(), entering.height);
        let version = stake.params_version;
        let cap = self.version(version)?.cap;
        let overflow = entering.run.staked(value, height, &cap).map_err(broken)?;
        let confirmed = ConfirmedStake {
            height,
            output_index: stake.outpoint.vout,
            value,
            timelock: stake.time,
            staker: stake.staker,
            provider: stake.finality_provider,
            overflow,
        };
        let txid = stake.outpoint.txid;
        let entry = StakeEntry { txid: txid.into(), stake: confirmed, version, tx: bytes };
        self.prints.insert(stake.outpoint);
        self.place(entering, Entry::Staked(entry), &Share::from(&confirmed), txid, None).await
    }

    /// Takes an entry in, and moves its delegation in the figures.
    async fn place(
        &mut self,
        entering: &mut Entering<'_>,
        entry: Entry,
        share: &Share,
        txid: Txid,
        confirmed: Option<&Delegation>,
    ) -> Result<(), Fault> {
        let from: Position = self.state.position(txid, confirmed);
        self.state.note_entry(&entry);
        let to = self.state.position(txid, confirmed);
        entering.made.entries.push(entry);
        self.shift(share, &from, &to).await
    }

    /// Looks at an input that may matter.
    async fn look(&mut self, entering: &mut Entering<'_>, input: FoundInput) -> Result<(), Fault> {
        let block = entering.block;
        let Some(transaction) = block.txdata.get(input.tx as usize) else { return Ok(()) };
        let place = input.input as usize;
        let Some(spent) = transaction.input.get(place).map(|input| input.previous_output) else {
            return Ok(());
        };
        if let Some(holder) = self.holder(spent).await? {
            return self.stake_spent(entering, &holder, transaction, place).await;
        }
        match self.unbonding_holder(spent).await? {
            Some(holder) => self.unbonding_spent(entering, &holder, transaction, place).await,
            None => Ok(()),
        }
    }

    /// Whose staking output this is.
    async fn holder(&self, spent: OutPoint) -> Result<Option<Holder>, Fault> {
        if let Some(stake) = self.in_window(spent.txid) {
            return Ok(Some(stake).filter(|holder| holder.stake.output_index == spent.vout));
        }
        match self.key_of(spent.txid).await? {
            Some((key, vout)) if vout == spent.vout => self.confirmed_holder(key).await,
            Some(_) | None => Ok(None),
        }
    }

    /// Whose unbonding output this is. An unbonding has one output only.
    async fn unbonding_holder(&self, spent: OutPoint) -> Result<Option<Holder>, Fault> {
        if spent.vout != 0 {
            return Ok(None);
        }
        let key = match self.state.unbondings.get(&spent.txid) {
            Some(key) => *key,
            None => {
                let Some(staking) = UNBONDINGS.get(&self.draft, &TxKey(spent.txid)).await? else {
                    return Ok(None);
                };
                match self.key_of(*staking).await? {
                    Some((key, _)) => key,
                    None => return Ok(None),
                }
            }
        };
        match self.in_window(*key.txid) {
            Some(holder) => Ok(Some(holder)),
            None => self.confirmed_holder(key).await,
        }
    }

    fn in_window(&self, txid: Txid) -> Option<Holder> {
        let WindowStake { stake, version } = self.state.marks.get(&txid)?.stake?;
        let key = DelegationKey { staker: stake.staker, height: stake.height, txid: txid.into() };
        Some(Holder { key, stake, version, confirmed: None })
    }

    async fn confirmed_holder(&self, key: DelegationKey) -> Result<Option<Holder>, Fault> {
        let Some(row) = self.row(&key).await? else { return Ok(None) };
        let (confirmed, version) = (Some(row.delegation), row.version);
        let stake = row.delegation.stake().copied();
        Ok(stake.map(|stake| Holder { key, stake, version, confirmed }))
    }

    async fn stake_spent(
        &mut self,
        entering: &mut Entering<'_>,
        holder: &Holder,
        transaction: &Transaction,
        input: usize,
    ) -> Result<(), Fault> {
        let params = self.version(holder.version)?;
        let unbonding_time = params.unbonding_time;
        let spend = spend_of_stake(&holder.identified()?, params, transaction, input);
        let spend = spend.map_err(unscriptable)?;
        let invalid = &mut entering.made.invalid;
        let how = match spend {
            StakeSpend::Unbonding { txid, .. } => {
                let unbonding = Unbonding {
                    txid: txid.into(),
                    height: entering.height,
                    timelock: unbonding_time,
                    standard: spend.is_standard_unbonding(),
                };
                return self.unbonded(entering, holder, unbonding, transaction).await;
            }
            StakeSpend::Withdrawal => Leaving::Withdrawn,
            StakeSpend::InvalidUnbonding(reason) if !reason.counts_as_withdrawal() => {
                invalid.unbondings = invalid.unbondings.saturating_add(1);
                Leaving::Otherwise
            }
            StakeSpend::Slashing | StakeSpend::InvalidUnbonding(_) | StakeSpend::Unknown => {
                let count = &mut invalid.withdrawals_from_staking;
                *count = count.saturating_add(1);
                if spend == StakeSpend::Slashing { Leaving::Slashed } else { Leaving::Otherwise }
            }
        };
        self.left(entering, holder, Output::Staking, how, transaction).await
    }

    async fn unbonding_spent(
        &mut self,
        entering: &mut Entering<'_>,
        holder: &Holder,
        transaction: &Transaction,
        input: usize,
    ) -> Result<(), Fault> {
        let params = self.version(holder.version)?;
        let spend = spend_of_unbonding(&holder.identified()?, params, transaction, input);
        let how = match spend.map_err(unscriptable)? {
            UnbondingSpend::Withdrawal => Leaving::Withdrawn,
            UnbondingSpend::Slashing => Leaving::Slashed,
            UnbondingSpend::Unknown => Leaving::Otherwise,
        };
        if how != Leaving::Withdrawn {
            let count = &mut entering.made.invalid.withdrawals_from_unbonding;
            *count = count.saturating_add(1);
        }
        self.left(entering, holder, Output::Unbonding, how, transaction).await
    }

    async fn unbonded(
        &mut self,
        entering: &mut Entering<'_>,
        holder: &Holder,
        unbonding: Unbonding,
        transaction: &Transaction,
    ) -> Result<(), Fault> {
        let share = Share::from(&holder.stake);
        entering.run.unbonded(share.value, share.overflow).map_err(broken)?;
        self.prints.insert(OutPoint { txid: *unbonding.txid, vout: 0 });
        let entry = Entry::Unbonded { key: holder.key, unbonding, tx: serialize(transaction) };
        let confirmed = holder.confirmed.as_ref();
        self.place(entering, entry, &share, *holder.key.txid, confirmed).await
    }

    async fn left(
        &mut self,
        entering: &mut Entering<'_>,
        holder: &Holder,
        from: Output,
        how: Leaving,
        transaction: &Transaction,
    ) -> Result<(), Fault> {
        let by = Spender { txid: transaction.compute_txid().into(), height: entering.height };
        let entry = Entry::Left { key: holder.key, from, exit: Exit { how, by } };
        let share = Share::from(&holder.stake);
        let confirmed = holder.confirmed.as_ref();
        self.place(entering, entry, &share, *holder.key.txid, confirmed).await
    }
}

impl Holder {
    fn identified(&self) -> Result<trestle_staking::Stake, Fault> {
        let stake = stake_of(*self.key.txid, &self.stake, self.version);
        stake.ok_or(Fault::Invariant("a stored stake whose keys are none"))
    }
}

fn unscriptable(_: ScriptError) -> Fault {
    Fault::Invariant("a stored stake that its own parameters refuse")
}
