//! A staker's key from a file or stdin.
//!
//! Always holds: the secret is wiped when dropped and is in no message; a file that others can read
//! is refused.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use bitcoin::{
    Network, NetworkKind, PrivateKey,
    key::{TapTweak as _, UntweakedKeypair},
    secp256k1::{
        All, Keypair, Message, PublicKey, Secp256k1, SecretKey, XOnlyPublicKey, ecdsa, schnorr,
    },
};
use zeroize::Zeroizing;

use crate::cli::{CliError, Exit};

/// Longer than any key in hexadecimal or WIF.
const MAX: u64 = 256;

/// See the module.
pub(super) struct StakerKey {
    keypair: Keypair,
    secp: Secp256k1<All>,
}

impl Drop for StakerKey {
    fn drop(&mut self) {
        self.keypair.non_secure_erase();
    }
}

impl StakerKey {
    /// Of a file whose first line is the key, 64 hexadecimal digits or WIF; `-` is stdin. The network
    /// is what the WIF must be for.
    pub(super) fn read(path: &Path, network: Option<Network>) -> Result<Self, CliError> {
        let failed = |e: io::Error| keys(format!("{}: {e}", path.display()));
        let mut text = Zeroizing::new(String::new());
        if path == Path::new("-") {
            io::stdin().take(MAX).read_to_string(&mut text).map_err(failed)?;
        } else {
            let file = File::open(path).map_err(failed)?;
            let mode = file.metadata().map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                let what =
                    format!("{} can be read by others (mode {:03o})", path.display(), mode & 0o777);
                return Err(keys(what).hint(format!("chmod 600 {}", path.display())));
            }
            file.take(MAX).read_to_string(&mut text).map_err(failed)?;
        }
        let line = text.lines().next().unwrap_or_default().trim();
        Self::parse(line, network).map_err(|what| keys(format!("{}: {what}", path.display())))
    }

    fn parse(text: &str, network: Option<Network>) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected a private key in its first line: 64 hexadecimal digits or WIF";
        let secp = Secp256k1::new();
        let mut secret = if text.len() == 64 {
            let bytes = Zeroizing::new(hex::decode(text).map_err(|_| EXPECTED)?);
            SecretKey::from_slice(&bytes).map_err(|_| EXPECTED)?
        } else {
            let key = PrivateKey::from_wif(text).map_err(|_| EXPECTED)?;
            if let Some(network) = network.filter(|it| key.network != NetworkKind::from(*it)) {
                return Err(format!("the key is not for {network}"));
            }
            key.inner
        };
        let keypair = Keypair::from_secret_key(&secp, &secret);
        secret.non_secure_erase();
        Ok(Self { keypair, secp })
    }

    /// The key as scripts know it.
    pub(super) fn x_only(&self) -> XOnlyPublicKey {
        self.keypair.x_only_public_key().0
    }

    pub(super) fn public(&self) -> PublicKey {
        self.keypair.public_key()
    }

    pub(super) fn secp(&self) -> &Secp256k1<All> {
        &self.secp
    }

    /// For a script that names the key itself.
    pub(super) fn sign(&self, hash: [u8; 32]) -> schnorr::Signature {
        self.secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash), &self.keypair)
    }

    /// For the key's own Taproot output without scripts (BIP-86).
    pub(super) fn sign_tweaked(&self, hash: [u8; 32]) -> schnorr::Signature {
        let keypair: UntweakedKeypair = self.keypair;
        let mut tweaked = keypair.tap_tweak(&self.secp, None).to_keypair();
        let signature = self.secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash), &tweaked);
        tweaked.non_secure_erase();
        signature
    }

    /// For the key's P2WPKH output.
    pub(super) fn sign_ecdsa(&self, hash: [u8; 32]) -> ecdsa::Signature {
        self.secp.sign_ecdsa_low_r(&Message::from_digest(hash), &self.keypair.secret_key())
    }
}

fn keys(what: String) -> CliError {
    CliError::new(Exit::Keys, what)
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    const HEX: &str = "0000000000000000000000000000000000000000000000000000000000000001";
    // The same key for test networks.
    const WIF: &str = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA";

    #[test]
    fn key__should_be_read_in_both_forms() {
        let hex = StakerKey::parse(HEX, Some(Network::Regtest)).ok().map(|key| key.x_only());
        let wif = StakerKey::parse(WIF, Some(Network::Regtest)).ok().map(|key| key.x_only());
        assert!(hex.is_some());
        assert_eq!(hex, wif);
    }

    #[test]
    fn key__should_be_refused_without_being_shown() {
        for text in ["", "00", &HEX.replace('1', "0"), &WIF[1..], &HEX.replace('1', "g")] {
            let told = StakerKey::parse(text, Some(Network::Regtest)).err().expect("no key");
            assert!(text.is_empty() || !told.contains(text), "{told}");
        }
        let told = StakerKey::parse(WIF, Some(Network::Bitcoin)).err().expect("another network's");
        assert!(told.contains("not for bitcoin"), "{told}");
    }
}
