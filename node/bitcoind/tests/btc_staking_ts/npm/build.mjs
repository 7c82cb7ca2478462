// Usage: node build.mjs < CASES > ANSWERS
// A line of JSON in, a line of JSON out: what btc-staking-ts builds for the case, as hex, signed
// where a key is given. A case that it refuses gives {"error"}.
import {
  StakingScriptData,
  createWitness,
  slashEarlyUnbondedTransaction,
  slashTimelockUnbondedTransaction,
  stakingTransaction,
  unbondingTransaction,
  withdrawEarlyUnbondedTransaction,
  withdrawTimelockUnbondedTransaction,
} from '@babylonlabs-io/btc-staking-ts';
import { Transaction, crypto, initEccLib, networks } from 'bitcoinjs-lib';
import { createInterface } from 'node:readline';
import * as ecc from 'tiny-secp256k1';

// The curve by WebAssembly: the package's own, without it, takes ten times as long.
initEccLib(ecc);
const bytes = (text) => Buffer.from(text, 'hex');

const signer = (secret) => ({
  publicKey: Buffer.from(ecc.pointFromScalar(bytes(secret), true)),
  sign: () => {
    throw new Error('only Schnorr signatures are wanted');
  },
  signSchnorr: (hash) => Buffer.from(ecc.signSchnorr(hash, bytes(secret))),
});

const unsigned = (psbt) => psbt.data.globalMap.unsignedTx.tx;

const signed = (psbt, secret) => {
  psbt.signInput(0, signer(secret));
  psbt.finalizeAllInputs();
  return psbt.extractTransaction(true);
};

// BIP-341's hash for the only input and its only leaf.
const sighash = (psbt) => {
  const { witnessUtxo, tapLeafScript } = psbt.data.inputs[0];
  const [{ script, leafVersion }] = tapLeafScript;
  const length = script.length < 253 ? [script.length] : [253, script.length & 255, script.length >> 8];
  const leaf = Buffer.concat([Buffer.from([leafVersion, ...length]), script]);
  return unsigned(psbt).hashForWitnessV1(
    0,
    [witnessUtxo.script],
    [witnessUtxo.value],
    Transaction.SIGHASH_DEFAULT,
    crypto.taggedHash('TapLeaf', leaf),
  );
};

const build = (c) => {
  const network = networks[c.network];
  const covenant = c.covenant.map(bytes);
  const scripts = new StakingScriptData(
    bytes(c.staker),
    [bytes(c.provider)],
    covenant,
    c.quorum,
    c.time,
    c.unbonding_time,
    bytes(c.tag),
  ).buildScripts();
  const staking = stakingTransaction(
    scripts, c.value, c.change_address, c.coins, network, c.fee_rate, undefined, c.lock_height,
  );
  const stake = unsigned(staking.psbt);

  const unbonding = unbondingTransaction(scripts, stake, c.unbonding_fee, network);
  const unbondingTx = unsigned(unbonding.psbt);
  const hash = sighash(unbonding.psbt);
  const members = c.signers.map(({ key, secret }) => ({
    btc_pk_hex: key,
    sig_hex: Buffer.from(ecc.signSchnorr(hash, bytes(secret))).toString('hex'),
  }));
  const unbondingSigned = signed(unbonding.psbt, c.staker_secret);
  const [own] = unbondingSigned.ins;
  own.witness = createWitness(own.witness, covenant, members);

  const withdrawal = withdrawTimelockUnbondedTransaction(
    scripts, stake, c.withdraw_address, network, c.withdraw_rate,
  );
  const early = withdrawEarlyUnbondedTransaction(
    scripts, unbondingTx, c.withdraw_address, network, c.withdraw_rate,
  );
  const slash = [c.slash_address, c.slash_percent / 100, c.slash_fee, network];
  return {
    scripts: {
      timelock: scripts.timelockScript.toString('hex'),
      unbonding: scripts.unbondingScript.toString('hex'),
      slashing: scripts.slashingScript.toString('hex'),
      unbonding_timelock: scripts.unbondingTimelockScript.toString('hex'),
      data: scripts.dataEmbedScript.toString('hex'),
    },
    staking: stake.toHex(),
    staking_fee: staking.fee,
    unbonding: unbondingTx.toHex(),
    unbonding_signed: unbondingSigned.toHex(),
    withdrawal: unsigned(withdrawal.psbt).toHex(),
    withdrawal_fee: withdrawal.fee,
    withdrawal_signed: signed(withdrawal.psbt, c.staker_secret).toHex(),
    early: unsigned(early.psbt).toHex(),
    early_fee: early.fee,
    early_signed: signed(early.psbt, c.staker_secret).toHex(),
    slashing: unsigned(slashTimelockUnbondedTransaction(scripts, stake, ...slash).psbt).toHex(),
    slashing_of_unbonding: unsigned(
      slashEarlyUnbondedTransaction(scripts, unbondingTx, ...slash).psbt,
    ).toHex(),
  };
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = build(JSON.parse(line));
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
