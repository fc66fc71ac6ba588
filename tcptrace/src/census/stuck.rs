//! The report of `tcptrace stuck`.

use std::{collections::HashMap, sync::Arc};

use super::Census;
use crate::model::{FindingReason, Holders, Listed, Snapshot, StuckCause, StuckReport};

impl Census {
    /// Ends a round that looked for stuck sockets. `admits` leaves out what the user does not want to see.
    pub fn stuck(
        &mut self,
        time_ns: u64,
        holders: &HashMap<u32, Holders>,
        admits: impl Fn(&Holders) -> bool,
    ) -> StuckReport {
        let (listed, round) = self.close_round(time_ns);
        let mut report = StuckReport { round, ..StuckReport::default() };
        let nobody = Holders::default();
        for known in listed {
            let held = holders.get(&known.snapshot.inode);
            if !admits(held.unwrap_or(&nobody)) {
                continue;
            }
            let Some(finding) = self.finding(&known, held.cloned().map(Arc::new)) else { continue };
            let cause = StuckCause::ALL.iter().position(|cause| finding.reason == FindingReason::Stuck(*cause));
            if let Some(count) = cause.and_then(|cause| report.by_reason.get_mut(cause)) {
                *count += 1;
            }
            report.sockets.push(Listed { finding, fin_rto: fin_rto(&known.snapshot) });
        }
        self.followed.mark_listed(report.sockets.iter().map(|listed| &listed.finding.socket));
        report
    }
}

/// How often the timer sent the FIN again, as of `icsk_retransmits`: of a FIN that never left, 0; of one that is alone,
/// the number; behind data, nobody knows.
pub(super) fn fin_rto(snapshot: &Snapshot) -> Option<u32> {
    let info = snapshot.info?;
    match (info.notsent_bytes, info.unacked_segments) {
        (0, 0 | 1) => Some(u32::from(info.retransmits)),
        (0, _) => None,
        _ => Some(0),
    }
}
