//! Amounts and fee rates as people write them.

use bitcoin::{Amount, Denomination};

/// An amount: satoshis (`10000`, `10000sat`) or bitcoins (`0.5btc`).
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    const EXPECTED: &str = "expected satoshis (10000 or 10000sat) or bitcoins (0.5btc)";
    let lower = text.trim().to_ascii_lowercase();
    // Without a unit it is satoshis, and those have no decimals: bitcoins were meant.
    if let Some(sats) = bitcoins_without_unit(&lower) {
        return Err(format!("{lower} of what? Write {lower}btc or {sats}sat"));
    }
    let (digits, unit) = match lower.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => lower.split_at(at),
        None => (lower.as_str(), "sat"),
    };
    let unit = match unit {
        "sat" | "sats" => Denomination::Satoshi,
        "btc" => Denomination::Bitcoin,
        _ => return Err(EXPECTED.into()),
    };
    let amount =
        Amount::from_str_in(digits.trim(), unit).map_err(|e| format!("{EXPECTED}: {e}"))?;
    if amount == Amount::ZERO || amount > Amount::MAX_MONEY {
        return Err("expected more than nothing and at most 21 million bitcoins".into());
    }
    Ok(amount)
}

/// The satoshis of a number with a decimal point and no unit: nobody writes satoshis so.
pub(super) fn bitcoins_without_unit(text: &str) -> Option<u64> {
    let amount = Amount::from_str_in(text, Denomination::Bitcoin).ok()?;
    text.contains('.').then(|| amount.to_sat())
}

/// A fee rate in sat/vB with at most three decimals, as satoshis for 1,000 virtual bytes.
pub(super) fn fee_rate_per_kvb(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "expected sat/vB from 0.1 to 100000, with at most three decimals";
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(decimals) || decimals.len() > 3 {
        return Err(EXPECTED.into());
    }
    let whole: u64 = whole.parse().map_err(|_| EXPECTED)?;
    let thousandths: u64 = format!("{decimals:0<3}").parse().map_err(|_| EXPECTED)?;
    let rate = whole.checked_mul(1_000).and_then(|rate| rate.checked_add(thousandths));
    rate.filter(|rate| (100..=100_000_000).contains(rate)).ok_or_else(|| EXPECTED.into())
}

/// Satoshis as people read them: from a million on in bitcoins too.
pub(super) fn sats(sats: u64) -> String {
    let amount = Amount::from_sat(sats);
    if sats >= 1_000_000 {
        format!("{sats} sat ({} BTC)", amount.display_in(Denomination::Bitcoin))
    } else {
        format!("{sats} sat")
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn amount__should_take_satoshis_and_bitcoins() {
        for (text, sats) in [
            ("10000", 10_000),
            ("50000sat", 50_000),
            ("7 sats", 7),
            ("0.5btc", 50_000_000),
            ("1 BTC", 100_000_000),
            ("0.00000001btc", 1),
        ] {
            assert_eq!(amount(text), Ok(Amount::from_sat(sats)), "{text}");
        }
    }

    #[test]
    fn amount__should_refuse_everything_else() {
        for text in
            ["", "0", "-1", "0.5", "1.5sat", "0.000000001btc", "1eth", "21000001btc", "btc", "1e3"]
        {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amount__should_take_decimals_without_a_unit_for_bitcoins_that_lack_it() {
        let told = amount("0.05").expect_err("no unit");

        assert_eq!(told, "0.05 of what? Write 0.05btc or 5000000sat");
    }

    #[test]
    fn fee_rate__should_be_exact() {
        for (text, rate) in [("1", 1_000), ("2.5", 2_500), ("0.125", 125), ("100000", 100_000_000)]
        {
            assert_eq!(fee_rate_per_kvb(text), Ok(rate), "{text}");
        }
        for text in ["", "0", "0.05", "1.2345", "-1", "1.", ".5", "1e2", "100000.001"] {
            assert!(fee_rate_per_kvb(text).is_err(), "{text}");
        }
    }
}
