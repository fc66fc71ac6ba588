//! CPU time of this thread: other programs of the machine do not count, as far as they leave the caches alone.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment on that clock.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime(Duration);

impl CpuTime {
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        // Neither is ever negative, and the second is below 10^9.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Self(Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0)))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
