//! The memory limit of a control group, read from the files of the kernel when somebody asks. Never by itself.

use crate::pacing::{MemoryLimit, limit_of_v1, limit_of_v2};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

impl MemoryLimit {
    /// Reads the limit of the control group in a folder, such as `/sys/fs/cgroup` inside of a container.
    ///
    /// Takes the files of version 2 (`memory.max`, `memory.high`) or those of version 1 (`memory.limit_in_bytes`, in the
    /// folder or in its `memory`). The limits of the groups around it are not looked at: see
    /// [`MemoryLimit::from_cgroup_below`].
    ///
    /// # Errors
    /// Fails if the folder has no such file, or if one does not say what the kernel would.
    pub fn from_cgroup_at(folder: impl AsRef<Path>) -> io::Result<MemoryLimit> {
        let folder = folder.as_ref();
        let max = folder.join("memory.max");
        if let Some(text) = read(&max)? {
            let high = read(&folder.join("memory.high"))?;
            return limit_of_v2(&text, high.as_deref()).ok_or_else(|| unreadable(&max));
        }
        for file in [folder.join("memory.limit_in_bytes"), folder.join("memory/memory.limit_in_bytes")] {
            if let Some(text) = read(&file)? {
                return limit_of_v1(&text).ok_or_else(|| unreadable(&file));
            }
        }
        let message = format!("cannot find a memory limit in {}: it is no control group", folder.display());
        Err(io::Error::new(io::ErrorKind::NotFound, message))
    }

    /// Reads the smallest limit of a group and of all groups around it, up to the root of the hierarchy.
    ///
    /// `path` is the group below `root`, as `/proc/self/cgroup` says it. Groups without a file, as the root is one, have no limit.
    ///
    /// # Errors
    /// Fails if no group has a file, or if one does not say what the kernel would.
    pub fn from_cgroup_below(root: impl AsRef<Path>, path: &str) -> io::Result<MemoryLimit> {
        let mut folder: PathBuf = root.as_ref().to_owned();
        let mut smallest = None;
        let mut take = |folder: &Path| match MemoryLimit::from_cgroup_at(folder) {
            Ok(limit) => {
                smallest = Some(smallest.map_or(limit, |smallest: MemoryLimit| smallest.min(limit)));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        take(&folder)?;
        for name in path.split('/').filter(|name| !name.is_empty() && *name != "..") {
            folder.push(name);
            take(&folder)?;
        }
        let message = || format!("cannot find a memory limit on the way to {}", folder.display());
        smallest.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, message()))
    }
}

/// The contents of a file, or `None` if there is none.
fn read(file: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(file: &Path) -> io::Error {
    let message = format!("cannot read {}: neither a number of bytes nor `max`", file.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::pacing::Bytes;

    /// Goal: limits of both versions are found, with those around them. Method: folders like the kernel's.
    #[test]
    fn limits_are_found() {
        let root = std::env::temp_dir().join(format!("mudlark-cgroup-{}", std::process::id()));
        let inner = root.join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let missing = MemoryLimit::from_cgroup_at(&root).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        fs::write(root.join("a/memory.max"), "1000000\n").unwrap();
        fs::write(root.join("a/memory.high"), "max\n").unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        let limit = MemoryLimit::Bytes(Bytes(1_000_000));
        assert_eq!(MemoryLimit::from_cgroup_at(&inner).unwrap(), MemoryLimit::Off);
        assert_eq!(MemoryLimit::from_cgroup_below(&root, "/a/b").unwrap(), limit);
        fs::create_dir_all(root.join("memory")).unwrap();
        fs::write(root.join("memory/memory.limit_in_bytes"), "1000000\n").unwrap();
        assert_eq!(MemoryLimit::from_cgroup_at(&root).unwrap(), limit);
        fs::write(inner.join("memory.max"), "lots\n").unwrap();
        let unreadable = MemoryLimit::from_cgroup_below(&root, "/a/b").unwrap_err();
        assert_eq!(unreadable.kind(), io::ErrorKind::InvalidData);
        fs::remove_dir_all(&root).unwrap();
    }
}
