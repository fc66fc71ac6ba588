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
#[cfg(test)]
mod twin;

#[cfg(test)]
mod books;
#[cfg(test)]
mod captures;
#[cfg(test)]
mod causes;
#[cfg(test)]
mod closes;
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
mod listings;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod owner_filters;
#[cfg(test)]
mod past;
#[cfg(test)]
mod predictions;
#[cfg(test)]
mod random_filters;
#[cfg(test)]
mod resets;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod sampling;
#[cfg(test)]
mod transitions;
#[cfg(test)]
mod worlds;
