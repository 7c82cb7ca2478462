//! The contract that every protocol state machine keeps.
//!
//! Always holds: a step is computed from the old state without changing it, and depends on nothing
//! but that state and the event. The same events give the same states and effects, byte for byte.

/// A protocol as a state machine without IO.
pub trait Machine: Sized {
    /// Something that happened, in the past tense. Time, height and randomness come in here.
    type Event;
    /// Something to be done, in the imperative. Carrying it out twice does no harm.
    type Effect;
    /// Why an event does not apply, with the peer to blame where there is one.
    type Reject;

    /// The state after an event, and what is to be done once that state is stored.
    ///
    /// # Errors
    /// [`Refusal::Rejected`] if a peer or the chain said something that does not apply;
    /// [`Refusal::Invariant`] if this node's own code contradicts itself.
    fn apply(&self, event: &Self::Event)
    -> Result<Step<Self, Self::Effect>, Refusal<Self::Reject>>;
}

/// What an event did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<S, E> {
    /// There is a new state to store, and effects to carry out after that.
    Applied {
        /// The new state.
        state: S,
        /// In the order in which they are to be carried out.
        effects: Vec<E>,
    },
    /// The event has been applied before; nothing is to be done.
    Duplicate,
}

impl<S, E> Step<S, E> {
    /// A new state without effects.
    pub fn to(state: S) -> Self {
        Self::Applied { state, effects: Vec::new() }
    }
}

/// Why an event was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<R> {
    /// Counted and dropped; never fatal.
    Rejected(R),
    /// A fault of this node: it stops. No peer input leads here.
    Invariant(&'static str),
}

impl<R> From<R> for Refusal<R> {
    fn from(reject: R) -> Self {
        Self::Rejected(reject)
    }
}
