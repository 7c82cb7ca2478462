//! One value for every message kind and every variant of an enum that reaches the wire.
//!
//! Values are arbitrary but fixed; integers are spread over all four widths of the encoding. The
//! `*_name` functions match exhaustively: a new variant needs a name there and a sample here.

use trestle_wire::{
    Ack, BootId, Envelope, Hash32, Header, KeyRef, Message, MessageId, Network, Refusal, SessionId,
    announce::Presence,
    codec,
    committee::{
        MemberSignature,
        dkg::{
            AbortReason, DkgAbort, DkgBegin, DkgCertificate, DkgEcho, DkgEchoSet, DkgRound1,
            DkgRound1Set, DkgRound2, DkgRound2Set, DkgSession, Echo, PublicKeys, Round1,
            SealedShare, VerifyingShare,
        },
        key::{KeyFetch, KeyReady, MemberStatus},
        payment::{OutPoint, PaymentProposal, Recipient},
        sign::{
            Binding, Commitment, NonceOffer, NonceRequest, Purpose, RefusalCode, SignRefused,
            SignRequest, SignShares, Signer,
        },
    },
    hello::{Hello, Role, Section},
    staking::{AskedUnbonding, UnbondingAnswer, UnbondingAsk, UnbondingRefusal, UnbondingSigned},
};

/// Fixture name and message, for every kind and variant.
pub(crate) fn messages() -> Vec<(String, Message)> {
    let mut all: Vec<(String, Message)> = Vec::new();
    let mut add = |variant: &str, message: Message| {
        let dot = if variant.is_empty() { "" } else { "." };
        all.push((format!("{}{dot}{variant}", message.label()), message));
    };
    add("", hello().into());
    add("bootnode", bootnode_hello().into());
    add("", presence().into());
    add("", DkgBegin { session: dkg(), deadline_ms: 60_000 }.into());
    add("", DkgRound1 { session: dkg(), round1: round1(1) }.into());
    let packages = vec![round1(1), round1(2), round1(7)];
    add("", DkgRound1Set { session: dkg(), packages }.into());
    add("", DkgEcho { session: dkg(), transcript: Hash32([0xe0; 32]), by: by(2) }.into());
    let echoes = vec![echo(1), echo(2), echo(7)];
    add("", DkgEchoSet { session: dkg(), echoes }.into());
    add("", DkgRound2 { session: dkg(), shares: vec![sealed(1, 2), sealed(1, 7)] }.into());
    add("", DkgRound2Set { session: dkg(), shares: vec![sealed(2, 1), sealed(7, 1)] }.into());
    add("", certificate().into());
    for reason in abort_reasons() {
        let name = abort_name(&reason);
        add(name, DkgAbort { session: dkg(), reason }.into());
    }
    add("", key_ready().into());
    add("", KeyFetch { committee: "main".into(), have: vec![key()] }.into());
    add("", member_status().into());
    add("", NonceRequest { key: key(), count: 1_000 }.into());
    add("", nonce_offer().into());
    for purpose in purposes() {
        let name = purpose_name(&purpose);
        add(name, sign_request(purpose).into());
    }
    add("", sign_shares().into());
    for code in refusal_codes() {
        add(code.label(), sign_refused(code, None).into());
    }
    for (name, binding) in bindings() {
        add(name, sign_refused(RefusalCode::Policy, Some(binding)).into());
    }
    add("", unbonding_ask().into());
    add("", unbonding_signed(UnbondingAnswer::Signed([0x57; 64])).into());
    for why in UnbondingRefusal::ALL {
        add(why.label(), unbonding_signed(UnbondingAnswer::Refused(why)).into());
    }
    all
}

/// Fixture name and value, for every answer to a message.
pub(crate) fn acks() -> Vec<(String, Ack)> {
    let refused = refusals().into_iter().map(Ack::Refused);
    [Ack::Accepted, Ack::Duplicate, Ack::Busy]
        .into_iter()
        .chain(refused)
        .map(|ack| (ack_name(ack), ack))
        .collect()
}

/// Fixture name and bytes, of everything.
pub(crate) fn all() -> Vec<(String, Vec<u8>)> {
    let messages = messages().into_iter().map(|(name, m)| (name, seal(&m).to_bytes()));
    let acks = acks().into_iter().map(|(name, ack)| (name, codec::encode(&ack)));
    messages.chain(acks).collect()
}

