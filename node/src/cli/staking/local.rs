//! Paying and signing with a key in a file: its coins are those of its P2WPKH and P2TR addresses.

use bitcoin::{
    Address, CompressedPublicKey, EcdsaSighashType, Network, ScriptBuf, TapSighashType,
    Transaction, TxOut, Witness,
    sighash::{Prevouts, SighashCache},
};

use super::{chain::Chain, coins::Coin, key::StakerKey};
use crate::cli::CliError;

/// Where the key's coins can be.
pub(super) struct Addresses {
    pub(super) p2wpkh: Address,
    pub(super) p2tr: Address,
}

impl Addresses {
    pub(super) fn of(key: &StakerKey, network: Network) -> Self {
        let compressed = CompressedPublicKey(key.public());
        Self {
            p2wpkh: Address::p2wpkh(&compressed, network),
            p2tr: Address::p2tr(key.secp(), key.x_only(), None, network),
        }
    }

    fn holds(&self, script: &ScriptBuf) -> bool {
        self.p2wpkh.script_pubkey() == *script || self.p2tr.script_pubkey() == *script
    }

    /// The coins of both.
    pub(super) async fn coins(&self, chain: &Chain) -> Result<Vec<Coin>, CliError> {
        let descriptors = [&self.p2wpkh, &self.p2tr].map(|address| format!("addr({address})"));
        let coins = chain.scan(&descriptors).await?;
        if coins.is_empty() {
            let what =
                format!("the key has no confirmed coins at {} or {}", self.p2wpkh, self.p2tr);
            return Err(CliError::failed(what).hint("send some to one of these addresses"));
        }
        Ok(coins)
    }

    /// Refuses coins that the key cannot spend.
    pub(super) fn check(&self, coins: &[Coin]) -> Result<(), CliError> {
        match coins.iter().find(|(_, output)| !self.holds(&output.script_pubkey)) {
            Some((at, _)) => {
                let what =
                    format!("coin {at} is not the key's: it spends from its P2WPKH and P2TR");
                Err(CliError::usage(what))
            }
            None => Ok(()),
        }
    }
}

/// Signs every input; the coins are in the order of the inputs and the key's.
pub(super) fn sign(transaction: &mut Transaction, coins: &[Coin], key: &StakerKey) {
    let outputs: Vec<TxOut> = coins.iter().map(|(_, output)| output.clone()).collect();
    let mut witnesses = Vec::with_capacity(coins.len());
    let mut cache = SighashCache::new(&*transaction);
    const HOLDS: &str = "as many outputs as inputs, and the index is one of them";
    for (index, output) in outputs.iter().enumerate() {
        let script = &output.script_pubkey;
        witnesses.push(if script.is_p2tr() {
            let all = Prevouts::All(&outputs);
            let hash = cache.taproot_key_spend_signature_hash(index, &all, TapSighashType::Default);
            let signature = key.sign_tweaked(*hash.expect(HOLDS).as_ref());
            Witness::from_slice(&[signature.serialize()])
        } else {
            let kind = EcdsaSighashType::All;
            let hash = cache.p2wpkh_signature_hash(index, script, output.value, kind);
            let signature = key.sign_ecdsa(*hash.expect(HOLDS).as_ref());
            let signature = bitcoin::ecdsa::Signature { signature, sighash_type: kind };
            Witness::p2wpkh(&signature, &key.public())
        });
    }
    for (input, witness) in transaction.input.iter_mut().zip(witnesses) {
        input.witness = witness;
    }
}
