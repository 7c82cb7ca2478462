//! The coordinator's transitions.

use std::collections::BTreeMap;

use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::{
    Hash32,
    committee::{
        Signature,
        dkg::{
            AbortReason, DkgAbort, DkgCertificate, DkgEcho, DkgEchoSet, DkgRound1Set, DkgRound2Set,
            Echo, Round1, SealedShare,
        },
    },
};

use super::{
    Agreed, CoordinatorDkg, CoordinatorEffect, CoordinatorEvent, CoordinatorReject, Phase,
};
use crate::{
    dkg::{report, secrets},
    sign::{self, statement},
};

type Outcome = Result<Step<CoordinatorDkg, CoordinatorEffect>, Refusal<CoordinatorReject>>;

impl Machine for CoordinatorDkg {
    type Event = CoordinatorEvent;
    type Effect = CoordinatorEffect;
    type Reject = CoordinatorReject;

    fn apply(&self, event: &CoordinatorEvent) -> Outcome {
        if matches!(self.phase, Phase::Ready(_) | Phase::Failed(_)) {
            return Ok(Step::Duplicate);
        }
        match event {
            CoordinatorEvent::PackageReceived { from, package } => self.package(*from, package),
            CoordinatorEvent::EchoReceived { from, echo } => self.echo(*from, echo),
            CoordinatorEvent::SharesReceived { from, shares } => self.shares(*from, shares),
            CoordinatorEvent::CertificateReceived { from, certificate } => {
                self.certificate(*from, certificate)
            }
            CoordinatorEvent::AbortReceived { from, reason } => self.abort(*from, reason),
            CoordinatorEvent::ProofSigned(proof) => self.proof_signed(*proof),
            CoordinatorEvent::ProofFailed => Ok(self.fail(AbortReason::Missing(Vec::new()))),
            CoordinatorEvent::DeadlinePassed => Ok(self.fail(AbortReason::Missing(self.missing()))),
            CoordinatorEvent::Cancelled => Ok(self.fail(AbortReason::Cancelled)),
        }
    }
}

impl CoordinatorDkg {
    fn package(&self, from: u16, package: &Round1) -> Outcome {
        same_member(from, package.index)?;
        sign::verify_round1(&self.committee, &self.session, package)
            .map_err(|_| CoordinatorReject::BadSignature(from))?;
        if let Some(first) = self.known_package(from)
            && first.package != package.package
        {
            let (first, second) = (first.clone(), package.clone());
            return Ok(self.fail(AbortReason::Equivocation { first, second }));
        }
        let Phase::Packages(packages) = &self.phase else { return Ok(Step::Duplicate) };
        if packages.contains_key(&from) {
            return Ok(Step::Duplicate);
        }
        if !secrets::round1_is_valid(&self.committee, package) {
            return Ok(self.fail(AbortReason::BadRound1(package.clone())));
        }
        let mut packages = packages.clone();
        packages.insert(from, package.clone());
        if packages.len() < self.committee.members.len() {
            return Ok(Step::to(self.with(Phase::Packages(packages))));
        }
        let packages: Vec<Round1> = packages.into_values().collect();
        let set = DkgRound1Set { session: self.session.clone(), packages: packages.clone() };
        Ok(Step::Applied {
            state: self.with(Phase::Echoes { packages, echoes: BTreeMap::new() }),
            effects: vec![CoordinatorEffect::SendAll(set.into())],
        })
    }

