//! Writes the starting corpus of every target from the pinned fixtures of `proto/wire`, so that a
//! new message kind is fuzzed as soon as it has a fixture, from the example configs, one sealed
//! key file, and the life of one stake.
//!
//! Usage: `seeds FIXTURES CONF CORPUS`, three folders; made by `scripts/fuzz`.

use std::{env, error::Error, fs, path::Path};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use trestle_keys::sealed::{Cost, KeyFile};
use trestle_wire::{Envelope, Message, codec, committee::sign::Purpose, message::KINDS};

#[path = "seeds/staking.rs"]
mod staking;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [fixtures, conf, corpus] = arguments.as_slice() else {
        return Err("usage: seeds FIXTURES CONF CORPUS".into());
    };
    for entry in fs::read_dir(conf)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file's name")?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => write(Path::new(corpus), "config", name, &fs::read(&path)?)?,
            Some("json") if name.starts_with("global-params") => {
                write(Path::new(corpus), "staking_params", name, &fs::read(&path)?)?;
            }
            Some(_) | None => {}
        }
    }
    for entry in fs::read_dir(fixtures)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).ok_or("a fixture's name")?;
        let bytes = hex::decode(fs::read_to_string(&path)?.replace('\n', ""))?;
        write_seeds(Path::new(corpus), name, &bytes)
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    staking::write_all(Path::new(corpus))?;
    // Cheap argon2 and a fixed generator: it protects nothing, and is the same file every time.
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let file = KeyFile::generate(&mut rng).seal(b"fuzz", Cost::cheap_for_tests(), &mut rng);
    write(Path::new(corpus), "key_file", "sealed", &file)
}

fn write_seeds(corpus: &Path, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    if name.starts_with("ack.") {
        return write(corpus, "ack", name, bytes);
    }
    write(corpus, "envelope", name, bytes)?;
    let envelope = Envelope::from_bytes(bytes)?;
    let kind = (envelope.application, envelope.kind);
    let pick = KINDS.iter().position(|(application, number, _)| (*application, *number) == kind);
    if let Message::SignRequest(request) = envelope.open()?
        && let Purpose::Payment(proposal) = &request.purpose
    {
        write(corpus, "proposal", name, &codec::encode(proposal))?;
    }
    let mut body = vec![u8::try_from(pick.ok_or("a kind that is not in KINDS")?)?];
    body.extend(&envelope.body);
    write(corpus, "body", name, &body)
}

fn write(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}
