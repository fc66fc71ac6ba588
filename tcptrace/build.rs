//! Builds the BPF object of `tcptrace-ebpf` with an inner cargo and puts it into OUT_DIR.
//!
//! rustc ships no `core` for BPF. With the `rust-src` component the pinned stable toolchain builds it
//! (`-Z build-std`, allowed to this inner build alone by RUSTC_BOOTSTRAP); without, Debian's
//! `libstd-rust-web-dev-bpf` has one ready-made. This script installs nothing: `cargo xtask setup` does.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "bpfel-unknown-none";
const OBJECT: &str = "tcptrace-object";
/// The release that reads the LLVM of the pinned rustc.
const LINKER_VERSION: &str = "0.10.3";
const DEBIAN_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none";
const DEBIAN_LLVM: &str = "/usr/lib/llvm-22/lib";

fn main() {
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    build_std: bool,
}

fn build() -> Result<(), String> {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = manifest_dir.parent().ok_or("the package has no parent folder")?;
    let out_dir = PathBuf::from(variable("OUT_DIR")?);
    for path in ["tcptrace-ebpf/src", "tcptrace-ebpf/Cargo.toml", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rerun-if-env-changed=PATH");
    let toolchain = toolchain()?;
    let linker = linker(root, &out_dir)?;
    let target_dir = out_dir.join("bpf");
    run(&toolchain, &linker, root, &target_dir)?;
    let built = target_dir.join(TARGET).join("release").join(OBJECT);
    let copied = fs::copy(&built, out_dir.join(OBJECT));
    copied.map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set: run this through cargo"))
}

fn toolchain() -> Result<Toolchain, String> {
    let (cargo, rustc) = (PathBuf::from(variable("CARGO")?), PathBuf::from(variable("RUSTC")?));
    let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"]))?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    println!("cargo::rerun-if-changed={}", core.display());
    if core.is_dir() {
        return Ok(Toolchain { cargo, rustc, build_std: true });
    }
    if Path::new(DEBIAN_CORE).is_dir() {
        return Ok(Toolchain { cargo: "/usr/bin/cargo".into(), rustc: "/usr/bin/rustc".into(), build_std: false });
    }
    Err("the `rust-src` component is absent: run `cargo xtask setup`".to_owned())
}

/// The linker that the set-up put under the target folder, or one of that version in PATH.
fn linker(root: &Path, out_dir: &Path) -> Result<PathBuf, String> {
    let target_dirs = out_dir.ancestors().map(|dir| dir.join("tools/bin/bpf-linker"));
    let candidates = target_dirs.chain([root.join("target/tools/bin/bpf-linker"), "bpf-linker".into()]);
    let mut others = Vec::new();
    for path in candidates {
        if path.is_absolute() && !path.is_file() {
            continue;
        }
        let Ok(version) = output(Command::new(&path).arg("--version")) else { continue };
        if version.split_whitespace().nth(1) == Some(LINKER_VERSION) {
            println!("cargo::rerun-if-changed={}", path.display());
            return Ok(path);
        }
        others.push(format!("{} is {}", path.display(), version.trim()));
    }
    let found = if others.is_empty() { "none was found".to_owned() } else { others.join(", ") };
    Err(format!("bpf-linker {LINKER_VERSION} is needed, {found}: run `cargo xtask setup`"))
}

fn run(toolchain: &Toolchain, linker: &Path, root: &Path, target_dir: &Path) -> Result<(), String> {
    let mut command = Command::new(&toolchain.cargo);
    command
        .current_dir(root)
        .args(["build", "--locked", "--quiet", "--release", "--package", "tcptrace-ebpf", "--features", "object"])
        .args(["--bin", OBJECT, "--target", TARGET, "--target-dir"])
        .arg(target_dir);
    if toolchain.build_std {
        command.args(["-Z", "build-std=core"]);
    }
    // What the outer build was told is for the host.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let users = ["CARGO_HOME", "CARGO_HTTP", "CARGO_NET", "CARGO_REGISTRIES", "CARGO_REGISTRY", "CARGO_SOURCE"];
        let ours = name.starts_with("CARGO_") && !users.iter().any(|start| name.starts_with(start));
        if ours || name.starts_with("RUSTC") || name == "RUSTFLAGS" || name == "RUSTUP_TOOLCHAIN" {
            command.env_remove(&*name);
        }
    }
    let flags = ["-Cdebuginfo=2".to_owned(), "-Clink-arg=--btf".to_owned(), format!("-Clinker={}", linker.display())];
    command
        .env("RUSTC", &toolchain.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        // bpf-linker loads LLVM as a shared library.
        .env("LD_LIBRARY_PATH", library_path(&toolchain.rustc));
    let result = command.output().map_err(|error| format!("cannot run {}: {error}", toolchain.cargo.display()))?;
    if result.status.success() {
        return Ok(());
    }
    for line in String::from_utf8_lossy(&result.stderr).lines() {
        println!("cargo::warning={line}");
    }
    Err("the BPF object does not build; the inner cargo's words are above".to_owned())
}

/// Folders with an LLVM that bpf-linker can load: rustc's own, or Debian's of the same version.
fn library_path(rustc: &Path) -> String {
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"])).unwrap_or_default();
    format!("{}/lib:{DEBIAN_LLVM}", sysroot.trim())
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