    fn echo(&self, from: u16, echo: &DkgEcho) -> Outcome {
        same_member(from, echo.by.index)?;
        let (packages, echoes) = match &self.phase {
            Phase::Echoes { packages, echoes } => (packages, echoes),
            Phase::Packages(_) => return Err(CoordinatorReject::OutOfTurn("an echo").into()),
            Phase::Shares { .. }
            | Phase::Certificates { .. }
            | Phase::Proving(_)
            | Phase::Ready(_)
            | Phase::Failed(_) => return Ok(Step::Duplicate),
        };
        if echoes.contains_key(&from) {
            return Ok(Step::Duplicate);
        }
        let seen = Echo { transcript: echo.transcript, by: echo.by.clone() };
        sign::verify_echo(&self.committee, &self.session, &seen)
            .map_err(|_| CoordinatorReject::BadSignature(from))?;
        let transcript = statement::transcript(&self.session, packages);
        if echo.transcript != transcript {
            return Ok(self.fail(AbortReason::EchoMismatch(vec![from])));
        }
        let mut echoes = echoes.clone();
        echoes.insert(from, seen);
        if echoes.len() < self.committee.members.len() {
            let packages = packages.clone();
            return Ok(Step::to(self.with(Phase::Echoes { packages, echoes })));
        }
        let echoes = echoes.into_values().collect();
        let set = DkgEchoSet { session: self.session.clone(), echoes };
        Ok(Step::Applied {
            state: self.with(Phase::Shares { transcript, shares: BTreeMap::new() }),
            effects: vec![CoordinatorEffect::SendAll(set.into())],
        })
    }

    fn shares(&self, from: u16, made: &[SealedShare]) -> Outcome {
        let (transcript, shares) = match &self.phase {
            Phase::Shares { transcript, shares } => (*transcript, shares),
            Phase::Packages(_) | Phase::Echoes { .. } => {
                return Err(CoordinatorReject::OutOfTurn("shares").into());
            }
            Phase::Certificates { .. } | Phase::Proving(_) | Phase::Ready(_) | Phase::Failed(_) => {
                return Ok(Step::Duplicate);
            }
        };
        if shares.contains_key(&from) {
            return Ok(Step::Duplicate);
        }
        let others = self.committee.members.iter().map(|m| m.index).filter(|to| *to != from);
        if !made.iter().map(|share| share.to).eq(others) {
            return Err(CoordinatorReject::NotEveryone(from).into());
        }
        for share in made {
            same_member(from, share.from)?;
            sign::verify_sealed_share(&self.committee, &self.session, share)
                .map_err(|_| CoordinatorReject::BadSignature(from))?;
        }
        let mut shares = shares.clone();
        shares.insert(from, made.to_vec());
        if shares.len() < self.committee.members.len() {
            return Ok(Step::to(self.with(Phase::Shares { transcript, shares })));
        }
        Ok(Step::Applied {
            effects: self.hand_on_shares(&shares),
            state: self.with(Phase::Certificates { transcript, certificates: BTreeMap::new() }),
        })
    }

    fn hand_on_shares(&self, made: &BTreeMap<u16, Vec<SealedShare>>) -> Vec<CoordinatorEffect> {
        let for_member = |to: u16| {
            let shares = made.values().flatten().filter(|share| share.to == to).cloned().collect();
            DkgRound2Set { session: self.session.clone(), shares }
        };
        let members = self.committee.members.iter().map(|member| member.index);
        members.map(|to| CoordinatorEffect::Send(to, for_member(to).into())).collect()
    }

    fn certificate(&self, from: u16, certificate: &DkgCertificate) -> Outcome {
        same_member(from, certificate.by.index)?;
        let (transcript, certificates) = match &self.phase {
            Phase::Certificates { transcript, certificates } => (*transcript, certificates),
            Phase::Packages(_) | Phase::Echoes { .. } | Phase::Shares { .. } => {
                return Err(CoordinatorReject::OutOfTurn("a certificate").into());
            }
            Phase::Proving(_) | Phase::Ready(_) | Phase::Failed(_) => return Ok(Step::Duplicate),
        };
        if certificates.contains_key(&from) {
            return Ok(Step::Duplicate);
        }
        sign::verify_certificate_message(&self.committee, certificate)
            .map_err(|_| CoordinatorReject::BadSignature(from))?;
        let agrees = certificate.transcript == transcript
            && certificates.values().all(|other| other.public == certificate.public);
        if !agrees {
            return Ok(self.fail(AbortReason::CertificateMismatch(vec![from])));
        }
        let mut certificates = certificates.clone();
        certificates.insert(from, certificate.clone());
        if certificates.len() < self.committee.members.len() {
            return Ok(Step::to(self.with(Phase::Certificates { transcript, certificates })));
        }
        let agreed = agreed(transcript, certificates);
        Ok(Step::Applied {
            state: self.with(Phase::Proving(agreed.clone())),
            effects: vec![CoordinatorEffect::Prove(agreed)],
        })
    }

