//! The report of `tcptrace leaks`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    Census,
    groups::{Gathering, group_of},
};
use crate::model::{GroupOf, Holders, LeaksReport, Listed};

impl Census {
    /// Ends a round that looked for leaks. `admits` leaves out what the user does not want to see; a socket that waits
    /// for `accept()` counts as held by whoever holds its listener.
    pub fn leaks(
        &mut self,
        time_ns: u64,
        holders: &HashMap<u32, Holders>,
        admits: impl Fn(&Holders) -> bool,
    ) -> LeaksReport {
        let (listed, round) = self.close_round(time_ns);
        let nobody = Holders::default();
        let mut groups: HashMap<GroupOf, Gathering> = HashMap::new();
        for known in listed {
            let accepted = known.snapshot.inode != 0;
            let inode = match self.listeners.of(&known.snapshot.socket) {
                _ if accepted => known.snapshot.inode,
                Some(listener) => listener.inode,
                None => 0,
            };
            let held = holders.get(&inode);
            if !admits(held.unwrap_or(&nobody)) {
                continue;
            }
            let own = held.filter(|_| accepted).cloned().map(Arc::new);
            let Some(finding) = self.finding(&known, own) else { continue };
            let of = group_of(&known.snapshot, held);
            groups.entry(of).or_default().add(Listed { finding, fin_rto: None, closing: None }, held, accepted);
        }
        let mut report = LeaksReport { round, ..LeaksReport::default() };
        let present: HashSet<GroupOf> = groups.keys().cloned().collect();
        for (of, gathering) in groups {
            let growth = self.trends.record(&of, time_ns, gathering.count());
            let group = gathering.finish(of, growth);
            for (sum, count) in report.by_cause.iter_mut().zip(group.by_cause) {
                *sum += count;
            }
            report.groups.push(group);
        }
        let listed = report.groups.iter().flat_map(|group| &group.sockets);
        let mut round = report.round;
        self.end_round(&mut round, listed.map(|listed| &listed.finding.socket));
        report.round = round;
        self.trends.end(time_ns, &present);
        report.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.of.cmp(&b.of)));
        report
    }
}
