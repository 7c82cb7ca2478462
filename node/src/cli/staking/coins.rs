//! Which coins pay for a stake, and what goes back.
//!
//! Always holds: inputs are worth outputs, change and fee, to the satoshi; the fee is that of the
//! signed transaction's virtual bytes at the rate, and at most a dust output's worth more.

use bitcoin::{
    Amount, FeeRate, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Weight, Witness,
    absolute::LockTime, transaction::Version,
};
use trestle_chain::weight;

/// An output to spend.
pub(super) type Coin = (OutPoint, TxOut);

/// A plan that works out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) coins: Vec<Coin>,
    /// What goes back; nothing where it would be dust.
    pub(super) change: Option<TxOut>,
    pub(super) fee: Amount,
}

/// Why the coins will not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CoinError {
    #[error("coin {0} is neither P2WPKH nor P2TR; move it to such an address first")]
    Kind(OutPoint),
    #[error("coin {0} was given twice")]
    Twice(OutPoint),
    #[error(
        "the {count} coin(s) are worth {have} sats, {need} sats are needed with a fee of {fee} \
         sats: add coins, or stake less"
    )]
    TooPoor { count: usize, have: u64, need: u64, fee: u64 },
}

/// Most inputs of a transaction that relays: 100,000 vB hold about 1,400.
const MOST: usize = 1_000;

/// Pays for `outputs` with few coins, the largest first, or with all of them.
pub(super) fn choose(
    mut coins: Vec<Coin>,
    all: bool,
    outputs: &[TxOut],
    change: &ScriptBuf,
    rate: FeeRate,
) -> Result<Choice, CoinError> {
    coins.sort_by(|a, b| b.1.value.cmp(&a.1.value).then(a.0.cmp(&b.0)));
    if let Some(at) = twice(&coins) {
        return Err(CoinError::Twice(at));
    }
    if let Some((at, _)) = coins.iter().find(|(_, output)| witness(output).is_none()) {
        return Err(CoinError::Kind(*at));
    }
    let most = coins.len().min(MOST);
    let mut last = None;
    for count in if all { most..=most } else { 1..=most } {
        match settle(&coins[..count], outputs, change, rate) {
            Ok(choice) => return Ok(choice),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(CoinError::TooPoor {
        count: 0,
        have: 0,
        need: sum(outputs.iter()).to_sat(),
        fee: 0,
    }))
}

fn twice(coins: &[Coin]) -> Option<OutPoint> {
    let mut places: Vec<OutPoint> = coins.iter().map(|(at, _)| *at).collect();
    places.sort_unstable();
    places.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// With exactly these coins.
fn settle(
    coins: &[Coin],
    outputs: &[TxOut],
    change: &ScriptBuf,
    rate: FeeRate,
) -> Result<Choice, CoinError> {
    let fee_of = |outputs: &[TxOut]| {
        weight::fee(rate, once_signed(coins, outputs)).unwrap_or(Amount::MAX_MONEY)
    };
    let have = sum(coins.iter().map(|(_, output)| output));
    let spent = sum(outputs.iter());
    let mut back = TxOut { value: Amount::ZERO, script_pubkey: change.clone() };
    let with_change = fee_of(&[outputs, &[back.clone()]].concat());
    let left = have.checked_sub(spent).and_then(|left| left.checked_sub(with_change));
    if let Some(left) = left.filter(|left| *left >= change.minimal_non_dust()) {
        back.value = left;
        return Ok(Choice { coins: coins.to_vec(), change: Some(back), fee: with_change });
    }
    let fee = fee_of(outputs);
    let need = spent.to_sat().saturating_add(fee.to_sat());
    match have.checked_sub(spent).filter(|rest| *rest >= fee) {
        Some(rest) => Ok(Choice { coins: coins.to_vec(), change: None, fee: rest }),
        None => {
            let (count, have, fee) = (coins.len(), have.to_sat(), fee.to_sat());
            Err(CoinError::TooPoor { count, have, need, fee })
        }
    }
}

fn sum<'a>(outputs: impl Iterator<Item = &'a TxOut>) -> Amount {
    Amount::from_sat(outputs.fold(0, |sum: u64, output| sum.saturating_add(output.value.to_sat())))
}

/// What the transaction will weigh once it is signed.
fn once_signed(coins: &[Coin], outputs: &[TxOut]) -> Weight {
    let input = |(at, output): &Coin| TxIn {
        previous_output: *at,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: witness(output).unwrap_or_default(),
    };
    let transaction = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: coins.iter().map(input).collect(),
        output: outputs.to_vec(),
    };
    transaction.weight()
}

