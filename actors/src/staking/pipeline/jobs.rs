//! What is carried out beside the actor.

use std::sync::{Arc, LazyLock};

use bitcoin::{
    Transaction, Txid, XOnlyPublicKey,
    secp256k1::{Message, Secp256k1, VerifyOnly, schnorr::Signature},
};
use trestle_staking::{
    GlobalParams,
    pipeline::{MemberKey, Request},
    tx::{Unbonding, WitnessError},
};
use trestle_wire::staking::{UnbondingAnswer, UnbondingRefusal};

use super::PipelineInput;
use crate::ports::{Broadcast, Compute, compute};

static SECP: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// Something to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Verify what a member answered.
    Verify {
        /// Who.
        key: MemberKey,
        /// Its answers.
        questions: Vec<Question>,
    },
    /// Put a quorum's signatures into a witness.
    Assemble(Box<Request>),
    /// Send a transaction.
    Broadcast {
        /// Which request's.
        request: Txid,
        /// The transaction.
        transaction: Transaction,
    },
}

/// A member's answer, and what a signature in it has to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What for.
    pub request: Txid,
    /// What is signed.
    pub sighash: [u8; 32],
    /// What it says.
    pub answer: UnbondingAnswer,
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A signature that verifies.
    Good([u8; 64]),
    /// A signature that does not.
    Bad,
    /// A refusal.
    Refused(UnbondingRefusal),
}

/// What jobs need.
#[derive(Clone)]
pub struct Means {
    /// The global parameters.
    pub global: Arc<GlobalParams>,
    /// Threads for heavy work.
    pub compute: Arc<dyn Compute>,
    /// Transactions out.
    pub broadcast: Arc<dyn Broadcast>,
}

/// Carries a job out, and gives what goes back to the pipeline; `None` if the node is stopping. The
/// number under way is bounded: by the batches without an answer, by the requests that are open, and
/// by [`trestle_staking::pipeline::Resend::MOST`].
pub async fn carry_out(means: &Means, job: Job) -> Option<PipelineInput> {
    match job {
        Job::Verify { key, questions } => {
            let work = move || verdicts(&key, questions);
            let verdicts = compute(&*means.compute, work).await?;
            Some(PipelineInput::Verified { key, verdicts })
        }
        Job::Assemble(request) => {
            let global = Arc::clone(&means.global);
            let txid = request.txid();
            let result = compute(&*means.compute, move || finish(&global, &request)).await?;
            // A row that cannot be read as keys is a damaged one: told as if nobody had signed.
            let quorum = 0;
            let result = result.unwrap_or(Err(WitnessError::TooFew { got: 0, quorum }));
            Some(PipelineInput::Assembled { request: txid, result })
        }
        Job::Broadcast { request, transaction } => {
            let result = means.broadcast.broadcast(transaction).await;
            Some(PipelineInput::BroadcastDone { request, result })
        }
    }
}

fn verdicts(key: &MemberKey, questions: Vec<Question>) -> Vec<(Txid, Verdict)> {
    let key = XOnlyPublicKey::from_slice(key).ok();
    let verdict = |question: Question| {
        let verdict = match question.answer {
            UnbondingAnswer::Refused(why) => Verdict::Refused(why),
            UnbondingAnswer::Signed(signature) => {
                let message = Message::from_digest(question.sighash);
                let good = key.zip(Signature::from_slice(&signature).ok()).is_some_and(
                    |(key, signature)| SECP.verify_schnorr(&signature, &message, &key).is_ok(),
                );
                if good { Verdict::Good(signature) } else { Verdict::Bad }
            }
        };
        (question.request, verdict)
    };
    questions.into_iter().map(verdict).collect()
}

/// `None` if the row is damaged.
fn finish(global: &GlobalParams, request: &Request) -> Option<Result<Transaction, WitnessError>> {
    let order = request.order();
    let params = global.version(order.params_version())?;
    let unbonding = Unbonding::new(&order.stake().ok()?, params).ok()?;
    Some(unbonding.finish(&order.signature().ok()?, &request.signatures().ok()?))
}
