//! Files: who may read them, and what is not overwritten.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use super::*;

/// A directory of this test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tcptrace-capture-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn files_are_private_and_not_overwritten_unasked() {
    let directory = Directory::new("files");
    let path = directory.0.join("a.cap");
    let mut writer = create(&path, false).unwrap();
    frames().iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(reader.next().unwrap(), frames().into_iter().next());

    let before = fs::read(&path).unwrap();
    assert!(matches!(create(&path, false), Err(CaptureError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    create(&path, true).unwrap().finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(read(&fs::read(&path).unwrap()).unwrap().0.is_empty());
}

#[test]
fn other_things_are_not_overwritten() {
    let directory = Directory::new("others");
    let (target, link) = (directory.0.join("target"), directory.0.join("link"));
    fs::write(&target, "precious").unwrap();
    symlink(&target, &link).unwrap();
    assert!(matches!(create(&link, true), Err(CaptureError::SymbolicLink { .. })));
    assert_eq!(fs::read(&target).unwrap(), b"precious");

    let dangling = directory.0.join("dangling");
    symlink(directory.0.join("nowhere"), &dangling).unwrap();
    assert!(matches!(create(&dangling, true), Err(CaptureError::Exists { .. })));

    assert!(matches!(create(&directory.0, true), Err(CaptureError::Directory { .. })));
    assert!(matches!(create(&directory.0.join("no/a.cap"), false), Err(CaptureError::Create { .. })));
}

#[test]
fn a_full_device_is_said_at_once_and_left_alone() {
    let error = create("/dev/full".as_ref(), true).err().unwrap();
    assert!(error.to_string().contains("nothing was recorded; free space"), "{error}");
    assert!(PathBuf::from("/dev/full").exists());
    create("/dev/null".as_ref(), true).unwrap().finish().unwrap();
}
