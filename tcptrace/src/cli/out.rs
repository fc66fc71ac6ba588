//! Standard output: as it is, or for a recording, which goes on whatever becomes of its lines.

use std::{
    io::{self, ErrorKind, Stderr, Stdout, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{Builder, JoinHandle},
};

use super::{exit::CliError, signals};

/// Pieces of text, of 64 KiB mostly, that wait for a slow reader of a recording's lines.
const PIECES_MAX: usize = 64;

/// Standard output, or standard error where standard output is the capture.
pub(super) enum Out {
    Stdout(Stdout),
    Stderr(Stderr),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Stdout(out) => out.write(bytes),
            Self::Stderr(out) => out.write(bytes),
        };
        signals::made_progress();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match self {
            Self::Stdout(out) => out.flush(),
            Self::Stderr(out) => out.flush(),
        };
        signals::made_progress();
        flushed
    }
}

/// Hands text to a thread that writes it. It never fails and, until the end of the recording, never waits: lines that
/// nobody reads fast enough are left out and counted.
pub(super) struct Loose {
    pieces: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The recording is over: there is time to wait for a reader.
    may_wait: AtomicBool,
    left_out: AtomicU64,
    failed: Mutex<Option<io::Error>>,
}

/// The thread behind [`Loose`].
pub(super) struct Printer {
    state: Arc<State>,
    thread: JoinHandle<()>,
}

/// Starts the thread.
pub(super) fn loose(out: Out) -> Result<(Loose, Printer), CliError> {
    let state = Arc::new(State::default());
    let (pieces, received) = sync_channel(PIECES_MAX);
    let of_thread = Arc::clone(&state);
    let thread = Builder::new().name("tcptrace-print".to_owned()).spawn(move || print(out, &received, &of_thread));
    let thread = thread.map_err(|source| CliError::System { what: "start a thread", source })?;
    Ok((Loose { pieces, state: Arc::clone(&state) }, Printer { state, thread }))
}

/// Until there are no more, or they cannot be written. Later ones are then thrown away.
fn print(mut out: Out, pieces: &Receiver<Vec<u8>>, state: &State) {
    for piece in pieces {
        if let Err(error) = out.write_all(&piece).and_then(|()| out.flush()) {
            *state.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return;
        }
    }
}

impl Write for Loose {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.to_vec();
        if self.state.may_wait.load(Ordering::Relaxed) {
            // The thread has ended: it says why.
            let _ = self.pieces.send(piece);
        } else if let Err(TrySendError::Full(piece)) = self.pieces.try_send(piece) {
            let lines = piece.iter().filter(|byte| **byte == b'\n').count();
            self.state.left_out.fetch_add(lines as u64, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Printer {
    /// From now on text waits for its reader: nothing is lost by it any more.
    pub(super) fn may_wait(&self) {
        self.state.may_wait.store(true, Ordering::Relaxed);
    }

    /// Waits until all is written. Gives the number of lines that were left out, and why writing failed, if it did; a
    /// reader that went away has seen what it wanted.
    pub(super) fn finish(self) -> (u64, Result<(), CliError>) {
        let ended = self.thread.join().map_err(|_| CliError::Output(io::Error::other("the printing thread panicked")));
        let failed = self.state.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        let failed = failed.filter(|error| error.kind() != ErrorKind::BrokenPipe);
        (self.state.left_out.load(Ordering::Relaxed), ended.and(failed.map_or(Ok(()), |error| Err(error.into()))))
    }
}
