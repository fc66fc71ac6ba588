//! Waiting for conditions, never for luck: each wait has a limit and says what it waited for.

use std::{
    env,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(1);

/// How many times longer than on a host things may take here: an emulated machine is slow (`cargo xtask vm`).
const SLOWNESS: &str = "TCPTRACE_TESTS_SLOWNESS";

/// How slow this machine is said to be: 1 for a host.
#[must_use]
pub fn slowness() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    *FACTOR.get_or_init(|| env::var(SLOWNESS).ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1))
}

/// A limit as it is on this machine.
#[must_use]
pub fn scaled(limit: Duration) -> Duration {
    limit.saturating_mul(slowness())
}

/// Looks again and again until `look` finds something.
///
/// # Errors
/// When `look` fails, or finds nothing within `limit`, which is [`scaled`].
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let limit = scaled(limit);
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} for {what}");
        }
        thread::sleep(PAUSE);
    }
}
