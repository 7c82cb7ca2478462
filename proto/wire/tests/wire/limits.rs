//! Limits on envelopes, bodies and lists, and that what is within them passes.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::{
    BootId, DecodeError, Envelope, KeyRef, Message,
    codec::{self, MAX_ENVELOPE},
    committee::{
        MAX_BATCH, MAX_MEMBERS,
        dkg::{
            AbortReason, DkgAbort, DkgEchoSet, DkgRound1Set, DkgRound2, DkgRound2Set, MAX_ROUND1,
        },
        key::KeyFetch,
        payment::{MAX_RECIPIENTS, MAX_TRANSACTION, Recipient},
        sign::{MAX_TEXT, NonceRequest, Purpose, RefusalCode, SignRequest, Signer, most_messages},
    },
    hello::{Role, Section},
    staking::{MAX_UNBONDING, MAX_UNBONDINGS, UnbondingAnswer, UnbondingRefusal, UnbondingSigned},
};

use crate::samples;

#[test]
fn envelope_over_the_limit__should_be_refused_by_its_length() {
    let bytes = vec![1; MAX_ENVELOPE + 1];
    let error = DecodeError::TooLarge { got: MAX_ENVELOPE + 1 };

    assert_eq!(Envelope::from_bytes(&bytes), Err(error.clone()));
    assert_eq!(codec::decode::<Vec<u8>>(&bytes), Err(error));
}

#[test]
fn body_over_its_kinds_limit__should_be_refused_by_its_length() {
    for (application, kind, most) in
        [(0, 1, 16_384), (1, 3, 1_048_576), (1, 15, MAX_ENVELOPE), (3, 1, 1_048_576)]
    {
        let got = most + 1;
        let decoded = Message::decode_body(application, kind, &vec![0; got]);

        assert_eq!(decoded, Err(DecodeError::TooMany { field: "body", got, most }));
    }
}

#[test]
fn list_over_its_limit__should_be_refused_by_name() {
    for (message, field, most) in too_long() {
        let (application, kind) = message.kind();

        let decoded = Message::decode_body(application, kind, &message.encode_body());

        let expected = DecodeError::TooMany { field, got: most + 1, most };
        assert_eq!(decoded, Err(expected), "{}", message.label());
    }
}

#[test]
fn largest_message_of_each_kind__should_pass() {
    for message in largest() {
        let envelope = samples::seal(&message);
        let bytes = envelope.to_bytes();
        assert!(bytes.len() <= MAX_ENVELOPE, "{}: {} bytes", message.label(), bytes.len());

        let decoded = Envelope::from_bytes(&bytes).map(|envelope| envelope.open());

        assert_eq!(decoded, Ok(Ok(message.clone())), "{}", message.label());
    }
}

#[test]
fn message_of_empty_lists__should_pass() {
    // given: the elements that are largest in memory beside their bytes on the wire
    let committee = String::new();
    let have = vec![KeyRef { committee: String::new(), generation: 0, epoch: 0 }; 64];
    let mut proposal = samples::payment();
    proposal.recipients = vec![Recipient { script: Vec::new(), sats: 0 }; MAX_RECIPIENTS];
    proposal.transaction = Vec::new();
    let mut request = samples::sign_request(Purpose::Payment(proposal));
    request.signers.clear();

    for message in [Message::from(KeyFetch { committee, have }), request.into()] {
        let (application, kind) = message.kind();
        let decoded = Message::decode_body(application, kind, &message.encode_body());
        assert_eq!(decoded, Ok(message));
    }
}

