//! A script as the inputs of an engine: what it asks is answered, as a live run would.

use tcptrace::{
    engine::{Config, Engine},
    model::Input,
};

use crate::{looks::World, script::Script};

/// Reads a script to its end. Answers become inputs like all others, as they do in a capture.
#[must_use]
pub fn play(bytes: &[u8]) -> (Config, Vec<Input>) {
    let mut script = Script::new(bytes);
    let (config, sock_diag) = script.config();
    let mut engine = Engine::new(config);
    let mut world = World::default();
    let mut inputs = vec![Script::host(sock_diag)];
    let mut now_ns = 1_000_000_000_000;
    let mut done = 0;
    loop {
        while let Some(input) = inputs.get(done) {
            engine.handle(input);
            while engine.poll().is_some() {}
            world.learn(input);
            done += 1;
        }
        // Nobody answers when nothing is left of the script: what goes on for ever must end somewhere.
        while let Some(want) = engine.poll_want().filter(|_| script.goes_on()) {
            inputs.extend(world.answer(want, &mut script, &mut now_ns));
        }
        if done == inputs.len() {
            match script.input(&world, &mut now_ns) {
                Some(input) => inputs.push(input),
                None => return (config, inputs),
            }
        }
    }
}
