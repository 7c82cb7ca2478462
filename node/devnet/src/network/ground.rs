//! What the nodes of one network share: the folder, the program, the chain's address.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context as _, Result};

use super::config::{self, Chain, NodeSpec};
use super::node::Node;
use super::program;
use crate::bitcoind::write_private;
use crate::{Bitcoind, Folder};

#[derive(Debug)]
pub(super) struct Ground {
    program: PathBuf,
    chain: Chain,
    folder: Folder,
}

impl Ground {
    pub(super) fn new(dir: Option<&Path>, bitcoind: &Bitcoind) -> Result<Self> {
        let program = program::find()?;
        let folder = match dir {
            Some(dir) => Folder::at(dir)?,
            None => Folder::new("network")?,
        };
        for part in ["conf", "logs"] {
            let part = folder.path().join(part);
            fs::create_dir(&part).wrap_err_with(|| {
                format!("cannot make {}; a network needs an empty folder", part.display())
            })?;
        }
        let password_file = folder.path().join("bitcoind.password");
        write_private(&password_file, bitcoind.password())?;
        let passphrase = format!("{:032x}", rand::random::<u128>());
        write_private(folder.path().join("passphrase"), &passphrase)?;
        let chain = Chain {
            rpc: bitcoind.rpc_url().to_owned(),
            user: bitcoind.user().to_owned(),
            password_file,
        };
        Ok(Self { program, chain, folder })
    }

    /// Makes the keys and the config of a node.
    pub(super) async fn node(&self, spec: NodeSpec, bootnodes: &[String]) -> Result<Node> {
        let node = Node::new(&self.program, self.path(), spec.name()).await?;
        let text = config::node(&spec, &node, &self.params(), bootnodes, &self.chain)?;
        write_private(node.config(), &text)?;
        Ok(node)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn params(&self) -> PathBuf {
        self.path().join("conf/params.toml")
    }
}
