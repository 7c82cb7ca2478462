//! Unbonding signatures of one member: checked, stored, and asked for in batches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bitcoin::{
    Amount, BlockHash, OutPoint, PublicKey, XOnlyPublicKey,
    consensus::serialize,
    hashes::Hash as _,
    secp256k1::{Message as Digest, schnorr::Signature},
};
use eyre::{Result, bail, ensure, eyre};
use futures::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use trestle_actors::{
    covenant::{CovenantActor, CovenantInput, Jobs, LocalSigner, Means, Metrics, Setup},
    ports::{
        ChainError, Clock, Compute, Delivery, Inbound, SendMessage, SignUnbonding as _,
        SigningOrder, TrustedTip, chain::Tip,
    },
    runtime::{ActorStatus, Mailbox, Pool, run as run_actor},
};
use trestle_bitcoind::OfflineWallet;
use trestle_devnet::OfflineWallet as Harness;
use trestle_keys::identity::CommitteeKey;
use trestle_staking::{Stake, tx::Unbonding};
use trestle_store_sql::{Config, SqlStore};
use trestle_wire::{
    Ack, Message, MessageId, Peer, SessionId,
    announce::Presence,
    staking::{AskedUnbonding, UnbondingAnswer, UnbondingAsk, UnbondingSigned},
};

use super::{AREA, fill::Filled, world::World};
use crate::{
    Bench, chain,
    cores::spread,
    runs::{Measured, Run},
    say,
};

const CASE: &str = "unbonding signatures of one member, beside a wallet";
const BARE: &str = "unbonding signatures of one member, beside bare Schnorr";
const TARGET: f64 = 5.0;
/// Unbondings in a message: as many as fit.
const BATCH: usize = 100;
/// Batches in a turn.
const BATCHES: usize = 30;
/// Batches that a coordinator has with one member at a time.
const UNANSWERED: usize = 4;
/// Signatures that the wallet makes in a turn.
const BY_WALLET: usize = 300;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
const COORDINATOR: Peer = Peer([7; 32]);
/// The member that signs.
const MEMBER: u32 = 0;

/// Measures both ratios.
pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(CASE) && !bench.wants(BARE) {
        return Ok(());
    }
    let world = World::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("member.sqlite");
    let each = BATCH * BATCHES;
    // The last blocks' stakes have too few confirmations, and are not asked for.
    let count = u32::try_from(each * (bench.runs + 1))?.next_multiple_of(1_000) + 1_000;
    let filled = Filled::make(&file, &world, count).await?;
    let all: Vec<u32> = (0..count).collect();
    let mut asked = spread(all, |number| Asked::make(&world, &filled, number));
    asked.sort_by_key(|asked| asked.as_ref().map_or(0, |asked| asked.number));
    let asked = asked.into_iter().collect::<Result<Vec<_>>>()?;
    let wallet = Harness::start(&[world.member(MEMBER).secret_key()]).await?;
    wallet.unlock().await?;
    let client = OfflineWallet::new(&chain::config(wallet.bitcoind()), wallet.name())?;
    let mut member = Member::start(&world, &filled, &file).await?;
    let (mut by_wallet, mut bare) = (Vec::new(), Vec::new());
    for (turn, asked) in asked.chunks(each).take(bench.runs + 1).enumerate() {
        let ours = member.sign(asked).await?;
        let limit = sign_by_wallet(&client, asked).await?;
        let least = sign_bare(&world, asked)?;
        say(&format!(
            "staking: {CASE}: turn {turn}: ours {ours:.0}/s, wallet {limit:.0}/s, bare {least:.0}/s"
        ));
        if turn > 0 {
            by_wallet.push(Run { ours, limit: Some(limit) });
            bare.push(Run { ours, limit: Some(least) });
        }
    }
    member.stop.cancel();
    let nothing = || eyre!("nothing was measured");
    let by_wallet = Measured::of(by_wallet).ok_or_else(nothing)?;
    bench.report.add_rate(AREA, CASE, "1/s", &by_wallet, Some(TARGET))?;
    let bare = Measured::of(bare).ok_or_else(nothing)?;
    bench.report.add_rate(AREA, BARE, "1/s", &bare, None)
}

/// One unbonding, signed by its staker.
struct Asked {
    number: u32,
    message: AskedUnbonding,
    order: SigningOrder,
    staker: XOnlyPublicKey,
    signature: Signature,
}

impl Asked {
    fn make(world: &World, filled: &Filled, number: u32) -> Result<Self> {
        let stored = filled.stake(number);
        let txid = *filled.key(number).txid;
        let stake = Stake {
            outpoint: OutPoint { txid, vout: stored.output_index },
            staker: XOnlyPublicKey::from_slice(&stored.staker.0)?,
            finality_provider: XOnlyPublicKey::from_slice(&stored.provider.0)?,
            value: Amount::from_sat(stored.value),
            time: stored.timelock,
            params_version: 0,
        };
        let unbonding = Unbonding::new(&stake, world.version()?)?;
        let pair = world.staker(number % u32::try_from(filled.stakers.len())?);
        let digest = Digest::from_digest(unbonding.sighash());
        let signature = world.curve.sign_schnorr_no_aux_rand(&digest, &pair);
        let key = PublicKey::new(world.member(MEMBER).public_key());
        let message = AskedUnbonding {
            staking: txid.to_byte_array(),
            transaction: serialize(unbonding.transaction()),
            staker: signature.serialize(),
            key: key.inner.serialize(),
        };
        let order = SigningOrder::new(&unbonding, key);
        Ok(Self { number, message, order, staker: stake.staker, signature })
    }
}

/// Answers that may wait: more than there are asks, so none is lost.
const ANSWERS: usize = 1_024;

