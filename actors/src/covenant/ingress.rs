//! What reaches a covenant member, and how others ask it.

use std::time::Duration;

use bitcoin::{
    PublicKey, ScriptBuf, consensus::encode::deserialize, secp256k1::schnorr::Signature,
};
use tokio::sync::oneshot;
use trestle_wire::staking::UnbondingRefusal;

use super::order::Wanted;
use crate::{
    ports::Inbound,
    runtime::{Letter, Mailbox, NoAnswer, Pulse, mailbox::Offered},
};

/// Longest wait for a signature: an offline wallet may take seconds, and clients give up earlier.
const WAIT: Duration = Duration::from_secs(30);

/// Something for the actor to handle.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most inputs are messages")]
pub enum CovenantInput {
    /// A message.
    Received(Inbound),
    /// A request over HTTP.
    Http(Box<HttpOrder>, oneshot::Sender<Result<[u8; 64], UnbondingRefusal>>),
    /// A batch was checked and signed.
    Signed {
        /// Which.
        batch: u64,
        /// One for each order of the job, in its order.
        results: Vec<Result<[u8; 64], UnbondingRefusal>>,
    },
    /// Time passed.
    Tick,
}

/// A request of `POST /v1/sign-unbonding-tx` whose fields have the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOrder(pub(super) Wanted);

/// Why such a request has no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// A field is not of the expected form.
    #[error("invalid {field}: expected {expected}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// The member does not sign it.
    #[error("{}", explain(*.0))]
    Refused(UnbondingRefusal),
    /// The actor did not answer in time.
    #[error("no answer in time")]
    NoAnswer,
    /// The member cannot store what it signs, and so signs nothing.
    #[error("not available now: {0}")]
    Unavailable(String),
}

impl From<NoAnswer> for HttpFault {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Late => Self::NoAnswer,
            NoAnswer::Dropped => Self::Unavailable(
                "the member is starting again after a failure of its store, or stopping".into(),
            ),
            NoAnswer::Waiting(why) => {
                Self::Unavailable(format!("the member waits for its store: {why}"))
            }
        }
    }
}

impl HttpFault {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Field { .. } => 400,
            Self::NoAnswer | Self::Unavailable(_) => 500,
            Self::Refused(why) => match why {
                UnbondingRefusal::Form
                | UnbondingRefusal::UnknownStake
                | UnbondingRefusal::Retired
                | UnbondingRefusal::NotAMember
                | UnbondingRefusal::Unconfirmed
                | UnbondingRefusal::Input
                | UnbondingRefusal::Output
                | UnbondingRefusal::StakerSignature => 400,
                UnbondingRefusal::NotHeld
                | UnbondingRefusal::SignerUnavailable
                | UnbondingRefusal::Chain
                | UnbondingRefusal::Busy => 500,
            },
        }
    }

    /// The `errorCode` of the answer.
    pub const fn code(&self) -> &'static str {
        if self.status() == 400 { "BAD_REQUEST" } else { "INTERNAL_SERVICE_ERROR" }
    }
}

const fn explain(why: UnbondingRefusal) -> &'static str {
    match why {
        UnbondingRefusal::Form => "the transaction has not the form of an unbonding",
        UnbondingRefusal::UnknownStake => "no valid stake with this output is in the chain",
        UnbondingRefusal::Retired => "the stake is above the last height that is signed for",
        UnbondingRefusal::NotAMember => "the key is not in the covenant committee of this stake",
        UnbondingRefusal::Unconfirmed => "the stake has too few confirmations",
        UnbondingRefusal::Input => "the transaction does not spend the stake",
        UnbondingRefusal::Output => "the output is not the one that the parameters demand",
        UnbondingRefusal::StakerSignature => "the staker's signature does not verify",
        UnbondingRefusal::NotHeld => "Wallet does not maintain covenant public key",
        UnbondingRefusal::SignerUnavailable => "the signer is not available: is it unlocked?",
        UnbondingRefusal::Chain => "the member's own chain is not up to date",
        UnbondingRefusal::Busy => "too much at once: ask again",
    }
}

impl HttpOrder {
    /// Reads `staking_output_pk_script_hex`, `unbonding_tx_hex`, `staker_unbonding_sig_hex` and
    /// `covenant_public_key`.
    ///
    /// # Errors
    /// [`HttpFault::Field`] for the first that has another form.
    pub fn parse(
        script: &str,
        transaction: &str,
        signature: &str,
        key: &str,
    ) -> Result<Self, HttpFault> {
        let wrong = |field, expected| HttpFault::Field { field, expected };
        let bytes = |text: &str| hex::decode(text).ok();
        let script = bytes(script).map(ScriptBuf::from_bytes).filter(|script| script.is_p2tr());
        let script = script.ok_or_else(|| {
            wrong("staking_output_pk_script_hex", "a Taproot output script, 68 hexadecimal digits")
        })?;
        let transaction: bitcoin::Transaction = bytes(transaction)
            .and_then(|bytes| deserialize(&bytes).ok())
            .ok_or_else(|| wrong("unbonding_tx_hex", "a serialized transaction in hex"))?;
        let staking = transaction.input.first().map(|input| input.previous_output.txid);
        let staking = staking
            .ok_or_else(|| wrong("unbonding_tx_hex", "a transaction that spends a stake"))?;
        let staker = bytes(signature).and_then(|bytes| Signature::from_slice(&bytes).ok());
        let staker = staker.ok_or_else(|| {
            wrong("staker_unbonding_sig_hex", "a Schnorr signature, 128 hexadecimal digits")
        })?;
        let key = bytes(key).filter(|bytes| bytes.len() == 33);
        let key = key.and_then(|bytes| PublicKey::from_slice(&bytes).ok()).ok_or_else(|| {
            wrong("covenant_public_key", "a compressed public key, 66 hexadecimal digits")
        })?;
        Ok(Self(Wanted { staking, transaction, staker, key, script: Some(script) }))
    }
}

/// Asks the member from other tasks.
#[derive(Clone, Debug)]
pub struct CovenantHandle {
    mailbox: Mailbox<CovenantInput>,
    pulse: Pulse,
}

impl CovenantHandle {
    /// A handle on the actor that reads the other end.
    pub fn new(mailbox: Mailbox<CovenantInput>) -> Self {
        Self { mailbox, pulse: Pulse::default() }
    }

    /// The same, asking nothing of an actor that waits for its store.
    #[must_use]
    pub fn with_pulse(self, pulse: impl Into<Pulse>) -> Self {
        Self { pulse: pulse.into(), ..self }
    }

    /// The member's signature.
    ///
    /// # Errors
    /// [`HttpFault`].
    pub async fn sign(&self, order: HttpOrder) -> Result<[u8; 64], HttpFault> {
        let (reply, answer) = oneshot::channel();
        let letter = Letter::from(CovenantInput::Http(Box::new(order), reply));
        let asked = async {
            match self.mailbox.offer(letter) {
                Offered::Taken => answer.await.ok(),
                Offered::Full => Some(Err(UnbondingRefusal::Busy)),
                Offered::Closed => None,
            }
        };
        self.pulse.answer(WAIT, asked).await?.map_err(HttpFault::Refused)
    }
}