/// The message in an envelope with a fixed header.
pub(crate) fn seal(message: &Message) -> Envelope {
    Envelope::seal(header(), message)
}

pub(crate) fn header() -> Header {
    Header {
        version: 1,
        network: Network::Regtest,
        id: MessageId([0xa1; 16]),
        boot: BootId([0xb2; 8]),
        counter: 300,
    }
}

pub(crate) fn key() -> KeyRef {
    KeyRef { committee: "main".into(), generation: 1, epoch: 0 }
}

pub(crate) fn dkg() -> DkgSession {
    DkgSession { parameters: Hash32([0x9a; 32]), key: key(), attempt: 70_000 }
}

pub(crate) fn hello() -> Hello {
    let section = |name: &str, fill| Section { name: name.into(), hash: Hash32([fill; 32]) };
    Hello {
        parameters: Some(Hash32([0x9a; 32])),
        sections: vec![section("network", 1), section("committee.main", 2)],
        roles: vec![Role::Bootnode, Role::Committee, Role::Coordinator],
        software: "trestle 0.1.0".into(),
    }
}

fn bootnode_hello() -> Hello {
    let roles = vec![Role::Bootnode];
    Hello { parameters: None, sections: Vec::new(), roles, software: String::new() }
}

pub(crate) fn presence() -> Presence {
    Presence {
        parameters: Some(Hash32([0x9a; 32])),
        roles: vec![Role::Committee],
        height: 840_000,
        keys: vec![key()],
    }
}

pub(crate) fn by(index: u16) -> MemberSignature {
    MemberSignature { index, signature: [0x51; 64] }
}

pub(crate) fn round1(index: u16) -> Round1 {
    Round1 { index, package: vec![0x11; 40], signature: [0x52; 64] }
}

pub(crate) fn echo(index: u16) -> Echo {
    Echo { transcript: Hash32([0xe0; 32]), by: by(index) }
}

pub(crate) fn sealed(from: u16, to: u16) -> SealedShare {
    SealedShare {
        from,
        to,
        ephemeral: [0x02; 33],
        ciphertext: vec![0xc1; 48],
        signature: [0x53; 64],
    }
}

pub(crate) fn public() -> PublicKeys {
    let share = |index| VerifyingShare { index, point: [0x03; 33] };
    PublicKeys { group: [0x02; 33], shares: vec![share(1), share(2), share(7)] }
}

pub(crate) fn certificate() -> DkgCertificate {
    DkgCertificate { session: dkg(), public: public(), transcript: Hash32([0xe0; 32]), by: by(7) }
}

pub(crate) fn key_ready() -> KeyReady {
    KeyReady {
        session: dkg(),
        public: public(),
        transcript: Hash32([0xe0; 32]),
        certificates: vec![by(1), by(2), by(7)],
        proof: [0x54; 64],
        birth: 840_000,
    }
}

pub(crate) fn member_status() -> MemberStatus {
    MemberStatus {
        committee: "main".into(),
        boot: BootId([0xb2; 8]),
        sequence: 5_000_000_000,
        height: 250,
        keys: vec![key()],
        by: by(2),
    }
}

pub(crate) fn commitment() -> Commitment {
    Commitment { hiding: [0x02; 64], binding: [0x03; 64] }
}

pub(crate) fn nonce_offer() -> NonceOffer {
    NonceOffer {
        key: key(),
        index: 2,
        boot: BootId([0xb2; 8]),
        first: 251,
        commitments: vec![commitment(); 2],
    }
}

pub(crate) fn sign_request(purpose: Purpose) -> SignRequest {
    let signer = |index| Signer {
        index,
        boot: BootId([0xb2; 8]),
        first: 65_536,
        commitments: vec![commitment()],
    };
    SignRequest {
        session: SessionId([0x5e; 16]),
        attempt: 1,
        key: key(),
        purpose,
        messages: vec![0],
        signers: vec![signer(1), signer(7)],
    }
}

