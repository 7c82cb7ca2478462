// Usage: node verify.cjs ADDRESS TEXT SIGNATURE
// Prints whether SIGNATURE (BIP-322, simple) is one by ADDRESS over TEXT, as bip322-js judges it.
const { Verifier } = require('bip322-js');

const [address, text, signature] = process.argv.slice(2);
process.stdout.write(`${Verifier.verifySignature(address, text, signature)}\n`);
