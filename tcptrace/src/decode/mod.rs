//! From bytes to events. Every byte is checked before it means anything; what does not fit is refused with
//! a reason and counted, never guessed. No I/O.

mod frame;
mod record;
#[cfg(test)]
mod tests;

pub use frame::Frame;
pub use record::decode_record;

use crate::model::Input;

/// Turns a frame into an input of the engine.
#[must_use]
pub fn decode(frame: Frame<'_>) -> Input {
    match frame {
        Frame::Host(host) => Input::Host(*host),
        Frame::Record(bytes) => match decode_record(bytes) {
            Ok(event) => Input::Event(event),
            Err(refusal) => Input::Refused(refusal),
        },
        Frame::Counters(counters) => Input::Counters(counters),
        Frame::Tick(tick) => Input::Tick(tick),
        Frame::Cgroup(name) => Input::Cgroup(name),
        Frame::Interface(name) => Input::Interface(name),
        Frame::Sighting(sighting) => Input::Sighting(sighting),
        Frame::Absent(absent) => Input::Absent(absent),
        Frame::Dump(mark) => Input::Dump(mark),
        Frame::Netns(facts) => Input::Netns(facts),
        Frame::NetnsName(name) => Input::NetnsName(name),
    }
}
