//! Modules of an unpacked kernel package, in the order in which they must be loaded. The package has no `modules.dep`
//! (its installation makes that), so each module is asked what it depends on.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

/// A module's bytes, as the kernel takes them.
pub(super) struct Module {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The wanted modules, those of the optional ones that the kernel has, and those that they need. What the kernel has
/// built in needs none. `busybox` unpacks them where nothing else can.
pub(super) fn ordered(folder: &Path, wanted: &[String], optional: &[String], busybox: &Path) -> Result<Vec<Module>> {
    let mut shelf = Shelf { files: BTreeMap::new(), built_in: String::new(), taken: Vec::new(), busybox };
    shelf.list(folder)?;
    for name in wanted {
        shelf.take(name)?;
    }
    let has: Vec<&String> = optional.iter().filter(|name| shelf.files.contains_key(*name)).collect();
    for name in has {
        shelf.take(name)?;
    }
    Ok(shelf.taken)
}

struct Shelf<'a> {
    busybox: &'a Path,
    files: BTreeMap<String, PathBuf>,
    built_in: String,
    taken: Vec<Module>,
}

impl Shelf<'_> {
    fn list(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            // A kernel's folder may hold links to its sources, which lead out of the package.
            if path.is_dir() && !path.is_symlink() {
                self.list(&path)?;
            } else if let Some(name) = module_name(&path) {
                self.files.insert(name, path);
            } else if path.file_name().is_some_and(|name| name == "modules.builtin") {
                self.built_in = fs::read_to_string(&path)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, name: &str) -> Result<()> {
        if self.taken.iter().any(|module| module.name == name) || self.is_built_in(name) {
            return Ok(());
        }
        let path = self.files.get(name).with_context(|| format!("this kernel has no module {name}"))?;
        let bytes = content(path, self.busybox)?;
        for needed in dependencies(&bytes) {
            self.take(&needed)?;
        }
        self.taken.push(Module { name: name.to_owned(), bytes });
        Ok(())
    }

    fn is_built_in(&self, name: &str) -> bool {
        self.built_in.lines().any(|line| module_name(Path::new(line)).is_some_and(|built_in| built_in == name))
    }
}

/// `tcp_diag` of `tcp-diag.ko.xz`.
fn module_name(path: &Path) -> Option<String> {
    let (stem, end) = path.file_name()?.to_str()?.split_once(".ko")?;
    matches!(end, "" | ".xz" | ".zst").then(|| stem.replace('-', "_"))
}

fn content(path: &Path, busybox: &Path) -> Result<Vec<u8>> {
    let unpacker = match path.extension().and_then(|end| end.to_str()) {
        Some("ko") => return fs::read(path).with_context(|| format!("cannot read {}", path.display())),
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => bail!("{} is no module", path.display()),
    };
    let mut command = match (process::in_path(unpacker), unpacker) {
        (Some(program), _) => Command::new(program),
        (None, "xz") => {
            let mut command = Command::new(busybox);
            command.arg("xz");
            command
        }
        (None, _) => bail!("{unpacker} is not installed, and {} needs it", path.display()),
    };
    let output = command.arg("-dc").arg(path).output().with_context(|| format!("cannot run {unpacker}"))?;
    if !output.status.success() {
        bail!("cannot unpack {}: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// From `.modinfo`, which is strings that end with a zero: `depends=a,b`.
fn dependencies(module: &[u8]) -> Vec<String> {
    let strings = module.split(|byte| *byte == 0);
    let named = strings.filter_map(|text| std::str::from_utf8(text.strip_prefix(b"depends=")?).ok()).next();
    let names = named.unwrap_or_default().split(',').filter(|name| !name.is_empty());
    names.map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs() {
        assert_eq!(dependencies(b"\x7fELF\0license=GPL\0depends=inet-diag,x\0retpoline=Y\0"), ["inet_diag", "x"]);
        assert!(dependencies(b"\0depends=\0").is_empty());
        assert!(dependencies(b"").is_empty());
    }

    #[test]
    fn names_come_from_files() {
        let name = |path: &str| module_name(Path::new(path));
        assert_eq!(name("kernel/net/ipv4/tcp-diag.ko.xz").as_deref(), Some("tcp_diag"));
        assert_eq!(name("nf_tables.ko").as_deref(), Some("nf_tables"));
        assert_eq!(name("modules.order"), None);
    }
}
