//! What others can ask of the coordinator, and how it says no.

use std::time::Duration;

use bitcoin::{FeeRate, OutPoint};
use tokio::sync::{mpsc, oneshot};
use trestle_wire::{Hash32, committee::dkg::AbortReason};

use super::view::{CommitteeView, KeyView, PayRequest, PaymentView, SignedText};
use crate::runtime::{NoAnswer, Pulse};

/// Longest wait for an answer that needs no session.
const ASK: Duration = Duration::from_secs(10);
/// Longest wait for a session's answer; the session's own deadline is shorter.
const SESSION: Duration = Duration::from_secs(180);

/// A request of the API or the command line.
#[derive(Debug)]
pub enum Request {
    /// All committees, or the one named.
    Committees(Option<String>, Reply<Vec<CommitteeView>>),
    /// Make a new key.
    Dkg(String, Reply<KeyView>),
    /// Sign a text.
    SignText(String, Vec<u8>, Reply<SignedText>),
    /// Make a payment, or find the one made for the same idempotency key.
    Pay(PayRequest, Reply<PaymentView>),
    /// One payment.
    Payment(Hash32, Reply<PaymentView>),
    /// The payments of a committee, latest first, at most so many.
    Payments(String, u32, Reply<Vec<PaymentView>>),
    /// Give a payment of a committee up, named by its id or its idempotency key.
    Cancel(String, String, Reply<PaymentView>),
    /// Pay a coin of a committee to the committee itself, at that rate.
    Release(String, OutPoint, Option<FeeRate>, Reply<PaymentView>),
    /// Set a coin aside, or take it back.
    Freeze(String, OutPoint, bool, Reply<()>),
    /// Read the blocks again from a height.
    Rescan(String, u32, Reply<()>),
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Denied>>;

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No committee, key or payment of that name.
    #[error("{0} is not known here")]
    NotFound(String),
    /// The request contradicts itself, a setting, or an earlier one.
    #[error("{0}")]
    Invalid(String),
    /// This node may not coordinate that committee.
    #[error("this node is not listed as a coordinator of {0} in the shared parameters")]
    NotCoordinator(String),
    /// The key generation ended without a key.
    #[error("the key generation failed: {}", .0)]
    DkgFailed(DkgReport),
    /// So many members' policies say no that too few are left.
    #[error("too few members agree: {0}")]
    Refused(String),
    /// Too few members signed before the deadline.
    #[error("the signing session failed: {0}")]
    SigningFailed(String),
    /// Too much at once.
    #[error("too much at once: {0}")]
    Busy(String),
    /// Something this needs is not there now.
    #[error("not available now: {0}")]
    Unavailable(String),
    /// The actor did not answer in time.
    #[error("no answer in time")]
    NoAnswer,
}

impl From<NoAnswer> for Denied {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Late => Self::NoAnswer,
            NoAnswer::Dropped => Self::Unavailable(
                "the coordinator is starting again after a failure of its store, or stopping; look \
                 whether it was done before asking again"
                    .into(),
            ),
            NoAnswer::Waiting(why) => {
                Self::Unavailable(format!("the coordinator waits for its store: {why}"))
            }
        }
    }
}

/// Why a key generation failed, with the evidence there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkgReport {
    /// What happened.
    pub reason: Box<AbortReason>,
}

impl std::fmt::Display for DkgReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.reason {
            AbortReason::Missing(who) => write!(f, "no answer in time from members {who:?}"),
            AbortReason::Restarted(who) => write!(f, "member {who} was restarted in the middle"),
            AbortReason::Equivocation { first, .. } => {
                write!(f, "member {} signed two different packages", first.index)
            }
            AbortReason::BadRound1(package) => {
                write!(f, "member {} sent a package that does not verify", package.index)
            }
            AbortReason::EchoMismatch(who) => write!(
                f,
                "members {who:?} saw other packages than the rest, though nobody signed two"
            ),
            AbortReason::BadShare { accuser, share } => write!(
                f,
                "member {accuser} could not use the share of member {}; either may be wrong",
                share.from
            ),
            AbortReason::CertificateMismatch(who) => {
                write!(f, "members {who:?} certified another key than the rest")
            }
            AbortReason::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// Talks to the coordinator from other tasks.
#[derive(Clone, Debug)]
pub struct CoordinatorHandle {
    mailbox: mpsc::Sender<Request>,
    pulse: Pulse,
}

impl CoordinatorHandle {
    /// A handle on the actor that reads the other end.
    pub fn new(mailbox: mpsc::Sender<Request>) -> Self {
        Self { mailbox, pulse: Pulse::default() }
    }

