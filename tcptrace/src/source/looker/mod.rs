//! Answers what the engine wants to know, off the path of events.
//!
//! Two threads: one looks at single sockets, which is quick and may be tens of thousands a second; the other one dumps
//! and searches `/proc` for holders, which may take long. Both enter network namespaces, which only moves the thread
//! that does it. Their answers are frames, and wait in a bounded queue until the reader takes them.

mod places;
mod worker;

use std::{
    io,
    sync::{
        Arc, OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use tokio::sync::mpsc;

pub(super) use places::{NoWay, Places};

use super::error::SourceError;
use crate::{
    decode::Frame,
    model::{Look, StateSet, Want},
};

/// Questions that wait for a thread. The engine asks again, or does without, where there is no room.
const QUESTIONS_MAX: usize = 1 << 16;
/// Batches of answers that wait for the reader; the threads wait when it is full.
const ANSWERS_MAX: usize = 16;

/// A batch of answers.
pub type Answers = Vec<Frame<'static>>;

/// What a thread is asked.
pub(super) enum Question {
    Look(Look),
    Dump(StateSet),
    Facts(u32),
    /// The interface of a namespace that has this index.
    Interface(u32, u32),
    /// All interfaces of all namespaces.
    Interfaces,
}

/// The threads, and the ways to them. They end when this is dropped.
#[derive(Debug)]
pub struct Looker {
    quick: SyncSender<Question>,
    slow: SyncSender<Question>,
    answers: mpsc::Receiver<Answers>,
    in_the_way: Arc<OnceLock<String>>,
    is_told: bool,
}

impl Looker {
    /// Starts the threads, where sock_diag answers at all.
    ///
    /// # Errors
    /// When the kernel has no sock_diag for TCP, or no thread can be started.
    pub fn start() -> Result<Self, SourceError> {
        let failed = |what| move |source: io::Error| SourceError::Io { what, source };
        super::diag::DiagSocket::open().map_err(failed("ask sock_diag for sockets"))?;
        let (answer, answers) = mpsc::channel(ANSWERS_MAX);
        let in_the_way = Arc::new(OnceLock::new());
        let thread = |name: &str| {
            let (ask, questions) = sync_channel(QUESTIONS_MAX);
            let (answer, in_the_way) = (answer.clone(), Arc::clone(&in_the_way));
            let body = move || worker::run(&questions, &answer, &in_the_way);
            thread::Builder::new().name(name.to_owned()).spawn(body).map(|_| ask)
        };
        let quick = thread("tcptrace-look").map_err(failed("start a thread"))?;
        let slow = thread("tcptrace-dump").map_err(failed("start a thread"))?;
        Ok(Self { quick, slow, answers, in_the_way, is_told: false })
    }

    /// Asks. What finds no room is not answered.
    pub fn ask(&self, want: Want) {
        let (to, question) = match want {
            Want::Look(look) if look.holders => (&self.slow, Question::Look(look)),
            Want::Look(look) => (&self.quick, Question::Look(look)),
            Want::Dump(states) => (&self.slow, Question::Dump(states)),
            Want::Facts(netns) => (&self.quick, Question::Facts(netns)),
        };
        // Full, or the thread has ended: the engine has a limit to its patience, and counts.
        let _ = to.try_send(question);
    }

    /// Asks for the name of an interface of a namespace.
    pub fn ask_interface(&self, netns: u32, index: u32) {
        let _ = self.quick.try_send(Question::Interface(netns, index));
    }

    /// Asks for the names of all interfaces, which come in one answer.
    pub fn ask_interfaces(&self) {
        let _ = self.quick.try_send(Question::Interfaces);
    }

    /// What keeps the threads from looking somewhere, once, in words.
    pub fn in_the_way(&mut self) -> Option<&str> {
        let words = self.in_the_way.get().filter(|_| !self.is_told)?;
        self.is_told = true;
        Some(words)
    }

    /// The next answers; waits for ever where none come.
    pub async fn answers(&mut self) -> Answers {
        match self.answers.recv().await {
            Some(answers) => answers,
            None => std::future::pending().await,
        }
    }
}
