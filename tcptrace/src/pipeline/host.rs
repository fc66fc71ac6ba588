//! One host: its engine, what it calls things, and what of it is wanted.

use std::{io, mem};

use super::Sink;
use crate::{
    decode::{Frame, decode, decode_record},
    engine::{Config, Engine},
    filter::Filter,
    model::{Event, Input, Output, Status, Tick},
    report::Context,
};

pub(super) struct Host {
    pub(super) engine: Engine,
    /// Events for which the engine reads ahead; whatever else comes or is asked, they are handled first.
    ahead: Vec<Event>,
    filter: Filter,
    pub(super) context: Context,
    /// Newest time in any input, CLOCK_MONOTONIC nanoseconds.
    mono_ns: u64,
    /// Closes that were given.
    pub(super) closes: u64,
    /// Nothing more comes of it.
    pub(super) is_over: bool,
    /// The first tick: wall clocks step, so only this one aligns the host with others.
    first_tick: Option<Tick>,
}

impl Host {
    pub(super) fn new(config: Config, filter: Filter) -> Self {
        Self {
            engine: Engine::new(config),
            ahead: Vec::with_capacity(Engine::AHEAD),
            filter,
            context: Context::default(),
            mono_ns: 0,
            closes: 0,
            is_over: false,
            first_tick: None,
        }
    }

    pub(super) fn frame<S: Sink>(&mut self, frame: Frame<'_>, sink: &mut S) -> io::Result<()> {
        // Nearly all are, so these are moved no more often than they have to be.
        if let Frame::Record(bytes) = frame
            && let Ok(event) = decode_record(bytes)
        {
            return self.event(event, sink);
        }
        let input = decode(frame);
        self.catch_up(sink)?;
        match &input {
            Input::Host(host) => self.context.host(host),
            Input::Tick(tick) => {
                self.first_tick.get_or_insert(*tick);
                self.mono_ns = self.mono_ns.max(tick.mono_ns);
                self.context.tick(*tick);
            }
            Input::Cgroup(name) => {
                self.filter.learn_cgroup(name);
                self.context.cgroup(name.clone());
            }
            Input::Interface(name) => self.context.interface(name),
            Input::NetnsName(name) => {
                self.filter.learn_netns(name);
                self.context.netns_name(name.clone());
            }
            _ => {}
        }
        sink.input(&input);
        self.engine.handle(&input);
        self.poll(sink)
    }

    fn event<S: Sink>(&mut self, event: Event, sink: &mut S) -> io::Result<()> {
        self.mono_ns = self.mono_ns.max(event.time_ns);
        self.ahead.push(event);
        if self.ahead.len() < Engine::AHEAD { Ok(()) } else { self.catch_up(sink) }
    }

    pub(super) fn gap<S: Sink>(&mut self, sink: &mut S) -> io::Result<()> {
        self.catch_up(sink)?;
        self.engine.handle(&Input::Gap);
        self.poll(sink)
    }

    pub(super) fn catch_up<S: Sink>(&mut self, sink: &mut S) -> io::Result<()> {
        self.engine.read_ahead(&self.ahead);
        let mut events = mem::take(&mut self.ahead);
        for event in &events {
            self.engine.handle_event(event);
            self.poll(sink)?;
        }
        events.clear();
        self.ahead = events;
        Ok(())
    }

    fn poll<S: Sink>(&mut self, sink: &mut S) -> io::Result<()> {
        while let Some(output) = self.engine.poll() {
            if self.filter.admits(&output) {
                self.closes += u64::from(matches!(output, Output::Close(_)));
                sink.output(&output, self.filter.shows(&output), &self.context)?;
            }
        }
        Ok(())
    }

    /// Judges what waits.
    pub(super) fn finish<S: Sink>(&mut self, sink: &mut S) -> io::Result<()> {
        self.catch_up(sink)?;
        self.engine.finish();
        self.poll(sink)
    }

    /// The engine's, with times since 1970, and of a sample what it stands for.
    pub(super) fn status(&self) -> Status {
        let status = self.engine.status();
        let real_ns = |mono_ns| if mono_ns == 0 { 0 } else { self.context.real_ns(mono_ns) };
        Status {
            first_ns: real_ns(status.first_ns),
            last_ns: real_ns(status.last_ns),
            open: status.open.map(|open| open.saturating_mul(self.context.weight())),
            ..status
        }
    }

    /// The newest time, nanoseconds since 1970.
    pub(super) fn now_ns(&self) -> u64 {
        self.context.real_ns(self.mono_ns)
    }

    /// See [`super::Pipeline::time_ns`].
    pub(super) fn time_ns(&self) -> Option<u64> {
        let first = self.first_tick?;
        let time_ns = i128::from(first.real_ns) + i128::from(self.mono_ns) - i128::from(first.mono_ns);
        Some(u64::try_from(time_ns.max(0)).unwrap_or(u64::MAX))
    }
}
