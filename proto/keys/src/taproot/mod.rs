//! The one place where FROST keys meet Bitcoin keys.
//!
//! The convention: the verifying key that key generation ends with is the committee's *internal*
//! key everywhere, by its x coordinate. An address is the output key: internal key plus
//! TapTweak(internal key ‖ root), BIP-341, with an empty root unless something else is said.
//!
//! Two facts of the FROST library shape this. Its key generation has already added an empty-root
//! tweak of its own when it ends, so the verifying key can have odd Y; Bitcoin knows x coordinates
//! only and takes Y to be even. And its `sign` and `aggregate` negate key and shares themselves
//! where Y is odd, so nothing but the tweak has to be put on a share before it signs.
//!
//! Always holds: a tweaked share and the output key of the same tweak belong together, whatever the
//! parity of the verifying key or of the sum; no bytes from outside cause a panic.

mod convert;

use bitcoin::{
    Address, KnownHrp, ScriptBuf, TapNodeHash,
    hashes::Hash,
    key::{TapTweak, TweakedPublicKey},
    secp256k1::XOnlyPublicKey,
};
pub use convert::{
    PointError, commitment_from_wire, commitment_to_wire, public_keys_from_wire,
    public_keys_to_wire, signature_share_from_wire, signature_share_to_wire, verifying_key_to_wire,
};
use frost_secp256k1_tr::keys::{EvenY, KeyPackage, PublicKeyPackage, Tweak as _};
use trestle_wire::{Network, committee::Point};

use crate::identity::SECP;

/// What is added to an internal key to get the key in an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tweak {
    /// Nothing: the internal key is the output key. For signatures that are not spends.
    None,
    /// TapTweak(internal key): no script can spend. What a committee's addresses have.
    #[default]
    KeyPath,
    /// TapTweak(internal key ‖ root): scripts under this Merkle root can spend too.
    Root([u8; 32]),
}

/// The Taproot internal key of a committee: the x coordinate of its verifying key.
///
/// # Errors
/// [`PointError`] unless these are the canonical bytes of a curve point.
pub fn internal_key(group: &Point) -> Result<XOnlyPublicKey, PointError> {
    let not_a_point = || PointError::NotAPoint { what: "group key" };
    let key = bitcoin::secp256k1::PublicKey::from_slice(group).map_err(|_| not_a_point())?;
    Ok(key.x_only_public_key().0)
}

/// The key that an output with this internal key and tweak is locked to.
pub fn output_key(internal: XOnlyPublicKey, tweak: Tweak) -> XOnlyPublicKey {
    tweaked(internal, tweak).to_x_only_public_key()
}

/// The scriptPubKey of that output: `OP_1` and the output key.
pub fn script_pubkey(internal: XOnlyPublicKey, tweak: Tweak) -> ScriptBuf {
    ScriptBuf::new_p2tr_tweaked(tweaked(internal, tweak))
}

/// The address of that output, BIP-350.
pub fn address(internal: XOnlyPublicKey, tweak: Tweak, network: Network) -> Address {
    Address::p2tr_tweaked(tweaked(internal, tweak), KnownHrp::from(bitcoin_network(network)))
}

/// A member's share of the key that such an output is locked to. Computed once, it signs any number
/// of messages; it is as secret as `share`.
///
/// `share` must be as key generation left it: tweaking twice gives the share of another key.
pub fn tweak_key_package(share: &KeyPackage, tweak: Tweak) -> KeyPackage {
    let share = share.clone();
    // The final parity is settled here so that signing does not negate anew for each message.
    match tweak {
        Tweak::None => share.into_even_y(None),
        Tweak::KeyPath => share.tweak::<&[u8]>(None).into_even_y(None),
        Tweak::Root(root) => share.tweak(Some(root)).into_even_y(None),
    }
}

/// What signatures and shares for such an output are checked against.
///
/// `keys` must be as key generation left them: tweaking twice gives another key.
pub fn tweak_public_keys(keys: &PublicKeyPackage, tweak: Tweak) -> PublicKeyPackage {
    let keys = keys.clone();
    match tweak {
        Tweak::None => keys.into_even_y(None),
        Tweak::KeyPath => keys.tweak::<&[u8]>(None).into_even_y(None),
        Tweak::Root(root) => keys.tweak(Some(root)).into_even_y(None),
    }
}

/// Bitcoin's name for a network.
pub const fn bitcoin_network(network: Network) -> bitcoin::Network {
    match network {
        Network::Bitcoin => bitcoin::Network::Bitcoin,
        Network::Testnet4 => bitcoin::Network::Testnet4,
        Network::Signet => bitcoin::Network::Signet,
        Network::Regtest => bitcoin::Network::Regtest,
    }
}

// `tap_tweak` panics where the hash is not below the group order or cancels the key out; finding an
// input for either takes as much work as breaking the hash.
fn tweaked(internal: XOnlyPublicKey, tweak: Tweak) -> TweakedPublicKey {
    match tweak {
        Tweak::None => TweakedPublicKey::dangerous_assume_tweaked(internal),
        Tweak::KeyPath => internal.tap_tweak(&SECP, None).0,
        Tweak::Root(root) => internal.tap_tweak(&SECP, Some(TapNodeHash::from_byte_array(root))).0,
    }
}