pub(crate) fn payment() -> PaymentProposal {
    PaymentProposal {
        payment: Hash32([0xba; 32]),
        anchor: OutPoint { txid: [0xdd; 32], vout: 1 },
        recipients: vec![Recipient { script: vec![0x51; 34], sats: 100_000_000 }],
        transaction: vec![0x02; 100],
    }
}

pub(crate) fn sign_shares() -> SignShares {
    SignShares {
        session: SessionId([0x5e; 16]),
        attempt: 1,
        key: key(),
        index: 7,
        shares: vec![[0x33; 32]; 2],
    }
}

pub(crate) fn bindings() -> [(&'static str, Binding); 2] {
    let coin = OutPoint { txid: [0xdd; 32], vout: 1 };
    let other = Binding::Coin { coin, payment: Hash32([0xcc; 32]) };
    [("policy.anchor", Binding::Anchor(coin)), ("policy.coin", other)]
}

pub(crate) fn sign_refused(code: RefusalCode, binding: Option<Binding>) -> SignRefused {
    SignRefused {
        session: SessionId([0x5e; 16]),
        attempt: 1,
        key: key(),
        index: 7,
        code,
        detail: "why, for people".into(),
        binding,
    }
}

pub(crate) fn asked_unbonding() -> AskedUnbonding {
    AskedUnbonding {
        staking: [0xdd; 32],
        transaction: vec![0x02; 94],
        staker: [0x56; 64],
        key: [0x03; 33],
    }
}

pub(crate) fn unbonding_ask() -> UnbondingAsk {
    UnbondingAsk { id: SessionId([0x5e; 16]), unbondings: vec![asked_unbonding(); 2] }
}

pub(crate) fn unbonding_signed(answer: UnbondingAnswer) -> UnbondingSigned {
    UnbondingSigned { id: SessionId([0x5e; 16]), answers: vec![answer] }
}

pub(crate) fn abort_reasons() -> Vec<AbortReason> {
    vec![
        AbortReason::Missing(vec![3, 4]),
        AbortReason::Restarted(2),
        AbortReason::Equivocation { first: round1(2), second: round1(2) },
        AbortReason::BadRound1(round1(2)),
        AbortReason::EchoMismatch(vec![1]),
        AbortReason::BadShare { accuser: 2, share: sealed(1, 2) },
        AbortReason::CertificateMismatch(vec![7]),
        AbortReason::Cancelled,
    ]
}

pub(crate) fn purposes() -> Vec<Purpose> {
    vec![Purpose::KeyProof, Purpose::Payment(payment()), Purpose::Text(b"hello".to_vec())]
}

pub(crate) fn refusal_codes() -> Vec<RefusalCode> {
    vec![
        RefusalCode::Stale,
        RefusalCode::Nonces,
        RefusalCode::Policy,
        RefusalCode::Chain,
        RefusalCode::Malformed,
        RefusalCode::Rollback,
        RefusalCode::Busy,
        RefusalCode::Store,
    ]
}

pub(crate) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::Malformed,
        Refusal::Unknown,
        Refusal::Network,
        Refusal::Parameters,
        Refusal::NotAllowed,
        Refusal::NoSuchRole,
        Refusal::Replay,
        Refusal::Limit,
    ]
}

fn abort_name(reason: &AbortReason) -> &'static str {
    match reason {
        AbortReason::Missing(_) => "missing",
        AbortReason::Restarted(_) => "restarted",
        AbortReason::Equivocation { .. } => "equivocation",
        AbortReason::BadRound1(_) => "bad_round1",
        AbortReason::EchoMismatch(_) => "echo_mismatch",
        AbortReason::BadShare { .. } => "bad_share",
        AbortReason::CertificateMismatch(_) => "certificate_mismatch",
        AbortReason::Cancelled => "cancelled",
    }
}

fn purpose_name(purpose: &Purpose) -> &'static str {
    match purpose {
        Purpose::KeyProof => "key_proof",
        Purpose::Payment(_) => "payment",
        Purpose::Text(_) => "text",
    }
}

fn ack_name(ack: Ack) -> String {
    match ack {
        Ack::Accepted => "ack.accepted".into(),
        Ack::Duplicate => "ack.duplicate".into(),
        Ack::Busy => "ack.busy".into(),
        Ack::Refused(why) => format!("ack.refused.{}", why.label()),
    }
}