/// As large as the output's witness can be, where its kind is known.
fn witness(output: &TxOut) -> Option<Witness> {
    /// A DER signature with a low R and its sighash byte is at most 71 bytes, other wallets' 72.
    const ECDSA: usize = 72;
    let script = &output.script_pubkey;
    if script.is_p2wpkh() {
        Some(Witness::from_slice(&[vec![0; ECDSA], vec![0; 33]]))
    } else if script.is_p2tr() {
        Some(Witness::from_slice(&[[0; 64]]))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{Txid, hashes::Hash as _};

    use super::*;

    fn p2wpkh() -> ScriptBuf {
        ScriptBuf::from_bytes([&[0, 20][..], &[7; 20]].concat())
    }

    fn coin(number: u32, sats: u64) -> Coin {
        let output = TxOut { value: Amount::from_sat(sats), script_pubkey: p2wpkh() };
        (OutPoint::new(Txid::all_zeros(), number), output)
    }

    fn pay(sats: u64) -> Vec<TxOut> {
        let script_pubkey = ScriptBuf::from_bytes([&[0x51, 32][..], &[9; 32]].concat());
        vec![TxOut { value: Amount::from_sat(sats), script_pubkey }]
    }

    fn rate() -> FeeRate {
        FeeRate::from_sat_per_vb_u32(10)
    }

    #[test]
    fn choice__should_take_few_coins_and_balance_to_the_satoshi() {
        let coins = vec![coin(0, 10_000), coin(1, 500_000), coin(2, 60_000)];
        let choice = choose(coins, false, &pay(100_000), &p2wpkh(), rate()).expect("enough");

        assert_eq!(choice.coins, [coin(1, 500_000)]);
        let change = choice.change.expect("much is left");
        assert_eq!(change.value.to_sat() + choice.fee.to_sat() + 100_000, 500_000);
        // One P2WPKH input, a P2TR and a P2WPKH output: 152.5 vB, which the mempool counts as 153.
        assert_eq!(choice.fee.to_sat(), 1_530);
    }

    #[test]
    fn choice__should_take_all_that_were_named() {
        let coins = vec![coin(0, 10_000), coin(1, 500_000)];
        let choice = choose(coins, true, &pay(100_000), &p2wpkh(), rate()).expect("enough");
        assert_eq!(choice.coins.len(), 2);
    }

    #[test]
    fn choice__should_leave_dust_to_the_fee() {
        let choice = choose(vec![coin(0, 101_500)], false, &pay(100_000), &p2wpkh(), rate());
        let choice = choice.expect("enough without change");
        assert_eq!((choice.change, choice.fee.to_sat()), (None, 1_500));
    }

    #[test]
    fn choice__should_say_what_is_missing() {
        let error = choose(vec![coin(0, 100_100)], false, &pay(100_000), &p2wpkh(), rate());
        let error = error.expect_err("the fee is not covered").to_string();
        assert!(error.contains("are worth 100100 sats, 101"), "{error}");
        assert!(choose(Vec::new(), false, &pay(1), &p2wpkh(), rate()).is_err());

        let coins = vec![coin(0, 200_000), coin(0, 200_000)];
        let error = choose(coins, true, &pay(1), &p2wpkh(), rate());
        assert!(matches!(error, Err(CoinError::Twice(_))), "{error:?}");

        let mut odd = coin(0, 200_000);
        odd.1.script_pubkey = ScriptBuf::from_bytes(vec![0x51]);
        let error = choose(vec![odd], true, &pay(1), &p2wpkh(), rate());
        assert!(matches!(error, Err(CoinError::Kind(_))), "{error:?}");
    }
}
