//! A shop's directory, kept and put back: the same eve for every test of a row.

use std::path::Path;

/// Puts the directory back to what it was when it was copied. No engine is running.
pub fn restore(prepared: &Path, dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            std::fs::remove_dir_all(entry.path()).unwrap();
        } else {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    copy(prepared, dir);
}

/// Copies a directory with the modes of its files: the engine insists on private ones.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&there).unwrap();
            std::fs::set_permissions(&there, entry.metadata().unwrap().permissions()).unwrap();
            copy(&entry.path(), &there);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), &there).unwrap();
        }
    }
}
