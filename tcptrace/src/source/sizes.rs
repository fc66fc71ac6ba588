//! How big the loaded programs are, as the kernel tells (`bpf_prog_get_info_by_fd()`).

use aya::programs::ProgramInfo;
use tcptrace_ebpf::names;

use super::load::Kernel;

/// Of one loaded program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramSize {
    /// Its name in the BPF object.
    pub name: String,
    /// Instructions that the verifier went through, on all paths; 5.16 and later tell.
    pub verified_instructions: Option<u32>,
    /// Bytes of BPF after the verifier's changes; hidden from the unprivileged.
    pub translated_bytes: Option<u32>,
    /// Bytes of machine code; 0 where the kernel interprets.
    pub machine_code_bytes: u32,
}

impl Kernel {
    /// Sizes of the programs that are loaded, in the order in which they are attached.
    pub fn program_sizes(&mut self) -> Vec<ProgramSize> {
        let loaded = self.ebpf_mut().programs().filter_map(|(name, program)| {
            let info: ProgramInfo = program.info().ok()?;
            Some(ProgramSize {
                name: name.to_owned(),
                verified_instructions: info.verified_instruction_count(),
                translated_bytes: info.size_translated(),
                machine_code_bytes: info.size_jitted(),
            })
        });
        let mut sizes: Vec<ProgramSize> = loaded.collect();
        let all = names::PROGRAMS.map(|(name, _)| name);
        // The optional one comes last.
        sizes.sort_by_key(|size| all.iter().position(|name| *name == size.name).unwrap_or(all.len()));
        sizes
    }
}
