//! Asking an actor something, and what it means that no answer comes.
//!
//! Always holds: whoever asks an actor whose store is away hears so at once, and does not wait for
//! the time-out; what was asked then may still be done once the store is back.

use std::{future::Future, time::Duration};

use tokio::sync::watch;

use super::ActorStatus;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It did not come in time.
    Late,
    /// The actor let go of the question: it starts again from its store, or is gone.
    Dropped,
    /// The actor waits for its store; why.
    Waiting(String),
}

/// Whether an actor can answer now.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Option<watch::Receiver<ActorStatus>>);

impl From<watch::Receiver<ActorStatus>> for Pulse {
    fn from(status: watch::Receiver<ActorStatus>) -> Self {
        Self(Some(status))
    }
}

impl Pulse {
    /// Waits for an answer for so long at the most. `asked` asks and gives the answer; `None`: the
    /// question was let go of.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn answer<T>(
        &self,
        wait: Duration,
        asked: impl Future<Output = Option<T>>,
    ) -> Result<T, NoAnswer> {
        if let Some(why) = self.0.as_ref().and_then(|status| waits(&status.borrow())) {
            return Err(NoAnswer::Waiting(why));
        }
        tokio::select! {
            biased;
            answer = tokio::time::timeout(wait, asked) => match answer {
                Ok(answer) => answer.ok_or(NoAnswer::Dropped),
                Err(_) => Err(NoAnswer::Late),
            },
            why = self.stuck() => Err(NoAnswer::Waiting(why)),
        }
    }

    /// Why it cannot answer, once it cannot.
    async fn stuck(&self) -> String {
        let Some(mut status) = self.0.clone() else { return std::future::pending().await };
        loop {
            if let Some(why) = waits(&status.borrow_and_update()) {
                return why;
            }
            if status.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

fn waits(status: &ActorStatus) -> Option<String> {
    match status {
        ActorStatus::Waiting(why) => Some(why.clone()),
        ActorStatus::Loading | ActorStatus::Running | ActorStatus::Stopped => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    /// Longer than any test waits.
    const LONG: Duration = Duration::from_secs(3_600);

    fn full() -> ActorStatus {
        ActorStatus::Waiting("the disk is full".into())
    }

    #[tokio::test]
    async fn answer__should_be_refused_at_once_while_the_store_is_away() {
        // given
        let (status, seen) = watch::channel(full());
        let pulse = Pulse::from(seen);
        // when
        let answer = pulse.answer(LONG, async { Some(1) }).await;
        // then
        assert_eq!(answer, Err(NoAnswer::Waiting("the disk is full".into())));
        status.send_replace(ActorStatus::Running);
        assert_eq!(pulse.answer(LONG, async { Some(1) }).await, Ok(1));
    }

    #[tokio::test]
    async fn answer__should_not_be_waited_for_when_the_store_goes_away() {
        // given
        let (status, seen) = watch::channel(ActorStatus::Running);
        let pulse = Pulse::from(seen);
        // when
        let asked = pulse.answer(LONG, std::future::pending::<Option<()>>());
        let (answer, _) = futures::join!(asked, async { status.send_replace(full()) });
        // then
        assert_eq!(answer, Err(NoAnswer::Waiting("the disk is full".into())));
    }

    #[tokio::test]
    async fn answer__should_tell_a_dropped_question_from_a_late_one() {
        let pulse = Pulse::default();
        let never = std::future::pending::<Option<()>>();

        assert_eq!(pulse.answer(LONG, async { None::<()> }).await, Err(NoAnswer::Dropped));
        assert_eq!(pulse.answer(Duration::from_millis(1), never).await, Err(NoAnswer::Late));
    }
}
