//! One function a scenario: it makes real closes and returns what is true of them.
//!
//! Each runs on the thread of a [`crate::netns::run`], holds nothing open when it returns, and takes the
//! time for which somebody is made to wait.

pub mod crossing;
pub mod family;
pub mod leak;
pub mod left_over;
pub mod lost_fin;
pub mod orderly;
pub mod orphan;
pub mod quiet;
pub mod reset;
pub mod stuck;
pub mod timewait;
pub mod unsent;
pub mod zero_window;