    /// A member may end an attempt for reasons of its own, but it may only accuse with evidence
    /// that holds, or name itself.
    fn abort(&self, from: u16, reason: &AbortReason) -> Outcome {
        let founded = match reason {
            AbortReason::Equivocation { .. } | AbortReason::BadRound1(_) => {
                !report::proven_guilty(&self.committee, &self.session, reason).is_empty()
            }
            AbortReason::BadShare { accuser, share } => {
                *accuser == from
                    && share.to == from
                    && sign::verify_sealed_share(&self.committee, &self.session, share).is_ok()
            }
            AbortReason::Restarted(who) => *who == from,
            AbortReason::Missing(_)
            | AbortReason::EchoMismatch(_)
            | AbortReason::CertificateMismatch(_)
            | AbortReason::Cancelled => true,
        };
        if !founded {
            return Err(CoordinatorReject::Unfounded(from).into());
        }
        if matches!(self.phase, Phase::Proving(_)) {
            // Everyone has certified: a late complaint can no longer concern the key.
            return Ok(Step::Duplicate);
        }
        Ok(self.fail(reason.clone()))
    }

    fn proof_signed(&self, proof: Signature) -> Outcome {
        match &self.phase {
            Phase::Proving(agreed) => {
                let ready = Box::new(agreed.ready(&self.session, proof));
                Ok(Step::Applied {
                    state: self.with(Phase::Ready(ready.clone())),
                    effects: vec![CoordinatorEffect::Publish(ready)],
                })
            }
            Phase::Packages(_)
            | Phase::Echoes { .. }
            | Phase::Shares { .. }
            | Phase::Certificates { .. }
            | Phase::Ready(_)
            | Phase::Failed(_) => Err(Refusal::Invariant("a proof was signed unasked")),
        }
    }

    fn fail(&self, reason: AbortReason) -> Step<Self, CoordinatorEffect> {
        let abort = DkgAbort { session: self.session.clone(), reason: reason.clone() };
        Step::Applied {
            state: self.with(Phase::Failed(reason.clone())),
            effects: vec![
                CoordinatorEffect::SendAll(abort.into()),
                CoordinatorEffect::Report(reason),
            ],
        }
    }

    /// The members whose answer the present phase still lacks.
    fn missing(&self) -> Vec<u16> {
        let has = |index: &u16| match &self.phase {
            Phase::Packages(packages) => packages.contains_key(index),
            Phase::Echoes { echoes, .. } => echoes.contains_key(index),
            Phase::Shares { shares, .. } => shares.contains_key(index),
            Phase::Certificates { certificates, .. } => certificates.contains_key(index),
            Phase::Proving(_) | Phase::Ready(_) | Phase::Failed(_) => true,
        };
        self.committee.members.iter().map(|m| m.index).filter(|index| !has(index)).collect()
    }

    fn known_package(&self, index: u16) -> Option<&Round1> {
        match &self.phase {
            Phase::Packages(packages) => packages.get(&index),
            Phase::Echoes { packages, .. } => packages.iter().find(|p| p.index == index),
            Phase::Shares { .. }
            | Phase::Certificates { .. }
            | Phase::Proving(_)
            | Phase::Ready(_)
            | Phase::Failed(_) => None,
        }
    }
}

fn agreed(transcript: Hash32, certificates: BTreeMap<u16, DkgCertificate>) -> Agreed {
    let public = certificates.values().next().map(|certificate| certificate.public.clone());
    Agreed {
        public: public.expect("a committee has at least two members"),
        transcript,
        certificates: certificates.into_values().map(|certificate| certificate.by).collect(),
    }
}

fn same_member(from: u16, claimed: u16) -> Result<(), CoordinatorReject> {
    if from == claimed { Ok(()) } else { Err(CoordinatorReject::WrongIndex { from, claimed }) }
}
