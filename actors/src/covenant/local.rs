//! A covenant key out of the node's own key file.
//!
//! By default it is the committee key. What that signs as a committee member are hashes with tags
//! of this project's own, and a transaction's is BIP-341's `TapSighash`: neither can pass for the
//! other.

use std::sync::Arc;

use bitcoin::secp256k1::{All, Keypair, Message, Secp256k1, schnorr::Signature};
use futures::future::{BoxFuture, FutureExt, join_all};
use trestle_keys::identity::CommitteeKey;

use crate::ports::{Compute, SignError, SignUnbonding, SigningOrder, compute};

/// Signatures made in one piece of work: worth its way to another thread.
const PIECE: usize = 25;

/// Signs with a key in memory, on the pool. Nonces are those of BIP-340 without auxiliary
/// randomness: the same unbonding has the same signature.
pub struct LocalSigner {
    secret: Arc<Secret>,
    compute: Arc<dyn Compute>,
}

/// The key, wiped when the last user is gone.
struct Secret {
    curve: Secp256k1<All>,
    pair: Keypair,
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.pair.non_secure_erase();
    }
}

impl LocalSigner {
    /// With this key.
    pub fn new(key: &CommitteeKey, compute: Arc<dyn Compute>) -> Self {
        let curve = Secp256k1::new();
        let pair = Keypair::from_seckey_slice(&curve, &*key.expose_secret())
            .expect("a committee key is a key of this curve");
        Self { secret: Arc::new(Secret { curve, pair }), compute }
    }
}

impl Secret {
    fn sign(&self, order: &SigningOrder) -> Result<Signature, SignError> {
        // Scripts know no parity, so the parameters may write either.
        if order.key.inner.x_only_public_key().0 != self.pair.x_only_public_key().0 {
            return Err(SignError::NotHeld(order.key));
        }
        let message = Message::from_digest(order.sighash);
        Ok(self.curve.sign_schnorr_no_aux_rand(&message, &self.pair))
    }
}

impl SignUnbonding for LocalSigner {
    fn sign(&self, order: SigningOrder) -> BoxFuture<'_, Result<Signature, SignError>> {
        let one = self.sign_many(vec![order]);
        let nothing = || Err(SignError::Unavailable("the node is stopping".into()));
        async move { one.await.pop().unwrap_or_else(nothing) }.boxed()
    }

    fn sign_many(
        &self,
        orders: Vec<SigningOrder>,
    ) -> BoxFuture<'_, Vec<Result<Signature, SignError>>> {
        let pieces: Vec<Vec<SigningOrder>> = orders.chunks(PIECE).map(<[_]>::to_vec).collect();
        let work = pieces.into_iter().map(|piece| {
            let secret = Arc::clone(&self.secret);
            async move {
                let count = piece.len();
                let sign = move || piece.iter().map(|order| secret.sign(order)).collect::<Vec<_>>();
                let stopping = || Err(SignError::Unavailable("the node is stopping".into()));
                let done = compute(&*self.compute, sign).await;
                done.unwrap_or_else(|| vec![stopping(); count])
            }
        });
        join_all(work).map(|done| done.concat()).boxed()
    }
}