/// The member's actor as a node runs it, without the network around it.
struct Member {
    mailbox: Mailbox<CovenantInput>,
    answers: mpsc::Receiver<UnbondingSigned>,
    next: u8,
    stop: CancellationToken,
}

impl Member {
    async fn start(world: &World, filled: &Filled, file: &std::path::Path) -> Result<Self> {
        let url = format!("sqlite:{}", file.display());
        let store = Arc::new(SqlStore::open(Config::new(&url)?).await?);
        let tip =
            Tip { height: filled.tip.height, hash: BlockHash::from_byte_array(filled.tip.hash) };
        let (answer, answers) = mpsc::channel(ANSWERS);
        let metrics = Metrics::default();
        let setup = Setup {
            coordinators: [COORDINATOR].into(),
            max_staking_height: u32::MAX,
            store,
            network: Arc::new(Answers(answer)),
            chain: Arc::new(Standing(tip)),
            metrics: metrics.clone(),
        };
        let compute: Arc<dyn Compute> = Arc::new(Pool::for_this_machine()?);
        let key = CommitteeKey::from_bytes(&world.member(MEMBER).secret_bytes())
            .map_err(|_| eyre!("expected a key"))?;
        let means = Means {
            global: Arc::clone(&world.global),
            signer: Arc::new(LocalSigner::new(&key, Arc::clone(&compute))),
            compute,
            metrics,
        };
        let (mailbox, letters) = Mailbox::new(128);
        let stop = CancellationToken::new();
        let mut jobs = Jobs::new(means, mailbox.clone());
        let carry_out = move |job| jobs.start(job);
        let (status, _) = watch::channel(ActorStatus::Loading);
        let actor = CovenantActor::new(setup);
        tokio::spawn(run_actor(actor, letters, Arc::new(Still), carry_out, status, stop.clone()));
        Ok(Self { mailbox, answers, next: 0, stop })
    }

    /// Signatures a second, with as many batches under way as a coordinator has.
    async fn sign(&mut self, asked: &[Asked]) -> Result<f64> {
        let asks = asked
            .chunks(BATCH)
            .map(|some| some.iter().map(|asked| asked.message.clone()).collect::<Vec<_>>());
        let mut asks: std::collections::VecDeque<_> = asks.collect();
        let begun = Instant::now();
        for _ in 0..UNANSWERED {
            self.ask(asks.pop_front()).await?;
        }
        let mut signed = 0;
        while signed < asked.len() {
            let answer = tokio::time::timeout(PATIENCE, self.answers.recv()).await?;
            let answer = answer.ok_or_else(|| eyre!("the member has stopped"))?;
            for answer in &answer.answers {
                match answer {
                    UnbondingAnswer::Signed(_) => signed += 1,
                    UnbondingAnswer::Refused(why) => bail!("not signed: {}", why.label()),
                }
            }
            self.ask(asks.pop_front()).await?;
        }
        Ok(asked.len() as f64 / begun.elapsed().as_secs_f64())
    }

    async fn ask(&mut self, unbondings: Option<Vec<AskedUnbonding>>) -> Result<()> {
        let Some(unbondings) = unbondings else { return Ok(()) };
        self.next = self.next.wrapping_add(1);
        let id = SessionId([self.next; 16]);
        let message = UnbondingAsk { id, unbondings }.into();
        let inbound = Inbound { from: COORDINATOR, id: MessageId([self.next; 16]), message };
        ensure!(self.mailbox.send(CovenantInput::Received(inbound)).await, "the member is gone");
        Ok(())
    }
}

/// What the member sends.
struct Answers(mpsc::Sender<UnbondingSigned>);

impl SendMessage for Answers {
    fn offer(&self, _: Peer, message: Message) {
        if let Message::UnbondingSigned(signed) = message {
            // Nobody listens any more at the end.
            let _ = self.0.try_send(signed);
        }
    }

    fn deliver(&self, _: Peer, _: MessageId, _: Message) -> BoxFuture<'_, Result<Ack, Delivery>> {
        Box::pin(std::future::ready(Err(Delivery::Stopping)))
    }

    fn announce(&self, _: Presence) {}
}

/// A chain that does not move.
struct Standing(Tip);

impl TrustedTip for Standing {
    fn trusted_tip(&self) -> Result<Tip, ChainError> {
        Ok(self.0)
    }
}

/// The actor asks for no time.
struct Still;

impl Clock for Still {
    fn now_ms(&self) -> u64 {
        0
    }
}

/// Signatures a second, one after another on one connection.
async fn sign_by_wallet(wallet: &OfflineWallet, asked: &[Asked]) -> Result<f64> {
    let some = &asked[..BY_WALLET.min(asked.len())];
    let begun = Instant::now();
    for asked in some {
        wallet.sign(asked.order.clone()).await?;
    }
    Ok(some.len() as f64 / begun.elapsed().as_secs_f64())
}

/// Signatures a second on all cores, with the staker's verified before each, and nothing else.
fn sign_bare(world: &World, asked: &[Asked]) -> Result<f64> {
    let (curve, pair) = (&world.curve, world.member(MEMBER));
    let begun = Instant::now();
    let signed = spread(asked.iter().collect(), |asked: &Asked| {
        let digest = Digest::from_digest(asked.order.sighash);
        let good = curve.verify_schnorr(&asked.signature, &digest, &asked.staker).is_ok();
        good.then(|| curve.sign_schnorr_no_aux_rand(&digest, &pair))
    });
    let took = begun.elapsed().as_secs_f64();
    ensure!(signed.iter().all(Option::is_some), "a staker's signature does not verify");
    Ok(asked.len() as f64 / took)
}