    /// The same, asking nothing of an actor that waits for its store.
    #[must_use]
    pub fn with_pulse(self, pulse: impl Into<Pulse>) -> Self {
        Self { pulse: pulse.into(), ..self }
    }

    /// All committees, or the one named.
    ///
    /// # Errors
    /// [`Denied`], as every call here.
    pub async fn committees(&self, name: Option<String>) -> Result<Vec<CommitteeView>, Denied> {
        self.ask(ASK, |reply| Request::Committees(name, reply)).await
    }

    /// Makes a new key and waits until it is usable.
    ///
    /// # Errors
    /// [`Denied::DkgFailed`] with a report when the attempts ended without a key.
    pub async fn dkg(&self, committee: String) -> Result<KeyView, Denied> {
        self.ask(SESSION, |reply| Request::Dkg(committee, reply)).await
    }

    /// Signs a text as BIP-322 says.
    ///
    /// # Errors
    /// [`Denied::SigningFailed`] when too few members would or could.
    pub async fn sign_text(&self, committee: String, text: Vec<u8>) -> Result<SignedText, Denied> {
        self.ask(SESSION, |reply| Request::SignText(committee, text, reply)).await
    }

    /// Accepts a payment; it is then carried out by itself.
    ///
    /// # Errors
    /// [`Denied::Invalid`] when the idempotency key was used for another payment.
    pub async fn pay(&self, request: PayRequest) -> Result<PaymentView, Denied> {
        self.ask(ASK, |reply| Request::Pay(request, reply)).await
    }

    /// One payment.
    ///
    /// # Errors
    /// [`Denied::NotFound`].
    pub async fn payment(&self, payment: Hash32) -> Result<PaymentView, Denied> {
        self.ask(ASK, |reply| Request::Payment(payment, reply)).await
    }

    /// The latest payments of a committee.
    ///
    /// # Errors
    /// [`Denied::NotFound`].
    pub async fn payments(
        &self,
        committee: String,
        limit: u32,
    ) -> Result<Vec<PaymentView>, Denied> {
        self.ask(ASK, |reply| Request::Payments(committee, limit, reply)).await
    }

    /// Gives up a payment of which no version is signed, named by its id or its idempotency key.
    ///
    /// # Errors
    /// [`Denied::Invalid`] when a version is signed: it can confirm for ever.
    pub async fn cancel(&self, committee: String, payment: String) -> Result<PaymentView, Denied> {
        self.ask(ASK, |reply| Request::Cancel(committee, payment, reply)).await
    }

    /// Pays a coin to the committee itself, whatever payment members have bound it to; once that is
    /// deep, the other one can never be made.
    ///
    /// # Errors
    /// [`Denied::NotFound`] without such a coin, [`Denied::Invalid`] while it cannot be spent.
    pub async fn release(
        &self,
        committee: String,
        coin: OutPoint,
        fee_rate: Option<FeeRate>,
    ) -> Result<PaymentView, Denied> {
        self.ask(ASK, |reply| Request::Release(committee, coin, fee_rate, reply)).await
    }

    /// Sets a coin aside (`true`) or takes it back.
    ///
    /// # Errors
    /// [`Denied::NotFound`].
    pub async fn freeze(
        &self,
        committee: String,
        coin: OutPoint,
        frozen: bool,
    ) -> Result<(), Denied> {
        self.ask(ASK, |reply| Request::Freeze(committee, coin, frozen, reply)).await
    }

    /// Reads the blocks again from `height`.
    ///
    /// # Errors
    /// [`Denied::NotFound`]; [`Denied::Invalid`] for a height that there is not yet.
    pub async fn rescan(&self, committee: String, height: u32) -> Result<(), Denied> {
        self.ask(ASK, |reply| Request::Rescan(committee, height, reply)).await
    }

    async fn ask<T>(
        &self,
        wait: Duration,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, Denied> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.mailbox.send(request(reply)).await.ok()?;
            answer.await.ok()
        };
        self.pulse.answer(wait, asked).await.map_err(Denied::from)?
    }
}
