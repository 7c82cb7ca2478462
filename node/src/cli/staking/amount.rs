//! Amounts, fee rates, keys and outpoints of staking as people write them.

use std::fmt;

use bitcoin::{Amount, FeeRate, OutPoint, XOnlyPublicKey};

use crate::cli::units;

/// An amount with its unit. A bare number is refused: 5 could be bitcoins or satoshis, and staking
/// has been done with both.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    if !text.chars().any(|c| c.is_ascii_alphabetic()) {
        return Err(format!(
            "which unit? A stake has a hundred million times the value in the other: write {}",
            with_units(text.trim())
        ));
    }
    units::amount(text).map_err(|_| {
        "expected an amount with its unit, for example \"0.05 BTC\" or \"5000000 sats\", more than \
         nothing and at most 21 million bitcoins"
            .into()
    })
}

/// A bare number as it may have been meant.
fn with_units(number: &str) -> String {
    match units::bitcoins_without_unit(number) {
        // Satoshis have no decimals.
        Some(sats) => format!("\"{number} BTC\" or \"{sats} sats\""),
        None if number.parse::<u64>().is_ok() => format!("\"{number} BTC\" or \"{number} sats\""),
        None => "for example \"0.05 BTC\" or \"5000000 sats\"".into(),
    }
}

/// A fee rate in sat/vB, of at most three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rate {
    /// Satoshis for 1,000 virtual bytes.
    per_kvb: u64,
}

impl Rate {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        units::fee_rate_per_kvb(text).map(|per_kvb| Self { per_kvb })
    }

    /// Of what bitcoind counts in: satoshis for 1,000 virtual bytes.
    pub(super) const fn per_kvb(per_kvb: u64) -> Self {
        Self { per_kvb }
    }

    /// Of an estimate; rounded up.
    pub(super) const fn of(rate: FeeRate) -> Self {
        Self { per_kvb: rate.to_sat_per_kwu().saturating_mul(4) }
    }

    /// For computing; rounded up.
    pub(super) const fn rate(self) -> FeeRate {
        FeeRate::from_sat_per_kwu(self.per_kvb.div_ceil(4))
    }

    /// In sat/vB with all its decimals, as bitcoind takes it.
    pub(super) fn decimal(self) -> String {
        format!("{}.{:03}", self.per_kvb / 1_000, self.per_kvb % 1_000)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = self.decimal();
        write!(f, "{} sat/vB", decimal.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A key as scripts know it: 32 bytes.
pub(super) fn key(text: &str) -> Result<XOnlyPublicKey, String> {
    // The same key with its parity, as covenant files and wallets write it.
    let x = match text.len() {
        66 if text.starts_with("02") || text.starts_with("03") => text.get(2..).unwrap_or(text),
        _ => text,
    };
    x.parse().map_err(|_| {
        "expected a public key: 64 hexadecimal digits (x-only), or 66 with its parity".into()
    })
}

/// TXID:INDEX.
pub(super) fn outpoint(text: &str) -> Result<OutPoint, String> {
    text.parse().map_err(|_| "expected a coin as TXID:INDEX".into())
}

/// Satoshis in both units, so that nobody mistakes one for the other.
pub(super) fn both(amount: Amount) -> String {
    format!("{} BTC ({} sats)", amount.display_in(bitcoin::Denomination::Bitcoin), amount.to_sat())
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn amount__should_need_its_unit() {
        for text in ["5", "0.05", "5000000", " 7 ", ""] {
            let told = amount(text).expect_err("no unit");
            assert!(told.contains("which unit?"), "{told}");
        }
    }

    #[test]
    fn amount__should_propose_only_what_can_be_taken() {
        for (text, proposed) in [
            ("5", "\"5 BTC\" or \"5 sats\""),
            ("0.05", "\"0.05 BTC\" or \"5000000 sats\""),
            ("1.123456789", "for example \"0.05 BTC\" or \"5000000 sats\""),
            ("", "for example \"0.05 BTC\" or \"5000000 sats\""),
        ] {
            let told = amount(text).expect_err("no unit");
            assert!(told.ends_with(&format!("write {proposed}")), "{told}");
            for one in
                proposed.split('"').filter(|one| one.ends_with("BTC") || one.ends_with("sats"))
            {
                assert!(amount(one).is_ok(), "{one} was proposed");
            }
        }
    }

    #[test]
    fn amount__should_take_bitcoins_and_satoshis() {
        for (text, sats) in [
            ("0.05 BTC", 5_000_000),
            ("0.05btc", 5_000_000),
            ("5000000 sats", 5_000_000),
            ("1sat", 1),
            ("21000000 BTC", 2_100_000_000_000_000),
        ] {
            assert_eq!(amount(text), Ok(Amount::from_sat(sats)), "{text}");
        }
        for text in ["0 BTC", "-1 BTC", "1.5 sats", "0.000000001 BTC", "1 mBTC", "21000001 BTC"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rate__should_be_exact_for_bitcoind_and_rounded_up_for_computing() {
        let rate = Rate::parse("2.5").expect("a rate");
        assert_eq!((rate.decimal().as_str(), rate.rate().to_sat_per_kwu()), ("2.500", 625));
        let rate = Rate::parse("1.001").expect("a rate");
        assert_eq!((rate.decimal().as_str(), rate.rate().to_sat_per_kwu()), ("1.001", 251));
        for (text, shown) in [("2.5", "2.5 sat/vB"), ("10", "10 sat/vB"), ("0.25", "0.25 sat/vB")] {
            assert_eq!(Rate::parse(text).expect("a rate").to_string(), shown);
        }
    }

    #[test]
    fn key__should_be_taken_with_or_without_parity() {
        let x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        assert_eq!(key(x), key(&format!("03{x}")));
        assert!(key(x).is_ok());
        assert!(key(&x[2..]).is_err());
        assert!(key(&format!("04{x}")).is_err());
    }
}
