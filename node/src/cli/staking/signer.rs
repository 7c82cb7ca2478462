//! Who has the staker's key: the options that `unbond` and `withdraw` share.

use std::path::PathBuf;

use clap::Args;

/// Who has the staker's key.
#[derive(Debug, Args)]
#[group(id = "signer", required = true, multiple = false)]
pub(super) struct SignerArgs {
    /// A file with the staker's private key (hexadecimal or WIF), mode 0600; - is stdin.
    #[arg(long, value_name = "FILE")]
    pub(super) key_file: Option<PathBuf>,
    /// A wallet of bitcoind that has the staker's key.
    #[arg(long, value_name = "NAME")]
    pub(super) wallet: Option<String>,
    /// Writes a PSBT for any wallet and sends nothing; come back with the same options and
    /// --signed-psbt.
    #[arg(long, value_name = "FILE")]
    pub(super) psbt_out: Option<PathBuf>,
    /// The PSBT, signed.
    #[arg(long, value_name = "FILE")]
    pub(super) signed_psbt: Option<PathBuf>,
}

impl SignerArgs {
    /// Whether the key comes from stdin, so that no question can be answered there.
    pub(super) fn reads_stdin(&self) -> bool {
        self.key_file.as_deref().is_some_and(|file| file == "-")
    }
}
