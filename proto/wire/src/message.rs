//! Every message there is, and its number.

use crate::{
    announce::Presence,
    codec::{self, DecodeError, MAX_ENVELOPE, at_most},
    committee::{
        check_key,
        dkg::{
            DkgAbort, DkgBegin, DkgCertificate, DkgEcho, DkgEchoSet, DkgRound1, DkgRound1Set,
            DkgRound2, DkgRound2Set, check_shares,
        },
        key::{KeyFetch, KeyReady, MemberStatus},
        sign::{NonceOffer, NonceRequest, SignRefused, SignRequest, SignShares},
    },
    hello::Hello,
    staking::{UnbondingAsk, UnbondingSigned},
};

/// Most bytes of a body with one value for each member at most, or a handful of signed packages.
const SMALL: usize = 16 * 1024;
/// Most bytes of a body with a round-1 package for each member, a commitment for each message, or a
/// transaction for each unbonding.
const MEDIUM: usize = 1024 * 1024;

macro_rules! messages {
    ($($(#[$doc:meta])* $variant:ident(
        $application:literal, $kind:literal, $label:literal, $most:expr, $check:expr
    ),)*) => {
        /// A decoded message.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $($(#[$doc])* $variant($variant),)*
        }

        impl Message {
            /// Application and kind; never reused for something else.
            pub const fn kind(&self) -> (u8, u16) {
                match self { $(Self::$variant(_) => ($application, $kind),)* }
            }

            /// A fixed word for logs and metrics.
            pub const fn label(&self) -> &'static str {
                match self { $(Self::$variant(_) => $label,)* }
            }

            /// The body's bytes.
            pub fn encode_body(&self) -> Vec<u8> {
                match self { $(Self::$variant(body) => codec::encode(body),)* }
            }

            /// The message of a body's bytes.
            ///
            /// # Errors
            /// [`DecodeError`] for an unknown kind, a body over its kind's limit, malformed bytes or
            /// a list over its limit.
            pub fn decode_body(application: u8, kind: u16, body: &[u8]) -> Result<Self, DecodeError> {
                match (application, kind) {
                    $(($application, $kind) => {
                        at_most("body", body.len(), $most)?;
                        let body: $variant = codec::decode(body)?;
                        let check: fn(&$variant) -> Result<(), DecodeError> = $check;
                        check(&body)?;
                        Ok(Self::$variant(body))
                    })*
                    _ => Err(DecodeError::UnknownKind { application, kind }),
                }
            }
        }

        $(impl From<$variant> for Message {
            fn from(body: $variant) -> Self { Self::$variant(body) }
        })*

        /// Application, kind and label of every message, for the handler's tables and the tests.
        pub const KINDS: &[(u8, u16, &str)] = &[$(($application, $kind, $label),)*];
    };
}

messages! {
    /// First message on a connection.
    Hello(0, 1, "hello", SMALL, Hello::check),
    /// Gossip: a node is here.
    Presence(0, 2, "presence", SMALL, Presence::check),
    /// Start a key generation.
    DkgBegin(1, 1, "dkg_begin", SMALL, |m| check_key(&m.session.key)),
    /// A member's round-1 package.
    DkgRound1(1, 2, "dkg_round1", SMALL, DkgRound1::check),
    /// Everybody's round-1 packages.
    DkgRound1Set(1, 3, "dkg_round1_set", MEDIUM, DkgRound1Set::check),
    /// A member's echo.
    DkgEcho(1, 4, "dkg_echo", SMALL, |m| check_key(&m.session.key)),
    /// Everybody's echoes.
    DkgEchoSet(1, 5, "dkg_echo_set", SMALL, DkgEchoSet::check),
    /// A member's sealed shares.
    DkgRound2(1, 6, "dkg_round2", MEDIUM, |m| check_shares(&m.session, &m.shares)),
    /// The sealed shares for one member.
    DkgRound2Set(1, 7, "dkg_round2_set", MEDIUM, |m| check_shares(&m.session, &m.shares)),
    /// A member has stored its share.
    DkgCertificate(1, 8, "dkg_certificate", SMALL, |m| { check_key(&m.session.key)?; m.public.check() }),
    /// An attempt is over.
    DkgAbort(1, 9, "dkg_abort", SMALL, DkgAbort::check),
    /// A key is usable. Durable.
    KeyReady(1, 10, "key_ready", SMALL, KeyReady::check),
    /// Send me missing keys.
    KeyFetch(1, 11, "key_fetch", SMALL, KeyFetch::check),
    /// What a member says of itself, and hears back.
    MemberStatus(1, 12, "member_status", SMALL, MemberStatus::check),
    /// Make nonces.
    NonceRequest(1, 13, "nonce_request", SMALL, NonceRequest::check),
    /// Nonce commitments.
    NonceOffer(1, 14, "nonce_offer", MEDIUM, NonceOffer::check),
    /// Make signature shares.
    SignRequest(1, 15, "sign_request", MAX_ENVELOPE, SignRequest::check),
    /// Signature shares.
    SignShares(1, 16, "sign_shares", MEDIUM, SignShares::check),
    /// A member will not sign.
    SignRefused(1, 17, "sign_refused", SMALL, SignRefused::check),
    /// Sign these unbondings.
    UnbondingAsk(3, 1, "unbonding_ask", MEDIUM, UnbondingAsk::check),
    /// What came of unbondings to sign.
    UnbondingSigned(3, 2, "unbonding_signed", SMALL, UnbondingSigned::check),
}

impl Message {
    /// Whether the sender keeps the message until the receiver has committed it. All others live
    /// only as long as their session.
    pub const fn is_durable(&self) -> bool {
        matches!(self, Self::KeyReady(_))
    }
}
