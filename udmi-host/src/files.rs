//! Files and folders whose access does not hang on the umask.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Who may look into a file or folder that is made. The umask may take away more; nobody but the owner ever writes.
///
/// What is there already keeps its access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner only: 0600, folders 0700.
    Owner,
    /// Everybody: 0644, folders 0755.
    Everybody,
}

impl Access {
    /// Options to write a file.
    #[must_use]
    pub fn options(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(
            &mut options,
            if self == Self::Owner { 0o600 } else { 0o644 },
        );
        options
    }

    /// Makes or empties a file that the user has named, as [`File::create`] does.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub fn create(self, path: &Path) -> io::Result<File> {
        self.options().create(true).truncate(true).open(path)
    }

    /// Makes a file where there is none, as [`File::create_new`] does.
    ///
    /// # Errors
    /// It cannot be made, or is there.
    pub fn create_new(self, path: &Path) -> io::Result<File> {
        self.options().create_new(true).open(path)
    }

    /// Makes a draft that will be renamed. What has its name, a crash's remainder or somebody's link, is removed first.
    ///
    /// # Errors
    /// It cannot be made, or somebody has just made it.
    pub fn create_draft(self, path: &Path) -> io::Result<File> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.create_new(path)
    }

    /// Makes a folder and those above it, where they are not there.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn create_folder(self, folder: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, if self == Self::Owner { 0o700 } else { 0o755 });
        builder.create(folder)
    }
}