/// Messages with one entry too many, the field's name and its limit.
fn too_long() -> Vec<(Message, &'static str, usize)> {
    let mut all = Vec::new();
    let mut add = |message: Message, field, most| all.push((message, field, most));

    let mut hello = samples::hello();
    hello.sections = vec![hello.sections[0].clone(); 65];
    add(hello.into(), "sections", 64);
    let mut hello = samples::hello();
    hello.sections[1].name = "x".repeat(65);
    add(hello.into(), "section name", 64);
    let mut hello = samples::hello();
    hello.roles = vec![Role::Committee; 9];
    add(hello.into(), "roles", 8);
    let mut hello = samples::hello();
    hello.software = "x".repeat(65);
    add(hello.into(), "software", 64);

    let mut presence = samples::presence();
    presence.keys = vec![samples::key(); 65];
    add(presence.into(), "keys", 64);
    let mut presence = samples::presence();
    presence.keys[0].committee = "x".repeat(33);
    add(presence.into(), "committee name", 32);

    let packages = vec![samples::round1(1); MAX_MEMBERS + 1];
    add(DkgRound1Set { session: samples::dkg(), packages }.into(), "packages", MAX_MEMBERS);
    let mut round1 = samples::round1(1);
    round1.package = vec![0; MAX_ROUND1 + 1];
    let reason = AbortReason::BadRound1(round1.clone());
    add(DkgAbort { session: samples::dkg(), reason }.into(), "round-1 package", MAX_ROUND1);
    let reason = AbortReason::Equivocation { first: samples::round1(1), second: round1 };
    add(DkgAbort { session: samples::dkg(), reason }.into(), "round-1 package", MAX_ROUND1);
    let reason = AbortReason::Missing(vec![1; MAX_MEMBERS + 1]);
    add(DkgAbort { session: samples::dkg(), reason }.into(), "members", MAX_MEMBERS);
    let echoes = vec![samples::echo(1); MAX_MEMBERS + 1];
    add(DkgEchoSet { session: samples::dkg(), echoes }.into(), "echoes", MAX_MEMBERS);
    let shares = vec![samples::sealed(1, 2); MAX_MEMBERS + 1];
    add(DkgRound2 { session: samples::dkg(), shares }.into(), "shares", MAX_MEMBERS);
    let mut share = samples::sealed(1, 2);
    share.ciphertext = vec![0; 257];
    let shares = vec![share];
    add(DkgRound2Set { session: samples::dkg(), shares }.into(), "ciphertext", 256);
    let mut certificate = samples::certificate();
    certificate.public.shares = vec![certificate.public.shares[0].clone(); MAX_MEMBERS + 1];
    add(certificate.into(), "verifying shares", MAX_MEMBERS);

    let mut ready = samples::key_ready();
    ready.certificates = vec![samples::by(1); MAX_MEMBERS + 1];
    add(ready.into(), "certificates", MAX_MEMBERS);
    let mut status = samples::member_status();
    status.keys = vec![samples::key(); 65];
    add(status.into(), "keys", 64);

    add(NonceRequest { key: samples::key(), count: 1_001 }.into(), "count", MAX_BATCH);
    let mut offer = samples::nonce_offer();
    offer.commitments = vec![samples::commitment(); MAX_BATCH + 1];
    add(offer.into(), "commitments", MAX_BATCH);
    let mut request = samples::sign_request(Purpose::KeyProof);
    request.messages = vec![0; MAX_BATCH + 1];
    add(request.into(), "messages", MAX_BATCH);
    let mut request = samples::sign_request(Purpose::KeyProof);
    request.signers = vec![request.signers[0].clone(); MAX_MEMBERS + 1];
    add(request.into(), "signers", MAX_MEMBERS);
    let mut request = samples::sign_request(Purpose::KeyProof);
    request.signers[1].commitments = vec![samples::commitment(); MAX_BATCH + 1];
    add(request.into(), "commitments", MAX_BATCH);
    add(samples::sign_request(Purpose::Text(vec![0; MAX_TEXT + 1])).into(), "text", MAX_TEXT);
    let mut proposal = samples::payment();
    proposal.transaction = vec![0; MAX_TRANSACTION + 1];
    add(samples::sign_request(Purpose::Payment(proposal)).into(), "transaction", MAX_TRANSACTION);
    let mut proposal = samples::payment();
    proposal.recipients = vec![proposal.recipients[0].clone(); MAX_RECIPIENTS + 1];
    add(samples::sign_request(Purpose::Payment(proposal)).into(), "recipients", MAX_RECIPIENTS);
    let mut proposal = samples::payment();
    proposal.recipients[0].script = vec![0; 10_001];
    add(samples::sign_request(Purpose::Payment(proposal)).into(), "script", 10_000);
    let mut shares = samples::sign_shares();
    shares.shares = vec![[0; 32]; MAX_BATCH + 1];
    add(shares.into(), "shares", MAX_BATCH);
    let mut refused = samples::sign_refused(RefusalCode::Policy, None);
    refused.detail = "x".repeat(401);
    add(refused.into(), "detail", 400);

    let mut ask = samples::unbonding_ask();
    ask.unbondings = vec![samples::asked_unbonding(); MAX_UNBONDINGS + 1];
    add(ask.into(), "unbondings", MAX_UNBONDINGS);
    let mut ask = samples::unbonding_ask();
    ask.unbondings[1].transaction = vec![0; MAX_UNBONDING + 1];
    add(ask.into(), "unbonding", MAX_UNBONDING);
    add(unbonding_answers(MAX_UNBONDINGS + 1).into(), "answers", MAX_UNBONDINGS);
    all
}

