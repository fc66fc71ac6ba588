//! What tcptrace says of real closes on this kernel, against what the sockets really did.
//!
//! Needs root and BPF. A host that cannot run these fails them: a test that was skipped proves nothing.

#[cfg(test)]
mod cgroups;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod look;
mod mptcp_listings;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod twin;

#[cfg(test)]
mod abilities;
#[cfg(test)]
mod ages;
#[cfg(test)]
mod books;
#[cfg(test)]
mod captures;
#[cfg(test)]
mod causes;
#[cfg(test)]
mod closes;
#[cfg(test)]
mod connects;
#[cfg(test)]
mod diag;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod doctor_ports;
#[cfg(test)]
mod doctor_settings;
#[cfg(test)]
mod doctor_watch;
#[cfg(test)]
mod exclusions;
mod failures;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod healing;
#[cfg(test)]
mod hist;
#[cfg(test)]
mod left_over;
#[cfg(test)]
mod lingering;
#[cfg(test)]
mod listings;
#[cfg(test)]
mod names;
#[cfg(test)]
mod namespaces;
mod netns_names;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod owner_filters;
#[cfg(test)]
mod past;
#[cfg(test)]
mod predictions;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod random_filters;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod resets;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod sampling;
#[cfg(test)]
mod sight;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod stuck_groups;
#[cfg(test)]
mod subflows;
#[cfg(test)]
mod transitions;
#[cfg(test)]
mod ways;
#[cfg(test)]
mod workers;
#[cfg(test)]
mod worlds;
#[cfg(test)]
mod zones;
