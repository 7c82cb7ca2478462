//! Test keys, coins, and every signature checked by Bitcoin's own consensus code.

mod consensus;

use bitcoin::{
    Amount, FeeRate, OutPoint, ScriptBuf, Transaction, TxOut, Txid, XOnlyPublicKey,
    hashes::Hash,
    key::{Keypair, TapTweak},
    secp256k1::{Message, Secp256k1, SecretKey},
};

pub(crate) use consensus::verify;

use crate::plan::{Coin, Limits, Plan};

/// A key whose address has the empty-root Taproot tweak, as a committee's has.
pub(crate) struct Key(Keypair);

impl Key {
    pub(crate) fn number(number: u8) -> Self {
        let secret = SecretKey::from_slice(&[number.max(1); 32]).expect("small and not zero");
        Self(Keypair::from_secret_key(&Secp256k1::new(), &secret))
    }

    pub(crate) fn script(&self) -> ScriptBuf {
        let (internal, _) = XOnlyPublicKey::from_keypair(&self.0);
        ScriptBuf::new_p2tr(&Secp256k1::new(), internal, None)
    }

    pub(crate) fn sign(&self, hash: [u8; 32]) -> [u8; 64] {
        let secp = Secp256k1::new();
        let tweaked = self.0.tap_tweak(&secp, None);
        *secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash), &tweaked.to_keypair()).as_ref()
    }
}

pub(crate) fn must_verify(transaction: &Transaction, spent: &[TxOut]) {
    assert_eq!(verify(transaction, spent), Ok(()), "consensus refuses the transaction");
}

/// The committee's key in these tests.
pub(crate) fn committee() -> Key {
    Key::number(7)
}

pub(crate) fn outpoint(number: u32) -> OutPoint {
    let mut txid = [0xC0; 32];
    txid[..4].copy_from_slice(&number.to_be_bytes());
    OutPoint { txid: Txid::from_byte_array(txid), vout: 0 }
}

/// A confirmed coin of the committee.
pub(crate) fn coin(number: u32, sats: u64) -> Coin {
    let output = TxOut { value: Amount::from_sat(sats), script_pubkey: committee().script() };
    Coin { outpoint: outpoint(number), output, confirmed: true }
}

/// A payment's recipient that is not the committee.
pub(crate) fn recipient(number: u8, sats: u64) -> TxOut {
    TxOut { value: Amount::from_sat(sats), script_pubkey: Key::number(100 + number).script() }
}

pub(crate) fn limits() -> Limits {
    Limits { max_fee: Amount::from_sat(1_000_000), ..Limits::default() }
}

/// All signatures of a plan whose coins are the committee's.
pub(crate) fn signatures(plan: &Plan) -> Vec<[u8; 64]> {
    plan.sighashes().into_iter().map(|hash| committee().sign(hash)).collect()
}

/// The plan, signed, and accepted by consensus.
pub(crate) fn must_sign(plan: &Plan) -> Transaction {
    let signed = plan.finish(&signatures(plan)).expect("signed by the right key");
    must_verify(&signed, &plan.spent());
    signed
}

pub(crate) fn vb(rate: u32) -> FeeRate {
    FeeRate::from_sat_per_vb_u32(rate)
}