/// Messages whose lists are as long as their limits allow, the sizes that fix each kind's limit.
fn largest() -> Vec<Message> {
    let key = KeyRef { committee: "x".repeat(32), generation: u32::MAX, epoch: u32::MAX };
    let mut session = samples::dkg();
    session.key = key.clone();
    session.attempt = u32::MAX;
    let mut hello = samples::hello();
    let section = Section { name: "x".repeat(64), hash: hello.sections[0].hash };
    hello.sections = vec![section; 64];
    hello.roles = vec![Role::Coordinator; 8];
    hello.software = "x".repeat(64);
    let mut presence = samples::presence();
    presence.keys = vec![key.clone(); 64];
    let mut round1 = samples::round1(u16::MAX);
    round1.package = vec![1; MAX_ROUND1];
    let mut share = samples::sealed(u16::MAX, u16::MAX);
    share.ciphertext = vec![1; 256];
    let shares = vec![share; MAX_MEMBERS];
    let mut ready = samples::key_ready();
    ready.session = session.clone();
    ready.public.shares = vec![ready.public.shares[0].clone(); MAX_MEMBERS];
    ready.certificates = vec![samples::by(u16::MAX); MAX_MEMBERS];
    ready.birth = u32::MAX;
    let mut certificate = samples::certificate();
    certificate.public = ready.public.clone();
    let mut offer = samples::nonce_offer();
    offer.commitments = vec![samples::commitment(); MAX_BATCH];
    let mut sign_shares = samples::sign_shares();
    sign_shares.shares = vec![[1; 32]; MAX_BATCH];
    let mut ask = samples::unbonding_ask();
    ask.unbondings = vec![samples::asked_unbonding(); MAX_UNBONDINGS];
    for unbonding in &mut ask.unbondings {
        unbonding.transaction = vec![1; MAX_UNBONDING];
    }
    let mut signed = samples::unbonding_signed(UnbondingAnswer::Signed([1; 64]));
    signed.answers = vec![signed.answers[0].clone(); MAX_UNBONDINGS];
    let mut refused = samples::sign_refused(RefusalCode::Policy, None);
    refused.detail = "x".repeat(400);
    let mut status = samples::member_status();
    status.keys = vec![key.clone(); 64];
    let equivocation = AbortReason::Equivocation { first: round1.clone(), second: round1.clone() };
    vec![
        hello.into(),
        presence.into(),
        DkgRound1Set { session: session.clone(), packages: vec![round1; MAX_MEMBERS] }.into(),
        DkgEchoSet { session: session.clone(), echoes: vec![samples::echo(u16::MAX); MAX_MEMBERS] }
            .into(),
        DkgRound2 { session: session.clone(), shares: shares.clone() }.into(),
        DkgRound2Set { session: session.clone(), shares }.into(),
        DkgAbort { session: session.clone(), reason: equivocation }.into(),
        DkgAbort { session, reason: AbortReason::Missing(vec![u16::MAX; MAX_MEMBERS]) }.into(),
        certificate.into(),
        ready.into(),
        KeyFetch { committee: "x".repeat(32), have: vec![key; 64] }.into(),
        status.into(),
        offer.into(),
        largest_request().into(),
        sign_shares.into(),
        refused.into(),
        ask.into(),
        signed.into(),
        unbonding_answers(MAX_UNBONDINGS).into(),
    ]
}

