//! Checking a BIP-322 signature (simple variant, Taproot key path) without a node.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::{
    Address, Witness, XOnlyPublicKey,
    address::NetworkUnchecked,
    consensus::deserialize,
    secp256k1::{Message, Secp256k1, schnorr},
};
use trestle_chain::bip322;

/// Whether `signature` is one by the key of `address` over `text`.
///
/// # Errors
/// A line for people, when the question makes no sense.
pub(super) fn verify(address: &str, text: &[u8], signature: &str) -> Result<bool, String> {
    let address: Address<NetworkUnchecked> =
        address.parse().map_err(|e| format!("{address:?} is not an address: {e}"))?;
    // A signature of a text is worth the same on every network.
    let script = address.assume_checked().script_pubkey();
    if !script.is_p2tr() {
        return Err("expected a Taproot address (bc1p…, tb1p…, bcrt1p…)".into());
    }
    let key = XOnlyPublicKey::from_slice(&script.as_bytes()[2..])
        .map_err(|_| "the address holds no curve point, so nobody can sign for it".to_owned())?;
    let bytes = STANDARD.decode(signature.trim()).map_err(|e| format!("the signature: {e}"))?;
    let witness: Witness =
        deserialize(&bytes).map_err(|_| "the signature is not an encoded witness".to_owned())?;
    let Some(signature) = (witness.len() == 1).then(|| witness.nth(0)).flatten() else {
        return Err("expected a key-path witness, one signature".into());
    };
    let Ok(signature) = schnorr::Signature::from_slice(signature) else {
        return Err("expected a signature of 64 bytes (sighash default)".into());
    };
    let message = Message::from_digest(bip322::sighash(&script, text));
    Ok(Secp256k1::verification_only().verify_schnorr(&signature, &message, &key).is_ok())
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{KnownHrp, key::TapTweak as _, secp256k1::Keypair};

    use super::*;

    fn must_sign(text: &[u8]) -> (String, String) {
        let secp = Secp256k1::new();
        let pair = Keypair::from_seckey_slice(&secp, &[7; 32]).expect("a scalar");
        let address = Address::p2tr(&secp, pair.x_only_public_key().0, None, KnownHrp::Regtest);
        let digest = bip322::sighash(&address.script_pubkey(), text);
        let tweaked = pair.tap_tweak(&secp, None).to_keypair();
        let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(digest), &tweaked);
        (address.to_string(), bip322::encode(&signature.serialize()))
    }

    #[test]
    fn verify__should_accept_only_the_signed_text() {
        let (address, signature) = must_sign(b"I hold this");

        assert_eq!(verify(&address, b"I hold this", &signature), Ok(true));
        assert_eq!(verify(&address, b"I hold that", &signature), Ok(false));
    }

    #[test]
    fn verify__should_refuse_what_it_cannot_judge() {
        let (address, signature) = must_sign(b"x");

        assert!(verify("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", b"x", &signature).is_err());
        assert!(verify(&address, b"x", "AAAA").is_err());
        assert!(verify(&address, b"x", "not base64!").is_err());
    }
}
