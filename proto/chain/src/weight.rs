//! Weights and fees of transactions whose inputs are all Taproot key-path spends.
//!
//! Always holds: the weight computed for an unsigned transaction is exactly the weight of the
//! signed one, because each witness is one 64-byte signature (BIP-341, SIGHASH_DEFAULT).

use bitcoin::{Amount, FeeRate, Transaction, TxOut, VarInt, Weight};

/// Weight units of one key-path input: outpoint, empty script and sequence at four each; the count
/// of witness items, the length of the signature and its 64 bytes at one each.
pub const INPUT: u64 = 4 * (36 + 1 + 4) + 1 + 1 + 64;

/// The largest transaction that nodes relay (and members sign).
pub const MAX_STANDARD: Weight = Weight::from_wu(400_000);

/// Version and locktime at four each; the segwit marker and flag at one each.
const FRAME: u64 = 4 * (4 + 4) + 2;

/// Weight of a signed transaction with that many inputs and these outputs.
pub fn signed<'a>(inputs: usize, outputs: impl IntoIterator<Item = &'a TxOut>) -> Weight {
    let (mut count, mut weight) = (0_usize, FRAME);
    for output in outputs {
        count += 1;
        weight = weight.saturating_add(output.weight().to_wu());
    }
    let counts = 4 * (VarInt::from(inputs).size() + VarInt::from(count).size());
    let inputs = INPUT.saturating_mul(u64::try_from(inputs).unwrap_or(u64::MAX));
    let counts = u64::try_from(counts).unwrap_or(u64::MAX);
    Weight::from_wu(weight.saturating_add(counts).saturating_add(inputs))
}

/// Weight that an unsigned transaction will have once it is signed.
pub fn once_signed(transaction: &Transaction) -> Weight {
    signed(transaction.input.len(), &transaction.output)
}

/// Virtual bytes of a weight, rounded up as the mempool does.
pub fn vbytes(weight: Weight) -> u64 {
    weight.to_wu().div_ceil(4)
}

/// What a transaction of that weight pays at that rate. Counted by virtual bytes, as the mempool
/// does, so that nobody finds the rate a fraction short. `None` on overflow.
pub fn fee(rate: FeeRate, weight: Weight) -> Option<Amount> {
    let per_kvb = rate.to_sat_per_kwu().checked_mul(4)?;
    let sats = per_kvb.checked_mul(vbytes(weight))?.div_ceil(1_000);
    Some(Amount::from_sat(sats))
}

/// The rate that a fee amounts to, in satoshis for 1,000 weight units, rounded down.
pub fn rate(fee: Amount, weight: Weight) -> FeeRate {
    let sats = u128::from(fee.to_sat()) * 250;
    let rate = sats / u128::from(vbytes(weight).max(1));
    FeeRate::from_sat_per_kwu(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// Adds amounts; `None` above 21 million bitcoin, which no honest sum reaches.
pub fn sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
    amounts
        .into_iter()
        .try_fold(Amount::ZERO, |sum, amount| sum.checked_add(amount))
        .filter(|sum| *sum <= Amount::MAX_MONEY)
}
