//! How long requests take, under the name that the network's dashboards know.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, histogram::Histogram},
    registry::Registry,
};

/// The reference service's buckets, in seconds.
const BUCKETS: [f64; 7] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    /// The path as it is routed: one of a fixed list.
    endpoint: String,
    status: u16,
}

/// Durations of the staking API's requests, by path and status.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: Family<Request, Histogram, fn() -> Histogram>,
}

impl HttpMetrics {
    /// Registers `http_request_duration_seconds`. To be given the registry without any prefix.
    pub fn register(root: &mut Registry) -> Self {
        let make: fn() -> Histogram = || Histogram::new(BUCKETS);
        let requests = Family::new_with_constructor(make);
        let help = "Duration of requests to the staking API in seconds";
        root.register("http_request_duration_seconds", help, requests.clone());
        Self { requests }
    }

    pub(super) fn took(&self, endpoint: &str, status: u16, time: Duration) {
        let request = Request { endpoint: endpoint.into(), status };
        self.requests.get_or_create(&request).observe(time.as_secs_f64());
    }
}
