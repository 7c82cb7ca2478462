//! A disk that fills up after a few megabytes: a small tmpfs where mounting one is permitted,
//! else a cap on the pages of the database, which SQLite reports in the same way.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::{TempDir, tempdir};

/// Where the database goes. Unmounted and removed when dropped.
pub(crate) struct SmallDisk {
    dir: TempDir,
    mounted: bool,
}

impl SmallDisk {
    pub(crate) fn new() -> Self {
        let dir = tempdir().expect("a temporary folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "trestle-test"]).arg(dir.path());
        let status = mount.stderr(Stdio::null()).status();
        let mounted = status.is_ok_and(|status| status.success());
        if mounted {
            fs::write(dir.path().join("ballast"), vec![0; 1 << 20]).expect("there is room");
        }
        Self { dir, mounted }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The cap, where there is no real small disk.
    pub(crate) fn max_pages(&self) -> Option<u32> {
        (!self.mounted).then_some(500)
    }

    /// Frees the room that the other file takes. Where there is a cap, rows must be deleted.
    pub(crate) fn make_room(&self) {
        if self.mounted {
            fs::remove_file(self.dir.path().join("ballast")).expect("it is there");
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            let unmounted = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
            assert!(unmounted.is_ok_and(|status| status.success()), "the small disk is unmounted");
        }
    }
}
