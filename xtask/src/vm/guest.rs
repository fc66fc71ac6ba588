//! The file system of a machine: programs, libraries, modules, and the plan that its first process carries out
//! (`tests/vm-init/src/plan.rs`).

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    archive::{Suite, unpacked},
    build::{Programs, libraries, stripped},
    cpio::Archive,
    known::{Kernel, Known},
    modules,
};

const TOOL: &str = "/bin/tcptrace";
const BUSYBOX: &str = "/bin/busybox";

/// What all machines have, read once.
pub(super) struct Guest {
    cache: PathBuf,
    /// Path inside and content.
    files: Vec<(String, Vec<u8>)>,
    library_folders: BTreeSet<String>,
    tests: String,
    modules: Vec<String>,
    optional_modules: Vec<String>,
    busybox: PathBuf,
}

/// An unpacked kernel.
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    modules: PathBuf,
}

impl Guest {
    pub(super) fn new(cache: &Path, known: &Known, programs: &Programs) -> Result<Self> {
        let scratch = cache.join("stripped");
        fs::create_dir_all(&scratch)?;
        let mut guest = Self {
            cache: cache.to_owned(),
            files: Vec::new(),
            library_folders: BTreeSet::new(),
            tests: programs.tests.display().to_string(),
            modules: known.modules.clone(),
            optional_modules: known.optional_modules.clone(),
            busybox: busybox(cache, known)?,
        };
        guest.add("/init", &programs.init, &scratch)?;
        guest.add(TOOL, &programs.tool, &scratch)?;
        let busybox = guest.busybox.clone();
        guest.add(BUSYBOX, &busybox, &scratch)?;
        for program in [&programs.tests].into_iter().chain(&programs.helpers) {
            guest.add(&program.display().to_string(), program, &scratch)?;
        }
        Ok(guest)
    }

    fn add(&mut self, path: &str, program: &Path, scratch: &Path) -> Result<()> {
        self.files.push((path.to_owned(), stripped(program, scratch)?));
        for library in libraries(program)? {
            let path = library.display().to_string();
            if self.files.iter().any(|(known, _)| *known == path) {
                continue;
            }
            if let Some(folder) = library.parent() {
                self.library_folders.insert(folder.display().to_string());
            }
            let content = fs::read(&library).with_context(|| format!("cannot read {path}"))?;
            self.files.push((path, content));
        }
        Ok(())
    }

    /// Fetches a kernel, if need be.
    pub(super) fn image(&self, kernel: &Kernel) -> Result<Image> {
        let from = Suite { archive: &kernel.archive, suite: &kernel.suite, version: &kernel.version };
        let folder = unpacked(&self.cache, &kernel.release, &from, &kernel.packages())?;
        let release = &kernel.release;
        // Newer packages have all of it below usr/lib/modules.
        let first_of = |places: [String; 2]| places.iter().map(|place| folder.join(place)).find(|path| path.exists());
        let image = first_of([format!("boot/vmlinuz-{release}"), format!("usr/lib/modules/{release}/vmlinuz")]);
        let modules = first_of([format!("lib/modules/{release}"), format!("usr/lib/modules/{release}")]);
        let image = image.zip(modules).map(|(kernel, modules)| Image { kernel, modules });
        image.with_context(|| format!("{} holds no kernel", folder.display()))
    }

    /// The archive for one kernel. `slowness` is how many times longer than on the host anything may take.
    pub(super) fn archive(&self, image: &Image, filter: &str, limit: Duration, slowness: u32) -> Result<Vec<u8>> {
        let mut archive = Archive::new();
        let mut plan = String::new();
        for module in modules::ordered(&image.modules, &self.modules, &self.optional_modules, &self.busybox)? {
            let path = format!("/modules/{}.ko", module.name);
            archive.file(&path, &module.bytes);
            writeln!(plan, "module {path}")?;
        }
        for (path, content) in &self.files {
            archive.file(path, content);
        }
        let folders: Vec<&str> = self.library_folders.iter().map(String::as_str).collect();
        writeln!(plan, "env LD_LIBRARY_PATH={}", folders.join(":"))?;
        writeln!(plan, "env PATH=/bin\nenv HOME=/tmp\nenv TCPTRACE_BIN={TOOL}")?;
        writeln!(plan, "env TCPTRACE_TESTS_SLOWNESS={slowness}")?;
        writeln!(plan, "tool {TOOL}\ntests {}\nfilter {filter}\nlimit {}", self.tests, limit.as_secs())?;
        archive.file("/plan", plan.as_bytes());
        for folder in ["proc", "sys", "tmp", "run", "etc", "etc/sysctl.d", "usr", "usr/lib", "usr/lib/sysctl.d"] {
            archive.folder(folder);
        }
        Ok(archive.finish())
    }
}

/// Debian's, pinned: a busybox of the host may lack what the machines call.
fn busybox(cache: &Path, known: &Known) -> Result<PathBuf> {
    let wanted = &known.busybox;
    let from = Suite { archive: &wanted.archive, suite: &wanted.suite, version: &wanted.version };
    let folder = unpacked(cache, &wanted.package, &from, std::slice::from_ref(&wanted.package))?;
    let places = ["bin/busybox", "usr/bin/busybox"].map(|place| folder.join(place));
    places.into_iter().find(|path| path.exists()).context("the package of busybox holds no busybox")
}
