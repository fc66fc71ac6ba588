//! What ends no connection, and must not be told as if it had.

use std::{
    io::ErrorKind,
    net::{TcpListener, TcpStream},
};

use anyhow::{Result, ensure};

use super::orderly;
use crate::{netns::NetNs, truth::Truth};

/// A listener is closed. An orderly close follows, which shows that everything before it was seen.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn listener_closed(netns: &NetNs) -> Result<Truth> {
    drop(TcpListener::bind("127.0.0.1:0")?);
    orderly::orderly(netns)
}

/// A connection is refused. An orderly close follows, as above.
///
/// # Errors
/// When the sockets do not do as they should.
pub fn refused(netns: &NetNs) -> Result<Truth> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let nobody = listener.local_addr()?;
    drop(listener);
    let answer = TcpStream::connect(nobody);
    let refused = answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    ensure!(refused, "expected to be refused, got {answer:?}");
    orderly::orderly(netns)
}
