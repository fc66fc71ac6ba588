//! Histograms of a run: for each interval as time passes, and in total at the end.

use super::Draw;
use crate::{
    model::Close,
    output::Renderer,
    report::{Context, histogram::Histograms},
};

/// Intervals in a row that nothing came in, and that are told all the same; of a longer time, the first is as much
/// longer.
const EMPTY_MAX: u64 = 255;

/// Counts closes, and knows when an interval is over.
pub(super) struct Drawn {
    histograms: Histograms,
    interval_ns: u64,
    intervals: bool,
    width: fn() -> Option<usize>,
    /// End of the running interval; `None` before the first tick.
    end_ns: Option<u64>,
    /// The running interval has closes, or lost events.
    has_closes: bool,
    /// An interval with closes was told: the total is not the same again.
    told: bool,
    hosts: Hosts,
}

impl Drawn {
    pub(super) fn new(draw: Draw) -> Self {
        let Draw { mut config, interval_ns, intervals, heatmap, width } = draw;
        // Never 0, or it would never pass.
        let interval_ns = interval_ns.max(1);
        config.heat_ns = heatmap.then_some(interval_ns);
        let histograms = Histograms::new(config);
        let hosts = Hosts::default();
        Self { histograms, interval_ns, intervals, width, end_ns: None, has_closes: false, told: false, hosts }
    }

    /// One socket in so many is followed on a host, so that intervals without closes say so, too.
    pub(super) fn sampled(&mut self, one_in: u32) {
        self.histograms.sampled(one_in.into());
    }

    pub(super) fn close(&mut self, close: &Close, context: &Context) {
        self.has_closes = true;
        let host = self.hosts.number(context);
        self.histograms.record(close, host, context.weight(), context);
    }

    /// More events were lost, in the running interval as far as is known.
    pub(super) fn lost(&mut self, events: u64) {
        self.histograms.lost(events);
        self.has_closes = true;
    }

    /// Time has passed: appends the interval if it is over.
    pub(super) fn tick(&mut self, out: &mut Vec<u8>, renderer: &mut Renderer, time_ns: u64) {
        self.histograms.begin(time_ns);
        let end_ns = *self.end_ns.get_or_insert(time_ns.saturating_add(self.interval_ns));
        if time_ns < end_ns {
            return;
        }
        let passed = (time_ns - end_ns) / self.interval_ns;
        self.end_ns = Some(end_ns.saturating_add((passed + 1).saturating_mul(self.interval_ns)));
        if passed == 0 {
            self.next(out, renderer, time_ns);
            return;
        }
        // Nothing came for a while, as between two captures.
        for number in passed.saturating_sub(EMPTY_MAX)..=passed {
            self.next(out, renderer, end_ns.saturating_add(number.saturating_mul(self.interval_ns)));
        }
    }

    /// Ends an interval.
    fn next(&mut self, out: &mut Vec<u8>, renderer: &mut Renderer, time_ns: u64) {
        self.interval(out, renderer, time_ns);
        self.histograms.next_interval(time_ns);
    }

    fn interval(&mut self, out: &mut Vec<u8>, renderer: &mut Renderer, time_ns: u64) {
        if self.intervals {
            self.told |= self.has_closes;
            self.fit(renderer);
            renderer.histograms(out, &self.histograms.interval(time_ns, &self.hosts.names));
        }
        self.has_closes = false;
    }

    /// Appends the interval that was cut short, and the total. People are not shown the only interval twice.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, renderer: &mut Renderer, time_ns: u64) {
        if self.has_closes && (self.told || !renderer.is_for_people()) {
            self.interval(out, renderer, time_ns);
        }
        self.fit(renderer);
        let total = self.histograms.total(time_ns, &self.hosts.names);
        renderer.histograms(out, &total);
        self.heat(out, renderer, time_ns);
    }

    fn fit(&self, renderer: &mut Renderer) {
        if let Some(width) = (self.width)() {
            renderer.set_width(width);
        }
    }

    fn heat(&self, out: &mut Vec<u8>, renderer: &mut Renderer, time_ns: u64) {
        for of in &self.histograms.config().ofs {
            if let Some(heat) = self.histograms.heat(*of, time_ns) {
                renderer.heatmap(out, &heat);
            }
        }
    }
}

/// Names of hosts. Several captures may be of one host.
#[derive(Default)]
struct Hosts {
    names: Vec<String>,
    /// By the number in the run, the number of the name.
    numbers: Vec<Option<u16>>,
}

impl Hosts {
    fn number(&mut self, context: &Context) -> u16 {
        let at = usize::from(context.number());
        if let Some(number) = self.numbers.get(at).copied().flatten() {
            return number;
        }
        let name = context.hostname().unwrap_or("unknown");
        let found = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let number = u16::try_from(found).unwrap_or(u16::MAX);
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, None);
        }
        if let Some(place) = self.numbers.get_mut(at) {
            *place = Some(number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HostInfo;

    #[test]
    fn captures_of_one_host_are_one() {
        let mut hosts = Hosts::default();
        let context = |number, name: &str| {
            let mut context = Context::default();
            context.set_number(number);
            context.host(&HostInfo { hostname: name.to_owned(), ..HostInfo::default() });
            context
        };
        let found = [(2, "b"), (0, "a"), (1, "b"), (2, "b")].map(|(at, name)| hosts.number(&context(at, name)));
        assert_eq!((found, hosts.names), ([0, 1, 0, 0], vec!["b".to_owned(), "a".to_owned()]));
    }
}
