//! Dispatch: which event is handled where.

use trestle_machine::{Machine, Refusal, Step};

use super::{Effect, Event, Payment, Reject, Spender};
use crate::stored::Stored;

/// What handling an event gives.
pub(super) type Outcome = Result<Step<Payment, Effect>, Refusal<Reject>>;

impl Machine for Payment {
    type Event = Event;
    type Effect = Effect;
    type Reject = Reject;

    fn apply(&self, event: &Event) -> Outcome {
        if self.is_final() {
            return Err(Reject::Final.into());
        }
        match event {
            Event::Planned(plan) => self.planned(plan),
            Event::PlanFailed { reason } => self.plan_failed(reason),
            Event::VersionSigned { transaction } => self.version_signed(transaction),
            Event::SigningFailed { reason } => self.signing_failed(reason),
            Event::BroadcastRejected { txid, reason } => self.broadcast_rejected(txid, reason),
            Event::RetryDue => self.retry_due(),
            Event::BumpRequested { rate } => self.bump_requested(*rate),
            Event::TipAdvanced { height } => self.tip_advanced(*height),
            Event::VersionConfirmed { txid, height, block } => {
                self.version_confirmed(*txid, *height, *block)
            }
            Event::BlockDisconnected { height } => self.block_disconnected(*height),
            Event::AnchorSpentByOther { txid, height, pays, elsewhere } => {
                let by = Spender { txid: Stored(*txid), height: *height, pays: *pays };
                self.anchor_spent(by, *elsewhere)
            }
            Event::InputSpentByOther { outpoint, height } => self.input_spent(*outpoint, *height),
            Event::Rebound { plan, adopted } => self.rebound(plan, *adopted),
            Event::InputRefused => self.input_refused(),
            Event::FoundUsed { anchor, by } => self.found_used(*anchor, *by),
            Event::Cancelled { elsewhere, stranded } => self.cancelled(*elsewhere, *stranded),
        }
    }
}

pub(super) fn applied(state: Payment, effects: Vec<Effect>) -> Outcome {
    Ok(Step::Applied { state, effects })
}