/// So many refusals: the answers that are shortest on the wire and as long as any in memory.
fn unbonding_answers(count: usize) -> UnbondingSigned {
    let mut signed = samples::unbonding_signed(UnbondingAnswer::Signed([1; 64]));
    signed.answers = vec![UnbondingAnswer::Refused(UnbondingRefusal::Form); count];
    signed
}

/// As many messages as fit for 34 signers, with a payment of a thousand recipients.
fn largest_request() -> SignRequest {
    let mut proposal = samples::payment();
    proposal.transaction = vec![2; MAX_TRANSACTION];
    proposal.recipients = vec![Recipient { script: vec![1; 34], sats: u64::MAX }; MAX_RECIPIENTS];
    let mut request = samples::sign_request(Purpose::Payment(proposal));
    let most = u16::try_from(most_messages(34)).expect("at most a thousand");
    request.messages = (0..most).collect();
    let mut signer = request.signers[0].clone();
    signer.commitments = vec![samples::commitment(); usize::from(most)];
    request.signers = vec![signer; 34];
    request
}

/// The largest request there can be with so many signers and messages.
fn request(signers: usize, messages: usize) -> Message {
    let number = |at: usize| u16::try_from(at).expect("small");
    // Recipients of the form that costs most beside the transaction, and fill it.
    let script = vec![0x6a; MAX_TRANSACTION / MAX_RECIPIENTS - 9];
    let recipient = Recipient { script, sats: u64::MAX };
    let mut proposal = samples::payment();
    proposal.transaction = vec![0xff; MAX_TRANSACTION];
    proposal.recipients = vec![recipient; MAX_RECIPIENTS];
    let signer = |at: usize| Signer {
        index: u16::MAX - number(at),
        boot: BootId([0xff; 8]),
        first: u64::MAX,
        commitments: vec![samples::commitment(); messages],
    };
    let key = KeyRef { committee: "c".repeat(32), generation: u32::MAX, epoch: u32::MAX };
    SignRequest {
        attempt: u32::MAX,
        key,
        messages: (0..messages).map(number).collect(),
        signers: (0..signers).map(signer).collect(),
        ..samples::sign_request(Purpose::Payment(proposal))
    }
    .into()
}

#[test]
fn sign_request__should_fit_an_envelope_with_as_many_messages_as_are_said_to_fit() {
    for (signers, most) in [(1, MAX_BATCH), (31, MAX_BATCH), (100, 311), (MAX_MEMBERS, 243)] {
        // Given
        assert_eq!(most_messages(signers), most, "{signers} signers");
        // When
        let message = request(signers, most);
        let bytes = samples::seal(&message).to_bytes();
        // Then
        assert!(bytes.len() <= MAX_ENVELOPE, "{signers} signers: {} bytes", bytes.len());
        assert_eq!(Envelope::from_bytes(&bytes).and_then(|sealed| sealed.open()), Ok(message));
    }
    // And no more than a little less than what there is room for.
    let bytes = samples::seal(&request(100, 311 + 1)).to_bytes();
    assert!(bytes.len() > MAX_ENVELOPE, "{} bytes", bytes.len());
}
