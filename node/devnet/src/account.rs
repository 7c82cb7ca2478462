//! The account without privileges that servers run under when the harness is root: some refuse to
//! run as root, and none of them needs to.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

use eyre::{Context as _, Result, bail};

/// An account of the system.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account to run `server` under, if it cannot be our own: the first of `names` there is.
    pub(crate) fn needed(server: &str, names: &[&str]) -> Result<Option<Self>> {
        let ours = fs::metadata("/proc/self").wrap_err("cannot tell our own account")?.uid();
        if ours != 0 {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").wrap_err("cannot read /etc/passwd")?;
        match names.iter().find_map(|name| Self::find(&accounts, name)) {
            Some(account) => Ok(Some(account)),
            None => bail!(
                "{server} is not run as root, and there is no account {}; make one or run as \
                 another user",
                names.join(" or ")
            ),
        }
    }

    /// Gives it a file or folder.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .wrap_err_with(|| format!("cannot give {} to {}", path.display(), self.name))
    }

    /// Lets a command run under it.
    pub(crate) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Looks a name up in the text of `/etc/passwd`.
    fn find(accounts: &str, name: &str) -> Option<Self> {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Self { name: name.to_owned(), uid, gid })
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn account__should_be_read_from_its_line() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgresql:x:7:8::/:/bin/sh\n\
                        postgres:x:101:104:admin,,,:/var/lib/postgresql:/bin/bash\nbad:x:\n";
        let found = Account::find(accounts, "postgres").expect("it is there");
        assert_eq!((found.uid, found.gid), (101, 104));
        assert!(Account::find(accounts, "nobody").is_none());
        assert!(Account::find(accounts, "bad").is_none());
    }
}
