//! A coordinator that a test plays itself: it says to each member whatever the test wants, with
//! all that the honest one knew.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{FeeRate, OutPoint, ScriptBuf, TxOut};
use trestle_chain::plan::{self, Coin, Limits, Plan};
use trestle_keys::{
    roast::Verdict,
    signer::batch,
    taproot::{Tweak, public_keys_from_wire, tweak_public_keys},
};
use trestle_wire::{
    Hash32, KeyRef, Message, SessionId,
    committee::{
        Signature,
        key::KeyReady,
        payment::PaymentProposal,
        sign::{NonceOffer, NonceRequest, Purpose, SignRefused, SignRequest, SignShares, Signer},
    },
};

use super::{World, checker, node::Role};

/// What a member said to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Shares(SignShares),
    Refused(SignRefused),
    Nothing,
}

/// What a coordinator needs to know.
#[derive(Clone)]
pub(crate) struct Played {
    pub(crate) ready: KeyReady,
    /// The committee's script.
    pub(crate) script: ScriptBuf,
}

impl World {
    /// A committee with a key and coins, whose coordinator a test plays from now on.
    pub(crate) fn must_play(seed: u64, n: usize, t: usize, coins: &[u64]) -> (Self, Played) {
        let mut world = Self::new(seed, n, t);
        world.must_make_key();
        world.must_fund(coins);
        let played = world.play_coordinator();
        (world, played)
    }

    /// Takes the coordinator's place.
    pub(crate) fn play_coordinator(&mut self) -> Played {
        self.nodes[0].role = Role::Played;
        self.checker.played = true;
        self.inbox.clear();
        let store = self.nodes[1].store.clone();
        let ready = checker::keys(store.rows()).into_iter().find_map(|(_, row)| row.ready);
        let view = self.client.key.as_ref().expect("the committee has a key");
        Played {
            ready: ready.expect("every member has the key"),
            script: view.address.script_pubkey(),
        }
    }

    /// Says something to a member as the coordinator, and gives what it says to that.
    pub(crate) fn tell(&mut self, member: usize, message: &Message) -> Vec<Message> {
        self.inbox.clear();
        let bytes = self.envelope(0, message);
        let from = self.nodes[0].peer;
        self.receive(member, from, &bytes);
        self.run(100);
        let peer = self.nodes[member].peer;
        let inbox = std::mem::take(&mut self.inbox).into_iter();
        inbox.filter(|(_, from, _)| *from == peer).map(|(_, _, message)| message).collect()
    }

    /// Says the same thing many times at once; the answers are in the inbox.
    pub(crate) fn flood(&mut self, member: usize, message: &Message, times: usize) {
        self.inbox.clear();
        let from = self.nodes[0].peer;
        for _ in 0..times {
            let bytes = self.envelope(0, message);
            self.receive(member, from, &bytes);
        }
        self.run(100);
    }

    /// Asks a member for nonces; `None` if it gives none.
    pub(crate) fn nonces(
        &mut self,
        played: &Played,
        member: usize,
        count: u16,
    ) -> Option<NonceOffer> {
        let request = NonceRequest { key: played.key(), count };
        let said = self.tell(member, &request.into());
        said.into_iter().find_map(|message| {
            if let Message::NonceOffer(offer) = message { Some(offer) } else { None }
        })
    }

    /// Nonces of each of these members, as a request lists them.
    pub(crate) fn signers(
        &mut self,
        played: &Played,
        members: &[usize],
        count: u16,
    ) -> Vec<Signer> {
        let one = |member: &usize| {
            let offer = self.nonces(played, *member, count).expect("the member gives nonces");
            let NonceOffer { index, boot, first, commitments, .. } = offer;
            Signer { index, boot, first, commitments }
        };
        members.iter().map(one).collect()
    }

    /// Asks a member for its shares.
    pub(crate) fn ask_shares(&mut self, member: usize, request: &SignRequest) -> Said {
        let said = self.tell(member, &request.clone().into());
        for message in said {
            if let Message::SignShares(answer) = message {
                return Said::Shares(answer);
            }
            if let Message::SignRefused(refused) = message {
                return Said::Refused(refused);
            }
        }
        Said::Nothing
    }

