//! Parameters of a network like mainnet's, keys by number, and stakes of our own making.

use std::sync::Arc;

use bitcoin::{
    Amount, TxOut, XOnlyPublicKey,
    hashes::{Hash as _, sha256},
    key::Keypair,
    secp256k1::{All, Secp256k1},
};
use eyre::{OptionExt as _, Result};
use serde_json::json;
use trestle_staking::{GlobalParams, VersionParams, tx::StakePlan};

use crate::chain::blocks::{Plan, open, payment};

/// Blocks that are caught up with.
pub(super) const BLOCKS: u32 = 200;
/// Transactions of each, its coinbase included.
pub(super) const TRANSACTIONS: usize = 1_000;
/// Stakes of each.
pub(super) const STAKES: usize = 100;
/// Finality providers: so many share the stakes of a block of mainnet.
pub(super) const PROVIDERS: u32 = 30;
/// Of every stake, in sat.
pub(super) const VALUE: u64 = 20_000;
/// Of every stake, in blocks, as on mainnet.
pub(super) const TIME: u16 = 64_000;
const MEMBERS: u32 = 9;
const QUORUM: u32 = 6;

/// The parameters, and the text of their file.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) curve: Secp256k1<All>,
    pub(super) text: String,
    pub(super) global: Arc<GlobalParams>,
}

impl World {
    /// One version without a limit that anything here reaches.
    ///
    /// # Errors
    /// Never, as long as the parameters are valid.
    pub(super) fn new() -> Result<Self> {
        let curve = Secp256k1::new();
        let members = (0..MEMBERS).map(|n| pair(&curve, "member", n).public_key().to_string());
        let text = json!({ "versions": [{
            "version": 0, "activation_height": 100, "cap_height": 10_000_000, "tag": "62626e31",
            "covenant_pks": members.collect::<Vec<_>>(), "covenant_quorum": QUORUM,
            "unbonding_time": 1008, "unbonding_fee": 2_000,
            "max_staking_amount": 5_000_000, "min_staking_amount": 10_000,
            "max_staking_time": TIME, "min_staking_time": TIME, "confirmation_depth": 10,
        }] })
        .to_string();
        let global = Arc::new(GlobalParams::parse(&text)?);
        Ok(Self { curve, text, global })
    }

    /// The only version.
    ///
    /// # Errors
    /// Never.
    pub(super) fn version(&self) -> Result<&VersionParams> {
        self.global.versions().first().ok_or_eyre("there is one version")
    }

    /// A member of the committee.
    pub(super) fn member(&self, number: u32) -> Keypair {
        pair(&self.curve, "member", number)
    }

    /// A staker.
    pub(super) fn staker(&self, number: u32) -> Keypair {
        pair(&self.curve, "staker", number)
    }

    /// A finality provider.
    pub(super) fn provider(&self, number: u32) -> XOnlyPublicKey {
        pair(&self.curve, "provider", number % PROVIDERS).x_only_public_key().0
    }

    /// The two outputs of a stake.
    ///
    /// # Errors
    /// Never: the parameters allow it.
    pub(super) fn stake(&self, staker: u32, provider: u32) -> Result<[TxOut; 2]> {
        let plan = StakePlan {
            staker: self.staker(staker).x_only_public_key().0,
            finality_provider: self.provider(provider),
            value: Amount::from_sat(VALUE),
            time: TIME,
        };
        Ok(plan.outputs(self.version()?)?)
    }

    /// Blocks with stakes among their payments.
    ///
    /// # Errors
    /// When they can be neither read nor kept.
    pub(super) fn staked(&self) -> Result<Vec<Vec<u8>>> {
        let outputs = |height: u32, place: usize, value: Amount| {
            // Another tenth of the coins in each block, so that none is used up.
            if place / STAKES != height as usize % 9 {
                return payment(value);
            }
            let number = height * STAKES as u32 + (place % STAKES) as u32;
            match self.stake(number, number) {
                Ok(stake) => {
                    let change = value.checked_sub(Amount::from_sat(VALUE)).unwrap_or(Amount::ZERO);
                    [open(change)].into_iter().chain(stake).collect()
                }
                Err(_) => payment(value),
            }
        };
        let file = "stakes-1.dat";
        Plan { file, blocks: BLOCKS, transactions: TRANSACTIONS, outputs }.chain()
    }

    /// The same without stakes.
    ///
    /// # Errors
    /// As [`World::staked`].
    pub(super) fn plain(&self) -> Result<Vec<Vec<u8>>> {
        let outputs = |_, _, value| payment(value);
        let file = "payments-1.dat";
        Plan { file, blocks: BLOCKS, transactions: TRANSACTIONS, outputs }.chain()
    }
}

fn pair(curve: &Secp256k1<All>, kind: &str, number: u32) -> Keypair {
    let secret = sha256::Hash::hash(format!("trestle bench {kind} {number}").as_bytes());
    Keypair::from_seckey_slice(curve, secret.as_byte_array())
        .expect("a hash is zero or above the order of the group with a chance of 2^-127")
}
