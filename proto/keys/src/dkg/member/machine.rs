//! A member's transitions.

use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::committee::dkg::{
    AbortReason, DkgAbort, DkgEchoSet, DkgRound1, DkgRound1Set, DkgRound2, DkgRound2Set,
    PublicKeys, Round1, SealedShare,
};

use super::{MemberDkg, MemberEffect, MemberEvent, MemberReject, Phase};
use crate::{
    dkg::everyone::is_everyone,
    sign::{self, statement},
};

type Outcome = Result<Step<MemberDkg, MemberEffect>, Refusal<MemberReject>>;

impl Machine for MemberDkg {
    type Event = MemberEvent;
    type Effect = MemberEffect;
    type Reject = MemberReject;

    fn apply(&self, event: &MemberEvent) -> Outcome {
        if let Phase::Ended(_) = self.phase {
            return Ok(Step::Duplicate);
        }
        match event {
            MemberEvent::PackageMade(own) => self.package_made(own),
            MemberEvent::PackagesReceived(set) => self.packages_received(set),
            MemberEvent::EchoesReceived(set) => self.echoes_received(set),
            MemberEvent::SharesMade(shares) => self.shares_made(shares),
            MemberEvent::PackageUnusable { package, .. } => {
                Ok(self.end(AbortReason::BadRound1(package.clone())))
            }
            MemberEvent::SharesReceived(set) => self.shares_received(set),
            MemberEvent::ShareUnusable(share) => {
                Ok(self.end(AbortReason::BadShare { accuser: self.index, share: share.clone() }))
            }
            MemberEvent::KeyStored(public) => self.key_stored(public),
            MemberEvent::Aborted(reason) => Ok(self.aborted(reason)),
            MemberEvent::DeadlinePassed => Ok(self.deadline_passed()),
        }
    }
}

impl MemberDkg {
    fn package_made(&self, own: &Round1) -> Outcome {
        match &self.phase {
            Phase::MakingPackage => Ok(Step::Applied {
                state: self.with(Phase::AwaitingPackages { own: own.clone() }),
                effects: vec![MemberEffect::Send(
                    DkgRound1 { session: self.session.clone(), round1: own.clone() }.into(),
                )],
            }),
            Phase::AwaitingPackages { .. }
            | Phase::AwaitingEchoes { .. }
            | Phase::AwaitingShares { .. }
            | Phase::Finishing { .. }
            | Phase::Certified { .. }
            | Phase::Ended(_) => Err(Refusal::Invariant("the vault made a second package")),
        }
    }

    fn packages_received(&self, set: &DkgRound1Set) -> Outcome {
        let own = match &self.phase {
            Phase::AwaitingPackages { own } => own,
            Phase::AwaitingEchoes { packages, .. } if *packages == set.packages => {
                return Ok(Step::Duplicate);
            }
            Phase::MakingPackage
            | Phase::AwaitingEchoes { .. }
            | Phase::AwaitingShares { .. }
            | Phase::Finishing { .. }
            | Phase::Certified { .. }
            | Phase::Ended(_) => return self.out_of_turn("the packages"),
        };
        if !is_everyone(&self.committee, set.packages.iter().map(|package| package.index)) {
            return Err(MemberReject::NotEveryone("the packages").into());
        }
        for package in &set.packages {
            sign::verify_round1(&self.committee, &self.session, package)
                .map_err(|_| MemberReject::BadSignature(package.index))?;
        }
        if !set.packages.contains(own) {
            return Err(MemberReject::OwnChanged.into());
        }
        let transcript = statement::transcript(&self.session, &set.packages);
        Ok(Step::Applied {
            state: self.with(Phase::AwaitingEchoes { packages: set.packages.clone(), transcript }),
            effects: vec![MemberEffect::SendEcho(transcript)],
        })
    }

    fn echoes_received(&self, set: &DkgEchoSet) -> Outcome {
        let (packages, transcript) = match &self.phase {
            Phase::AwaitingEchoes { packages, transcript } => (packages, *transcript),
            Phase::AwaitingShares { .. } | Phase::Finishing { .. } | Phase::Certified { .. } => {
                return Ok(Step::Duplicate);
            }
            Phase::MakingPackage | Phase::AwaitingPackages { .. } | Phase::Ended(_) => {
                return self.out_of_turn("the echoes");
            }
        };
        if !is_everyone(&self.committee, set.echoes.iter().map(|echo| echo.by.index)) {
            return Err(MemberReject::NotEveryone("the echoes").into());
        }
        for echo in &set.echoes {
            sign::verify_echo(&self.committee, &self.session, echo)
                .map_err(|_| MemberReject::BadSignature(echo.by.index))?;
        }
        let others = set.echoes.iter().filter(|echo| echo.transcript != transcript);
        let others: Vec<u16> = others.map(|echo| echo.by.index).collect();
        if !others.is_empty() {
            return Ok(self.end(AbortReason::EchoMismatch(others)));
        }
        Ok(Step::Applied {
            state: self.with(Phase::AwaitingShares { transcript }),
            effects: vec![MemberEffect::MakeShares(packages.clone())],
        })
    }

