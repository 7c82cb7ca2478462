//! Whether the node can do its work, part by part, and why not.
//!
//! Always holds: the node is ready when every known component is; a component is known from the
//! first time it is set, so start-up sets all of them before the first request is answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    events::{Event, EventBus},
    metrics::{Component, ReadyMetrics},
};

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can do its work.
    Ready,
    /// It cannot, for this reason.
    NotReady(String),
}

/// All components. Clones share it.
#[derive(Clone, Debug)]
pub struct Readiness {
    components: Arc<Mutex<BTreeMap<&'static str, Health>>>,
    metrics: ReadyMetrics,
    events: EventBus,
}

impl Readiness {
    /// No components yet.
    pub fn new(metrics: ReadyMetrics, events: EventBus) -> Self {
        Self { components: Arc::default(), metrics, events }
    }

    /// Sets how a component is; says so to the world if that is news.
    pub fn set(&self, component: &'static str, health: Health) {
        let ready = {
            let mut all = self.components.lock().unwrap_or_else(PoisonError::into_inner);
            if all.insert(component, health.clone()).as_ref() == Some(&health) {
                return;
            }
            all.values().all(|health| *health == Health::Ready)
        };
        let label = Component { component: component.to_owned() };
        let is_ready = health == Health::Ready;
        self.metrics.components.get_or_create(&label).set(i64::from(is_ready));
        self.metrics.node.set(i64::from(ready));
        let reason = match health {
            Health::Ready => None,
            Health::NotReady(reason) => Some(reason),
        };
        match &reason {
            None => tracing::info!(component, "ready"),
            Some(reason) => tracing::warn!(component, reason, "not ready"),
        }
        let component = component.to_owned();
        self.events.publish(Event::Readiness { component, ready: is_ready, reason });
    }

    /// Every component as it is now.
    pub fn all(&self) -> BTreeMap<&'static str, Health> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn set__should_tell_only_news() {
        let events = EventBus::new();
        let mut listener = events.subscribe();
        let readiness = Readiness::new(ReadyMetrics::default(), events);

        readiness.set("store", Health::NotReady("disk full".into()));
        readiness.set("store", Health::NotReady("disk full".into()));
        readiness.set("store", Health::Ready);

        let first = listener.try_recv().expect("the first news").event;
        assert!(matches!(first, Event::Readiness { ready: false, reason: Some(_), .. }));
        let second = listener.try_recv().expect("the second news").event;
        assert!(matches!(second, Event::Readiness { ready: true, reason: None, .. }));
        assert!(listener.try_recv().is_err());
    }

    #[test]
    fn node__should_be_ready_when_all_components_are() {
        let metrics = ReadyMetrics::default();
        let readiness = Readiness::new(metrics.clone(), EventBus::new());

        readiness.set("store", Health::Ready);
        readiness.set("bitcoind", Health::NotReady("away".into()));
        assert_eq!(metrics.node.get(), 0);

        readiness.set("bitcoind", Health::Ready);
        assert_eq!(metrics.node.get(), 1);
    }
}
