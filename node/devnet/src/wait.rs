//! Waiting for something that only shows when asked for, with a deadline.

use std::time::Duration;

use eyre::{Result, bail};
use tokio::time::{Instant, sleep};

/// Time between two looks: short beside anything waited for, long beside one look.
const INTERVAL: Duration = Duration::from_millis(20);

/// Looks again and again until `look` gives something.
///
/// # Errors
/// The first error of `look`, or that `what` did not come within `limit`.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}, in vain", limit.as_secs());
        }
        sleep(INTERVAL).await;
    }
}
