//! Handing transactions to the mempool.

use bitcoin::{Transaction, consensus::encode::serialize_hex};
use futures::future::{BoxFuture, FutureExt};
use serde_json::json;
use trestle_actors::ports::{Broadcast, ChainError, chain::Accepted};

use crate::{
    Bitcoind,
    rpc::{CallError, Reply, Request, code, read},
};

const METHOD: &str = "sendrawtransaction";

impl Broadcast for Bitcoind {
    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Accepted, ChainError>> {
        let request = Request::new(METHOD, json!([serialize_hex(&tx)]));
        async move { self.write(request, outcome).await }.boxed()
    }
}

/// What an answer means. A transaction that confirmed and whose outputs have all been spent since
/// looks to bitcoind like one with missing inputs, and is `Rejected`: whoever follows payments
/// knows better from the blocks.
fn outcome(reply: Reply<'_>) -> Result<Accepted, ChainError> {
    let error = match reply {
        Ok(_) => {
            let _txid: bitcoin::Txid = read(METHOD, reply)?;
            return Ok(Accepted::Mempool);
        }
        Err(error) => error,
    };
    match error.code {
        code::ALREADY_IN_CHAIN => Ok(Accepted::Confirmed),
        _ if is_known(&error) => Ok(Accepted::Mempool),
        code::VERIFY | code::VERIFY_REJECTED | code::DECODE => {
            Ok(Accepted::Rejected(error.message))
        }
        _ => Err(error.of(METHOD).into()),
    }
}

/// Versions differ in whether this is an error at all. The last one is the same transaction with
/// another witness, and so with the same id.
fn is_known(error: &CallError) -> bool {
    ["txn-already-in-mempool", "txn-already-known", "txn-same-nonwitness-data-in-mempool"]
        .iter()
        .any(|reason| error.message.contains(reason))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    fn refused(code: i64, message: &str) -> Result<Accepted, ChainError> {
        outcome(Err(CallError { code, message: message.into() }))
    }

    #[test]
    fn outcome__should_accept_what_is_already_there() {
        for reason in ["txn-already-in-mempool", "txn-already-known"] {
            assert_eq!(refused(-26, reason), Ok(Accepted::Mempool));
        }
        let confirmed = refused(-27, "Transaction outputs already in utxo set");
        assert_eq!(confirmed, Ok(Accepted::Confirmed));
    }

    #[test]
    fn outcome__should_hand_on_why_a_transaction_is_refused() {
        for (code, reason) in [
            (-25, "bad-txns-inputs-missingorspent"),
            (-26, "min relay fee not met, 100 < 110"),
            (-26, "txn-mempool-conflict"),
            (-22, "TX decode failed"),
        ] {
            assert_eq!(refused(code, reason), Ok(Accepted::Rejected(reason.into())));
        }
    }

    #[test]
    fn outcome__should_not_blame_the_transaction_for_other_errors() {
        let result = refused(-32601, "Method not found");

        assert!(matches!(result, Err(ChainError::Refused(_))), "{result:?}");
    }
}
