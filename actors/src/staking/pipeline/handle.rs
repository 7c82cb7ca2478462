//! Asking the pipeline from other tasks.

use std::{sync::Arc, time::Duration};

use bitcoin::Txid;
use tokio::sync::oneshot;
use trestle_staking::GlobalParams;
use trestle_store::Store;

use super::{PipelineInput, RequestError, UnbondingForm, check};
use crate::{
    ports::Compute,
    runtime::{Letter, Mailbox, NoAnswer, Pulse, mailbox::Offered},
    staking::{StakingInput, query},
};

/// Longest wait for an answer.
const WAIT: Duration = Duration::from_secs(10);

/// Takes requests to unbond to the staking actor of a coordinator.
#[derive(Clone)]
pub struct UnbondingHandle {
    store: Arc<dyn Store>,
    compute: Arc<dyn Compute>,
    global: Arc<GlobalParams>,
    mailbox: Mailbox<StakingInput>,
    pulse: Pulse,
}

impl UnbondingHandle {
    /// For the actor that reads the other end of the mailbox, over the same store.
    pub fn new(
        store: Arc<dyn Store>,
        compute: Arc<dyn Compute>,
        global: Arc<GlobalParams>,
        mailbox: Mailbox<StakingInput>,
    ) -> Self {
        Self { store, compute, global, mailbox, pulse: Pulse::default() }
    }

    /// The same, asking nothing of an actor that waits for its store.
    #[must_use]
    pub fn with_pulse(self, pulse: impl Into<Pulse>) -> Self {
        Self { pulse: pulse.into(), ..self }
    }

    /// `POST /v1/unbonding`: checks a request; when this returns it is stored and under way.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn request(&self, form: UnbondingForm) -> Result<(), RequestError> {
        let order = check(&*self.store, &*self.compute, &self.global, form).await?;
        let (reply, answer) = oneshot::channel();
        let input = StakingInput::Pipeline(PipelineInput::Accept(Box::new(order), reply));
        let asked = async {
            match self.mailbox.offer(Letter::from(input)) {
                Offered::Taken => answer.await.ok(),
                Offered::Full => Some(Err(RequestError::Busy)),
                Offered::Closed => None,
            }
        };
        self.pulse.answer(WAIT, asked).await.map_err(RequestError::from)?
    }

    /// `GET /v1/unbonding/eligibility`: whether a request could be accepted now.
    ///
    /// # Errors
    /// [`RequestError::NotFound`] or [`RequestError::NotActive`].
    pub async fn eligible(&self, staking: Txid) -> Result<(), RequestError> {
        let row = query::delegation(&*self.store, staking).await;
        let row = row.map_err(|error| RequestError::Unavailable(error.to_string()))?;
        let (_, row) = row.ok_or(RequestError::NotFound)?;
        Ok(row.delegation.eligible()?)
    }
}

impl From<NoAnswer> for RequestError {
    fn from(none: NoAnswer) -> Self {
        Self::Unavailable(match none {
            NoAnswer::Late => "no answer in time".into(),
            NoAnswer::Dropped => {
                "the coordinator is starting again after a failure of its store, or stopping".into()
            }
            NoAnswer::Waiting(why) => format!("the coordinator waits for its store: {why}"),
        })
    }
}
