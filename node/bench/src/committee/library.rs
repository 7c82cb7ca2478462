//! The limits: what the FROST library alone takes on all cores, with everything at hand and
//! nothing checked, stored or sent.

use std::{collections::BTreeMap, time::Instant};

use eyre::{OptionExt as _, Result};
use frost_secp256k1_tr::{
    self as frost, Identifier, SigningPackage,
    keys::{EvenY as _, IdentifierList, KeyPackage, PublicKeyPackage, Tweak as _, dkg},
    round1::{self, SigningNonces},
    round2,
};
use rand::rngs::OsRng;

use crate::cores::spread;

/// A quorum with its shares, already tweaked for a Taproot output.
#[derive(Debug)]
pub(crate) struct Quorum {
    shares: Vec<KeyPackage>,
    public: PublicKeyPackage,
}

/// What signers committed to for a batch: by message, by signer.
type Commitments = Vec<BTreeMap<Identifier, round1::SigningCommitments>>;

impl Quorum {
    /// The first `threshold` of `members`.
    ///
    /// # Errors
    /// For sizes that the library refuses.
    pub(crate) fn new(members: u16, threshold: u16) -> Result<Self> {
        let list = IdentifierList::Default;
        let (secret, public) = frost::keys::generate_with_dealer(members, threshold, list, OsRng)?;
        let secret = secret.into_values().take(threshold.into());
        let share =
            |secret| Ok(KeyPackage::try_from(secret)?.tweak::<&[u8]>(None).into_even_y(None));
        let shares = secret.map(share).collect::<Result<_, frost::Error>>()?;
        Ok(Self { shares, public: public.tweak::<&[u8]>(None).into_even_y(None) })
    }

    /// Milliseconds for the shares and signatures of so many messages; with `prepared`, the nonces
    /// are there before the clock starts.
    ///
    /// # Errors
    /// When the library refuses its own output.
    pub(crate) fn sign(&self, messages: usize, prepared: bool) -> Result<f64> {
        let begun = Instant::now();
        let (nonces, commitments) = self.commit(messages);
        let begun = if prepared { Instant::now() } else { begun };
        let mut packages: Vec<SigningPackage> = Vec::with_capacity(messages);
        for (number, commitments) in commitments.into_iter().enumerate() {
            packages.push(SigningPackage::new(commitments, &[u8::try_from(number % 256)?; 32]));
        }
        let made = spread(nonces, |(signer, message, nonces)| {
            let share = &self.shares[signer];
            let made = round2::sign(&packages[message], &nonces, share);
            (message, *share.identifier(), made)
        });
        let mut shares = vec![BTreeMap::new(); messages];
        for (message, signer, share) in made {
            shares[message].insert(signer, share?);
        }
        let work = packages.iter().zip(&shares).collect();
        let signed = spread(work, |(package, shares): (&SigningPackage, _)| {
            frost::aggregate(package, shares, &self.public)
        });
        signed.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(begun.elapsed().as_secs_f64() * 1_000.0)
    }

    fn commit(&self, messages: usize) -> (Vec<(usize, usize, SigningNonces)>, Commitments) {
        let places = (0..self.shares.len()).flat_map(|s| (0..messages).map(move |m| (s, m)));
        let made = spread(places.collect(), |(signer, message)| {
            let share = &self.shares[signer];
            (signer, message, round1::commit(share.signing_share(), &mut OsRng))
        });
        let mut commitments = vec![BTreeMap::new(); messages];
        let mut nonces = Vec::with_capacity(made.len());
        for (signer, message, (secret, public)) in made {
            commitments[message].insert(*self.shares[signer].identifier(), public);
            nonces.push((signer, message, secret));
        }
        (nonces, commitments)
    }
}

/// Milliseconds for the three parts of a key generation of all members.
///
/// # Errors
/// When the library refuses its own output.
pub(crate) fn generate(members: u16, threshold: u16) -> Result<f64> {
    let begun = Instant::now();
    let ids = (1..=members).map(Identifier::try_from).collect::<Result<Vec<_>, _>>()?;
    let first = spread(ids, |id| (id, dkg::part1(id, members, threshold, OsRng)));
    let mut secrets = Vec::new();
    let mut public = BTreeMap::new();
    for (id, made) in first {
        let (secret, package) = made?;
        secrets.push((id, secret));
        public.insert(id, package);
    }
    let others = |me: Identifier| {
        let mut others = public.clone();
        others.remove(&me);
        others
    };
    let second = spread(secrets, |(id, secret)| (id, dkg::part2(secret, &others(id))));
    let mut secrets = Vec::new();
    let mut shares: BTreeMap<Identifier, BTreeMap<_, _>> = BTreeMap::new();
    for (from, made) in second {
        let (secret, packages) = made?;
        secrets.push((from, secret));
        for (to, package) in packages {
            shares.entry(to).or_default().insert(from, package);
        }
    }
    let third = spread(secrets, |(id, secret)| {
        let shares = shares.get(&id).ok_or(frost::Error::UnknownIdentifier)?;
        dkg::part3(&secret, &others(id), shares)
    });
    let done = third.into_iter().collect::<Result<Vec<_>, _>>()?;
    done.first().ok_or_eyre("a committee has members")?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}
