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

#[test]
fn of_two_recorders_the_second_is_refused() {
    let directory = Directory::new("two");
    let path = directory.0.join("a.cap");
    let writer = create(&path, false).unwrap();
    assert!(is_being_written(&fs::File::open(&path).unwrap()));
    assert!(matches!(create(&path, true), Err(CaptureError::Busy { .. })));
    writer.finish_at(&path).unwrap();
    assert!(!is_being_written(&fs::File::open(&path).unwrap()));
    create(&path, true).unwrap().finish_at(&path).unwrap();
}

#[test]
fn what_becomes_of_a_file_is_known() {
    let directory = Directory::new("fate");
    let path = directory.0.join("a.cap");
    let begin = || {
        let mut writer = create(&path, true).unwrap();
        frames().iter().for_each(|frame| writer.write(frame).unwrap());
        writer.flush().unwrap();
        assert_eq!(writer.fate(&path), Fate::Named);
        writer
    };
    let mut removed = begin();
    fs::remove_file(&path).unwrap();
    assert_eq!(removed.fate(&path), Fate::Removed);
    assert!(matches!(removed.finish_at(&path), Err(CaptureError::Removed { .. })));

    let mut replaced = begin();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another").unwrap();
    assert_eq!(replaced.fate(&path), Fate::Replaced);
    assert!(matches!(replaced.finish_at(&path), Err(CaptureError::Replaced { .. })));

    let mut cut = begin();
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    frames().iter().for_each(|frame| cut.write(frame).unwrap());
    assert!(matches!(cut.finish_at(&path), Err(CaptureError::Truncated { .. })));
    let (kept, ending, stats) = read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!((kept, ending), (frames(), Ending::Complete));
    assert_eq!((stats.damaged_blocks, stats.lost_frames), (1, frames().len() as u64));
}

/// As a recorder leaves it that dies before it has written its header again.
#[test]
fn a_hole_in_place_of_the_header_is_passed_over() {
    let mut bytes = capture(&frames(), 1);
    let second = bytes.windows(4).enumerate().filter(|(_, four)| *four == b"\xF5TCB").nth(1).unwrap().0;
    bytes[..second].fill(0);
    let (kept, ending, stats) = read(&bytes).unwrap();
    assert_eq!((kept, ending), (frames()[1..].to_vec(), Ending::Complete));
    assert_eq!((stats.damaged_blocks, stats.lost_frames, stats.skipped_bytes), (1, 1, second as u64));
    for bytes in [vec![0; 32], vec![0; 1 << 20], [&[0; 64][..], b"text"].concat()] {
        assert!(matches!(read(&bytes), Err(CaptureError::NotACapture { .. })));
    }
}
