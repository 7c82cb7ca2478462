//! What both sides are told to build.

use bitcoin::{
    Address, CompressedPublicKey, KnownHrp, Txid, XOnlyPublicKey,
    hashes::Hash as _,
    key::Keypair,
    secp256k1::{All, Secp256k1, SecretKey},
};
use rand_chacha::{ChaCha20Rng, rand_core::RngCore as _};
use serde::Serialize;

/// More members than any real committee; from 17 on a number is pushed in another form.
const MOST_MEMBERS: u64 = 20;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Coin {
    pub(crate) txid: Txid,
    pub(crate) vout: u32,
    pub(crate) value: u64,
    #[serde(rename = "scriptPubKey")]
    pub(crate) script: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Member {
    pub(crate) key: XOnlyPublicKey,
    pub(crate) secret: SecretText,
}

/// A secret of nobody, as hex.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SecretText(pub(crate) String);

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) network: &'static str,
    pub(crate) staker: XOnlyPublicKey,
    pub(crate) staker_secret: SecretText,
    pub(crate) provider: XOnlyPublicKey,
    pub(crate) covenant: Vec<XOnlyPublicKey>,
    pub(crate) quorum: u32,
    /// Exactly a quorum, in any order.
    pub(crate) signers: Vec<Member>,
    pub(crate) time: u16,
    pub(crate) unbonding_time: u16,
    pub(crate) tag: String,
    pub(crate) value: u64,
    pub(crate) coins: Vec<Coin>,
    pub(crate) change_address: Address,
    pub(crate) fee_rate: u64,
    pub(crate) lock_height: u32,
    pub(crate) unbonding_fee: u64,
    pub(crate) withdraw_address: Address,
    pub(crate) withdraw_rate: u64,
    pub(crate) slash_address: Address,
    pub(crate) slash_percent: u64,
    pub(crate) slash_fee: u64,
}

impl Case {
    pub(crate) fn random(rng: &mut ChaCha20Rng) -> Self {
        let mut random = Random { rng, secp: Secp256k1::new() };
        let count = random.between(1, MOST_MEMBERS);
        let quorum = random.between(1, count);
        let members: Vec<Keypair> = (0..count).map(|_| random.keypair()).collect();
        let staker = random.keypair();
        let (network, hrp) = random.network();
        let (value, fee_rate) = (random.value(), random.between(1, 300));
        Self {
            network,
            staker: staker.x_only_public_key().0,
            staker_secret: secret(&staker),
            provider: random.keypair().x_only_public_key().0,
            covenant: members.iter().map(|member| member.x_only_public_key().0).collect(),
            quorum: u32::try_from(quorum).expect("at most 20"),
            signers: random.some_of(&members, quorum),
            time: random.blocks(),
            unbonding_time: random.blocks(),
            tag: hex::encode(random.bytes::<4>()),
            value,
            coins: random.coins(value, fee_rate),
            change_address: random.address(hrp),
            fee_rate,
            // 0 is "no lock" to the other library, as it is to Bitcoin.
            lock_height: u32::try_from(random.between(0, 900_000)).expect("a height"),
            unbonding_fee: random.between(1, 40_000),
            withdraw_address: random.address(hrp),
            withdraw_rate: random.between(1, 100),
            slash_address: random.address(hrp),
            slash_percent: random.between(1, 90),
            slash_fee: random.between(1, 5_000),
        }
    }
}

struct Random<'a> {
    rng: &'a mut ChaCha20Rng,
    secp: Secp256k1<All>,
}

impl Random<'_> {
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.rng.next_u64() % (most - least + 1)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn keypair(&mut self) -> Keypair {
        let secret = SecretKey::from_slice(&self.bytes::<32>());
        Keypair::from_secret_key(&self.secp, &secret.expect("all but 2 in 2^128 are secrets"))
    }

    fn network(&mut self) -> (&'static str, KnownHrp) {
        match self.between(0, 2) {
            0 => ("bitcoin", KnownHrp::Mainnet),
            1 => ("testnet", KnownHrp::Testnets),
            _ => ("regtest", KnownHrp::Regtest),
        }
    }

    /// As often one that is pushed as an opcode as one of one, two or three bytes.
    fn blocks(&mut self) -> u16 {
        let most = [16, 127, 255, 32_767, 65_535][usize::from(self.bytes::<1>()[0] % 5)];
        u16::try_from(self.between(1, most)).expect("at most 65535")
    }

    /// From 0.002 BTC, which pays for every fee here, to more than anybody has.
    fn value(&mut self) -> u64 {
        let most = 10_u64.pow(u32::try_from(self.between(6, 14)).expect("at most 14"));
        self.between(200_000, most)
    }

    fn address(&mut self, hrp: KnownHrp) -> Address {
        let pair = self.keypair();
        if self.between(0, 1) == 0 {
            Address::p2tr(&self.secp, pair.x_only_public_key().0, None, hrp)
        } else {
            Address::p2wpkh(&CompressedPublicKey(pair.public_key()), hrp)
        }
    }

    /// One to five that pay for the stake and its fee together; the other library may do without the
    /// last of them.
    fn coins(&mut self, value: u64, fee_rate: u64) -> Vec<Coin> {
        let count = self.between(1, 5);
        let spare = fee_rate * 1_500 + self.between(2_000, 50_000);
        (0..count)
            .map(|place| {
                // The first is the largest, so that no two are equal.
                let share = (value + spare) / count + 1 + (count - place);
                Coin {
                    txid: Txid::from_byte_array(self.bytes()),
                    vout: u32::try_from(self.between(0, 9)).expect("at most 9"),
                    value: share,
                    script: self.address(KnownHrp::Mainnet).script_pubkey().to_hex_string(),
                }
            })
            .collect()
    }

    fn some_of(&mut self, members: &[Keypair], count: u64) -> Vec<Member> {
        let mut left = members.to_vec();
        (0..count)
            .map(|_| {
                let last = u64::try_from(left.len()).expect("at most 20") - 1;
                let place = usize::try_from(self.between(0, last)).expect("at most 20");
                let pair = left.swap_remove(place);
                Member { key: pair.x_only_public_key().0, secret: secret(&pair) }
            })
            .collect()
    }
}

fn secret(pair: &Keypair) -> SecretText {
    SecretText(hex::encode(pair.secret_bytes()))
}