    fn shares_made(&self, shares: &[SealedShare]) -> Outcome {
        match &self.phase {
            Phase::AwaitingShares { .. } => Ok(Step::Applied {
                state: self.clone(),
                effects: vec![MemberEffect::Send(
                    DkgRound2 { session: self.session.clone(), shares: shares.to_vec() }.into(),
                )],
            }),
            Phase::MakingPackage
            | Phase::AwaitingPackages { .. }
            | Phase::AwaitingEchoes { .. }
            | Phase::Finishing { .. }
            | Phase::Certified { .. }
            | Phase::Ended(_) => Err(Refusal::Invariant("the vault made shares unasked")),
        }
    }

    fn shares_received(&self, set: &DkgRound2Set) -> Outcome {
        let transcript = match &self.phase {
            Phase::AwaitingShares { transcript } => *transcript,
            Phase::Finishing { .. } | Phase::Certified { .. } => return Ok(Step::Duplicate),
            Phase::MakingPackage
            | Phase::AwaitingPackages { .. }
            | Phase::AwaitingEchoes { .. }
            | Phase::Ended(_) => return self.out_of_turn("the shares"),
        };
        let others = self.committee.members.iter().map(|member| member.index);
        let from_each_other = set
            .shares
            .iter()
            .map(|share| share.from)
            .eq(others.filter(|index| *index != self.index));
        if !from_each_other || set.shares.iter().any(|share| share.to != self.index) {
            return Err(MemberReject::NotEveryone("the shares").into());
        }
        for share in &set.shares {
            sign::verify_sealed_share(&self.committee, &self.session, share)
                .map_err(|_| MemberReject::BadSignature(share.from))?;
        }
        Ok(Step::Applied {
            state: self.with(Phase::Finishing { transcript }),
            effects: vec![MemberEffect::Finish(set.shares.clone(), transcript)],
        })
    }

    fn key_stored(&self, public: &PublicKeys) -> Outcome {
        match &self.phase {
            Phase::Finishing { transcript } => Ok(Step::Applied {
                state: self
                    .with(Phase::Certified { public: public.clone(), transcript: *transcript }),
                effects: vec![MemberEffect::SendCertificate, MemberEffect::Forget],
            }),
            Phase::MakingPackage
            | Phase::AwaitingPackages { .. }
            | Phase::AwaitingEchoes { .. }
            | Phase::AwaitingShares { .. }
            | Phase::Certified { .. }
            | Phase::Ended(_) => Err(Refusal::Invariant("a key was stored unasked")),
        }
    }

    /// A certified key may still become usable, so its attempt does not end here; it only ends
    /// with the proof, or with another attempt.
    fn aborted(&self, reason: &AbortReason) -> Step<Self, MemberEffect> {
        match &self.phase {
            Phase::Certified { .. } | Phase::Ended(_) => Step::Duplicate,
            Phase::MakingPackage
            | Phase::AwaitingPackages { .. }
            | Phase::AwaitingEchoes { .. }
            | Phase::AwaitingShares { .. }
            | Phase::Finishing { .. } => Step::Applied {
                state: self.with(Phase::Ended(reason.clone())),
                effects: vec![MemberEffect::Forget],
            },
        }
    }

    fn deadline_passed(&self) -> Step<Self, MemberEffect> {
        self.aborted(&AbortReason::Missing(Vec::new()))
    }

    fn end(&self, reason: AbortReason) -> Step<Self, MemberEffect> {
        let abort = DkgAbort { session: self.session.clone(), reason: reason.clone() };
        Step::Applied {
            state: self.with(Phase::Ended(reason)),
            effects: vec![MemberEffect::Send(abort.into()), MemberEffect::Forget],
        }
    }

    fn out_of_turn(&self, event: &'static str) -> Outcome {
        let phase = match &self.phase {
            Phase::MakingPackage => "making its package",
            Phase::AwaitingPackages { .. } => "awaiting packages",
            Phase::AwaitingEchoes { .. } => "awaiting echoes",
            Phase::AwaitingShares { .. } => "awaiting shares",
            Phase::Finishing { .. } => "finishing",
            Phase::Certified { .. } => "certified",
            Phase::Ended(_) => "ended",
        };
        Err(MemberReject::OutOfTurn { event, phase }.into())
    }
}
