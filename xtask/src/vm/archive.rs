//! Packages of Debian's archives: fetched by apt with lists and caches of their own below the target folder, unpacked,
//! never installed. The host's own suites do not matter, and none of its settings change.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::process;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Says that a folder holds all that it should.
const COMPLETE: &str = ".complete";

/// One suite of one archive.
pub(super) struct Suite<'a> {
    pub(super) archive: &'a str,
    pub(super) suite: &'a str,
    /// Of every package that is asked for.
    pub(super) version: &'a str,
}

/// Fetches packages and unpacks them into the folder `name` of the cache.
pub(super) fn unpacked(cache: &Path, name: &str, from: &Suite<'_>, packages: &[String]) -> Result<PathBuf> {
    unpack(cache, name, from, packages, &["download"])
}

/// The same of one package and of all that it depends on, down to the C library: those in the versions that the suite
/// has now.
pub(super) fn unpacked_with_dependencies(cache: &Path, name: &str, from: &Suite<'_>, package: &str) -> Result<PathBuf> {
    let how = ["install", "--download-only", "--yes", "--no-install-recommends"];
    unpack(cache, name, from, &[package.to_owned()], &how)
}

/// `how` is the command of apt-get that leaves the packages in the folder for them.
fn unpack(cache: &Path, name: &str, from: &Suite<'_>, packages: &[String], how: &[&str]) -> Result<PathBuf> {
    let folder = cache.join("unpacked").join(name);
    // Another version under the same name is another thing.
    let wanted = format!("{} {}\n", packages.join(" "), from.version);
    if fs::read_to_string(folder.join(COMPLETE)).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    eprintln!("vm: fetching {} {} ({})", packages.join(" "), from.version, from.suite);
    if process::in_path("apt-get").is_none() || !Path::new(KEYRING).exists() {
        bail!("kernels and qemu come from Debian's archives by apt: that needs a Debian system with {KEYRING}");
    }
    // Under another name until it is whole.
    let growing = folder.with_file_name(format!("{name}.tmp"));
    for old in [&folder, &growing] {
        let _ = fs::remove_dir_all(old);
    }
    fs::create_dir_all(&growing)?;
    let apt = Apt::new(&cache.join("apt").join(from.suite), from)?;
    for file in apt.fetch(packages, from, how)? {
        process::run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&growing))?;
        fs::remove_file(&file)?;
    }
    fs::write(growing.join(COMPLETE), wanted)?;
    fs::rename(&growing, &folder)?;
    Ok(folder)
}

struct Apt {
    folder: PathBuf,
    options: Vec<String>,
}

impl Apt {
    fn new(folder: &Path, from: &Suite<'_>) -> Result<Self> {
        // What an earlier run left there is another package, or half of one.
        let _ = fs::remove_dir_all(folder.join("files"));
        for name in ["lists/partial", "cache", "parts", "files/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let sources = folder.join("sources.list");
        let line = format!("deb [arch=amd64 signed-by={KEYRING}] {} {} main\n", from.archive, from.suite);
        fs::write(&sources, line)?;
        let shown = |name: &str| folder.join(name).display().to_string();
        let options = vec![
            format!("Dir::Etc::SourceList={}", sources.display()),
            format!("Dir::Etc::SourceParts={}", shown("parts")),
            format!("Dir::State::Lists={}", shown("lists")),
            format!("Dir::Cache={}", shown("cache")),
            format!("Dir::Cache::archives={}", shown("files")),
            // What the host has installed must not count.
            "Dir::State::Status=/dev/null".to_owned(),
            // Nothing is installed, so no lock of the host's is asked for.
            "Debug::NoLocking=true".to_owned(),
            // The machine's clock may be ahead of the archive; signatures are checked all the same.
            "Acquire::Check-Valid-Until=false".to_owned(),
            // Whatever the host allows.
            "APT::Get::AllowUnauthenticated=false".to_owned(),
            "Acquire::AllowInsecureRepositories=false".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // apt's own user may not look into the target folder.
            "APT::Sandbox::User=root".to_owned(),
            "APT::Update::Post-Invoke::=".to_owned(),
            "APT::Update::Post-Invoke-Success::=".to_owned(),
        ];
        Ok(Self { folder: folder.to_owned(), options })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command.current_dir(self.folder.join("files"));
        command
    }

    /// Their files. Lists that are there from an earlier time may do; if they do not, they are fetched again.
    fn fetch(&self, packages: &[String], from: &Suite<'_>, how: &[&str]) -> Result<Vec<PathBuf>> {
        let download = || {
            let mut command = self.command("apt-get");
            command.arg("-qq").args(how);
            command.args(packages.iter().map(|name| format!("{name}={}", from.version)));
            process::output(&mut command)
        };
        if download().is_err() {
            process::run(self.command("apt-get").args(["-qq", "update"]))?;
            download().with_context(|| {
                format!(
                    "{} has no {} {} any more, or cannot be reached: name a version that it has in xtask/kernels.json",
                    from.suite,
                    packages.join(", "),
                    from.version
                )
            })?;
        }
        let files = fs::read_dir(self.folder.join("files"))?;
        let files = files.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
        Ok(files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "deb")).collect())
    }
}