    /// Has a payment signed by these members, and gives it to the miner. The first refusal ends it.
    pub(crate) fn sign_and_send(
        &mut self,
        played: &Played,
        members: &[usize],
        session: u8,
        payment: Hash32,
        plan: &Plan,
    ) -> Result<(), Box<SignRefused>> {
        let count = u16::try_from(plan.transaction().input.len()).expect("few inputs");
        let signers = self.signers(played, members, count);
        let request = played.request(session, plan.proposal(payment), count, signers);
        let mut answers = BTreeMap::new();
        for member in members {
            match self.ask_shares(*member, &request) {
                Said::Shares(answer) => answers.insert(answer.index, answer.shares),
                Said::Refused(refused) => return Err(Box::new(refused)),
                Said::Nothing => panic!("member {member} says nothing"),
            };
        }
        let signatures = self.aggregate(played, &request, &plan.sighashes(), &answers);
        let signatures = signatures.expect("honest shares make signatures");
        let signed = plan.finish(&signatures).expect("the signatures are valid");
        self.ground.bitcoind.chain().broadcast(&signed);
        self.checker.spent(&signed);
        Ok(())
    }

    /// The signatures that shares make; `None` if they make none.
    pub(crate) fn aggregate(
        &self,
        played: &Played,
        request: &SignRequest,
        sighashes: &[[u8; 32]],
        answers: &BTreeMap<u16, Vec<[u8; 32]>>,
    ) -> Option<Vec<Signature>> {
        let committee = self.committee();
        let public = public_keys_from_wire(&played.ready.public, committee.threshold)
            .map(|public| tweak_public_keys(&public, Tweak::KeyPath))
            .expect("the key is a key");
        let signature = |position: usize, sighash: &[u8; 32]| {
            let shares = answers.iter().map(|(index, shares)| (*index, shares[position])).collect();
            let signers = &request.signers;
            match batch::aggregate(committee, &public, signers, position, sighash, &shares) {
                Ok(Verdict::Signed(signature)) => Some(signature),
                Ok(Verdict::Wrong(_)) | Err(_) => None,
            }
        };
        sighashes.iter().enumerate().map(|(at, sighash)| signature(at, sighash)).collect()
    }

    /// The committee's coins.
    pub(crate) fn coins(&self, played: &Played) -> Vec<(OutPoint, TxOut)> {
        self.ground.bitcoind.chain().coins_of(&played.script)
    }

    /// A plan that pays from these coins.
    pub(crate) fn plan(
        &self,
        played: &Played,
        coins: &[(OutPoint, TxOut)],
        recipients: &[TxOut],
        rate: u32,
    ) -> Plan {
        let height = self.ground.bitcoind.chain().height();
        self.plan_with_change(coins, recipients, &played.script, rate, height)
    }

    /// The same, with change to any script.
    pub(crate) fn plan_with_change(
        &self,
        coins: &[(OutPoint, TxOut)],
        recipients: &[TxOut],
        change: &ScriptBuf,
        rate: u32,
        height: u32,
    ) -> Plan {
        let coin = |(outpoint, output): &(OutPoint, TxOut)| Coin {
            outpoint: *outpoint,
            output: output.clone(),
            confirmed: true,
        };
        let coins: Vec<Coin> = coins.iter().map(coin).collect();
        let rate = FeeRate::from_sat_per_vb_u32(rate);
        let limits = Limits::default();
        plan::plan(&coins, recipients, change, rate, height, &limits).expect("there is enough")
    }

    /// Members that agreed to at least one input of a plan.
    pub(crate) fn agreed_to(&self, plan: &Plan) -> BTreeSet<usize> {
        self.checker.agreed(&checker::What::Spend(plan.txid(), 0))
    }
}

impl Played {
    pub(crate) fn key(&self) -> KeyRef {
        self.ready.session.key.clone()
    }

    /// A request to sign every input of a payment.
    pub(crate) fn request(
        &self,
        session: u8,
        proposal: PaymentProposal,
        messages: u16,
        signers: Vec<Signer>,
    ) -> SignRequest {
        SignRequest {
            session: SessionId([session; 16]),
            attempt: 1,
            key: self.key(),
            purpose: Purpose::Payment(proposal),
            messages: (0..messages).collect(),
            signers,
        }
    }
}

/// Somebody to be paid, who is nobody else.
pub(crate) fn recipient(number: u8, sats: u64) -> TxOut {
    let mut script = vec![0x00, 0x14];
    script.extend([0xB0 ^ number; 20]);
    TxOut { value: bitcoin::Amount::from_sat(sats), script_pubkey: ScriptBuf::from_bytes(script) }
}
