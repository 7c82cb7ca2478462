//! PSBTs of spends by script, as wallets and bitcoind's `walletprocesspsbt` sign them.

use bitcoin::{
    Psbt, PublicKey, TapSighashType,
    bip32::KeySource,
    secp256k1::{XOnlyPublicKey, schnorr::Signature},
    taproot::LeafVersion,
};

use super::spend::Spend;
use crate::script::internal_key;

/// A key that is to sign, and how its wallet finds it.
pub(super) struct Signer {
    key: XOnlyPublicKey,
    /// All 33 bytes, for wallets that look a key up by them.
    full: Option<PublicKey>,
    origin: KeySource,
}

impl Signer {
    pub(super) fn x_only(key: XOnlyPublicKey, origin: KeySource) -> Self {
        Self { key, full: None, origin }
    }

    /// A key without a path, found by itself.
    pub(super) fn full(full: PublicKey) -> Self {
        let key = full.inner.x_only_public_key().0;
        Self { key, full: Some(full), origin: KeySource::default() }
    }
}

/// Every input with its output, its script and proof, and the keys that are to sign it.
pub(super) fn psbt(spend: &Spend, signers: &[Signer]) -> Psbt {
    let mut psbt = Psbt::from_unsigned_tx(spend.transaction().clone())
        .expect("a Spend has neither signature scripts nor witnesses");
    for (input, spent) in psbt.inputs.iter_mut().zip(spend.spent()) {
        let leaf = &spent.leaf;
        input.witness_utxo = Some(spent.output.clone());
        input.sighash_type = Some(TapSighashType::Default.into());
        input.tap_internal_key = Some(internal_key());
        input.tap_merkle_root = Some(leaf.merkle_root());
        let script = (leaf.script.clone(), LeafVersion::TapScript);
        input.tap_scripts.insert(leaf.control_block.clone(), script);
        for signer in signers {
            let leaves = vec![leaf.hash()];
            input.tap_key_origins.insert(signer.key, (leaves, signer.origin.clone()));
            if let Some(full) = signer.full {
                input.bip32_derivation.insert(full.inner, signer.origin.clone());
            }
        }
    }
    psbt
}

/// For the wallet of a member of the committee, with the key as the parameters write it.
pub fn member_psbt(spend: &Spend, member: &PublicKey) -> Psbt {
    psbt(spend, &[Signer::full(*member)])
}

/// The signature that a wallet has put into a PSBT for a key and the input's script. Not verified.
pub fn signature_of(psbt: &Psbt, input: usize, key: &XOnlyPublicKey) -> Option<Signature> {
    let signatures = &psbt.inputs.get(input)?.tap_script_sigs;
    let found = signatures.iter().find(|((signer, _), _)| signer == key);
    found
        .filter(|(_, signature)| signature.sighash_type == TapSighashType::Default)
        .map(|(_, signature)| signature.signature)
}
