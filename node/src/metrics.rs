//! The one registry behind `/metrics`, and the metrics of the node as a whole.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{
        family::Family,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::{Registry, Unit},
};

/// The content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Names a part of the node; a handful of fixed words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Component {
    /// The word.
    pub component: String,
}

/// Whether the node and its parts are ready: 1 or 0.
#[derive(Clone, Debug, Default)]
pub struct ReadyMetrics {
    /// The node as a whole.
    pub node: Gauge,
    /// Each part.
    pub components: Family<Component, Gauge>,
}

/// Registers what every node exports. `registry` has no prefix; everything of ours begins with
/// `trestle_` (see [`ours`]).
pub fn register(registry: &mut Registry) -> ReadyMetrics {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // The usual name, without our prefix, so that existing dashboards show it.
    let started = ConstGauge::new(i64::try_from(now).unwrap_or(i64::MAX));
    registry.register_with_unit(
        "process_start_time",
        "When the process started, in seconds since 1970",
        Unit::Seconds,
        started,
    );
    registry.register_collector(Box::new(Memory));
    let ready = ReadyMetrics::default();
    let ours = ours(registry);
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    ours.register("build", "The version that runs", version);
    ours.register("node_ready", "1 while the node can do its work, else 0", ready.node.clone());
    ours.register(
        "node_component_ready",
        "1 while the component can do its work, else 0",
        ready.components.clone(),
    );
    ready
}

/// The part of the registry for our own metrics.
pub fn ours(registry: &mut Registry) -> &mut Registry {
    registry.sub_registry_with_prefix("trestle")
}

/// The text of `/metrics`.
pub fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    text::encode(&mut text, registry).expect("writing to a String cannot fail");
    text
}

/// Resident memory, read when asked for.
#[derive(Debug)]
struct Memory;

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(bytes) = resident_bytes() else { return Ok(()) };
        let gauge = ConstGauge::new(bytes);
        let metric = encoder.encode_descriptor(
            "process_resident_memory",
            "Memory of the process that is in RAM",
            Some(&Unit::Bytes),
            gauge.metric_type(),
        )?;
        gauge.encode(metric)
    }
}

// The second number of statm is the resident set in pages; there is none outside of Linux.
fn resident_bytes() -> Option<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(i64::try_from(rustix::param::page_size()).ok()?)
}
