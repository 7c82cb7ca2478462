//! PSBTs in files.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::{
    Psbt, XOnlyPublicKey,
    bip32::{DerivationPath, Fingerprint, KeySource},
    secp256k1::schnorr::Signature,
};
use trestle_staking::tx::signature_of;

use crate::cli::{CliError, client::read_file};

/// A PSBT that spends 1,000 coins has a few hundred kilobytes.
const MAX: usize = 4 << 20;

/// Writes one in base64, as wallets take it, to a file that must not exist; `-` is none, since stdout
/// has the result.
pub(super) fn write(path: &Path, psbt: &Psbt) -> Result<(), CliError> {
    if path == Path::new("-") {
        return Err(CliError::usage("the PSBT needs a file: stdout has the result"));
    }
    let failed = |e: std::io::Error| CliError::failed(format!("{}: {e}", path.display()));
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    std::io::Write::write_all(&mut file, format!("{}\n", encode(psbt)).as_bytes()).map_err(failed)
}

/// Reads one in base64 or in bytes.
pub(super) fn read(path: &Path) -> Result<Psbt, CliError> {
    let bytes = read_file(path, MAX)?;
    let parsed = match std::str::from_utf8(&bytes) {
        Ok(text) => decode(text),
        Err(_) => Psbt::deserialize(&bytes).map_err(|e| e.to_string()),
    };
    parsed.map_err(|e| CliError::usage(format!("{} is no PSBT: {e}", path.display())))
}

/// The staker's signature for an input, also where its wallet has finished the input: some know the
/// timelock's script. Not verified.
pub(super) fn signature(psbt: &Psbt, input: usize, key: &XOnlyPublicKey) -> Option<Signature> {
    signature_of(psbt, input, key).or_else(|| {
        let witness = psbt.inputs.get(input)?.final_script_witness.as_ref()?;
        Signature::from_slice(witness.nth(0)?).ok()
    })
}

/// Whether the transaction's id stays as it is when it is signed: it does unless an input is spent
/// through a signature script, as P2PKH and wrapped outputs are.
pub(super) fn keeps_id(psbt: &Psbt) -> bool {
    let native = |input: &bitcoin::psbt::Input| {
        let output = input.witness_utxo.as_ref();
        output.is_some_and(|output| output.script_pubkey.is_witness_program())
    };
    psbt.inputs.iter().all(native)
}

/// As wallets write it.
pub(super) fn encode(psbt: &Psbt) -> String {
    STANDARD.encode(psbt.serialize())
}

/// Of base64.
pub(super) fn decode(text: &str) -> Result<Psbt, String> {
    let bytes = STANDARD.decode(text.trim()).map_err(|e| e.to_string())?;
    Psbt::deserialize(&bytes).map_err(|e| e.to_string())
}

/// `FINGERPRINT/PATH`, for example `d34db33f/86'/0'/0'/0/5`: where a wallet finds its key.
pub(super) fn origin(text: &str) -> Result<KeySource, String> {
    const EXPECTED: &str = "expected FINGERPRINT/PATH, for example d34db33f/86'/0'/0'/0/5";
    let (fingerprint, path) = text.split_once('/').ok_or(EXPECTED)?;
    let fingerprint: Fingerprint = fingerprint.parse().map_err(|_| EXPECTED)?;
    let path: DerivationPath = path.parse().map_err(|_| EXPECTED)?;
    Ok((fingerprint, path))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn origin__should_name_fingerprint_and_path() {
        let (fingerprint, path) = origin("d34db33f/86'/0'/0'/0/5").expect("an origin");
        assert_eq!((fingerprint.to_string().as_str(), path.len()), ("d34db33f", 5));
        for text in ["", "86'/0'", "d34db33f", "d34db33f/x"] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
