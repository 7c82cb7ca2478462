//! The vault's part in a key generation.

use trestle_keys::{
    Committee,
    dkg::secrets,
    share_box::{Route, open_share, seal_share},
    sign,
};
use trestle_wire::{
    Hash32, codec,
    committee::dkg::{DkgCertificate, DkgEcho, DkgSession, PublicKeys, Round1, SealedShare},
};
use zeroize::Zeroizing;

use super::{Unfinished, Vault};

/// What keeps a key generation from going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This member's package of the session cannot be used.
    Package(u16),
    /// This share cannot be opened, or does not fit its maker's package.
    Share(Box<SealedShare>),
    /// The secrets of the session are not here: this node was started again since.
    Forgotten,
}

impl Vault {
    /// Makes a polynomial and signs its public package.
    pub fn make_package(
        &mut self,
        committee: &Committee,
        index: u16,
        session: &DkgSession,
    ) -> Round1 {
        let (secret, package) = secrets::begin(committee, index, &mut self.rng);
        self.unfinished.insert(session.clone(), Unfinished::First(secret));
        sign::sign_round1(&self.keys.identity.committee, session, index, package)
    }

    /// Signs an echo.
    pub fn echo(&self, session: &DkgSession, index: u16, transcript: Hash32) -> DkgEcho {
        let echo = sign::sign_echo(&self.keys.identity.committee, session, index, transcript);
        DkgEcho { session: session.clone(), transcript, by: echo.by }
    }

    /// Makes, seals and signs a share for every other member.
    ///
    /// # Errors
    /// [`Trouble`]; the session's secrets are gone then.
    pub fn make_shares(
        &mut self,
        committee: &Committee,
        index: u16,
        session: &DkgSession,
        packages: &[Round1],
    ) -> Result<Vec<SealedShare>, Trouble> {
        let Some(Unfinished::First(secret)) = self.unfinished.remove(session) else {
            return Err(Trouble::Forgotten);
        };
        let (secret, shares) = secrets::make_shares(committee, index, secret, packages)
            .map_err(|culprit| Trouble::Package(culprit.0))?;
        self.unfinished.insert(session.clone(), Unfinished::Second(secret));
        let key = &self.keys.identity.committee;
        let rng = &mut self.rng;
        let seal = |(to, share): (u16, secrets::PlainShare)| {
            let route = Route { committee, session, from: index, to };
            seal_share(route, key, &share[..], rng)
                .expect("part 2 makes shares for listed members only")
        };
        Ok(shares.into_iter().map(seal).collect())
    }

    /// Opens and checks the shares made for this member and computes its key share, sealed for the
    /// store.
    ///
    /// # Errors
    /// [`Trouble`] names the share that cannot be used.
    pub fn finish(
        &mut self,
        committee: &Committee,
        index: u16,
        session: &DkgSession,
        shares: &[SealedShare],
    ) -> Result<(PublicKeys, Vec<u8>), Trouble> {
        let Some(Unfinished::Second(secret)) = self.unfinished.get(session) else {
            return Err(Trouble::Forgotten);
        };
        let mut opened = Vec::with_capacity(shares.len());
        for share in shares {
            let plain = open_share(committee, session, index, &self.keys.identity.committee, share)
                .ok()
                .and_then(|bytes| Some(Zeroizing::new(<[u8; 32]>::try_from(&bytes[..]).ok()?)))
                .ok_or_else(|| Trouble::Share(Box::new(share.clone())))?;
            opened.push((share.from, plain));
        }
        let (share, public) = secrets::finish(committee, secret, &opened).map_err(|culprit| {
            let named = shares.iter().find(|share| share.from == culprit.0);
            named.map_or(Trouble::Forgotten, |share| Trouble::Share(Box::new(share.clone())))
        })?;
        let bytes = Zeroizing::new(share.serialize().expect("a key share we computed encodes"));
        let sealed = self.keys.data.seal(&codec::encode(session), &bytes, &mut self.rng);
        Ok((public, sealed))
    }

    /// Certifies that the share is stored.
    pub fn certify(
        &self,
        session: &DkgSession,
        index: u16,
        public: &PublicKeys,
        transcript: Hash32,
    ) -> DkgCertificate {
        let by = sign::sign_certificate(
            &self.keys.identity.committee,
            session,
            index,
            public,
            &transcript,
        );
        DkgCertificate { session: session.clone(), public: public.clone(), transcript, by }
    }

    /// Forgets every secret of a session.
    pub fn forget(&mut self, session: &DkgSession) {
        self.unfinished.remove(session);
    }
}
