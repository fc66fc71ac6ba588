//! Properties of the engine: lives of sockets that are made up by a model which knows the truth, then lost,
//! doubled, shuffled and given used addresses.
//!
//! `life` plans one connection, and `pen` writes down its events and the record they deserve. `world` puts many into
//! one stream, `watch` runs an engine over a stream and checks at every step what must hold for any input.
#![allow(clippy::panic, clippy::indexing_slicing, reason = "a property that does not hold ends the case")]

mod chaos;
mod clean;
mod healing;
mod life;
mod lossy;
mod pen;
mod watch;
mod world;
