//! A real bitcoind under the harness: it mines, pays, reorganises, dies and comes back, and
//! nothing of it stays behind.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::path::Path;
use std::process::Command;

use bitcoin::secp256k1::{Secp256k1, SecretKey};
use bitcoin::{Address, Amount, Network};
use eyre::{Result, ensure};
use serde_json::json;
use trestle_devnet::{Bitcoind, Options};

#[tokio::test]
async fn bitcoind__should_pay_a_taproot_address_without_a_wallet() -> Result<()> {
    // Given a fresh chain of a node that has no wallet.
    let bitcoind = Bitcoind::start(Options::default().arg("-disablewallet")).await?;
    let address = taproot_address();

    // When the address is paid twice, before and after a block.
    let first = bitcoind.fund(&address, 70_000).await?;
    assert_eq!(bitcoind.confirmations(first).await?, 0);
    let second = bitcoind.fund(&address, 6_000_000_000).await?;
    bitcoind.mine(1).await?;

    // Then output 0 of each confirmed transaction pays it.
    for (txid, sats) in [(first, 70_000), (second, 6_000_000_000)] {
        assert!(bitcoind.confirmations(txid).await? >= 1);
        let output = bitcoind.transaction(txid).await?.output[0].clone();
        assert_eq!(output.script_pubkey, address.script_pubkey());
        assert_eq!(output.value, Amount::from_sat(sats));
    }
    Ok(())
}

#[tokio::test]
async fn cli__should_work_as_it_is_printed_with_and_without_a_wallet() -> Result<()> {
    // Given a chain, and the printed line in a shell.
    let bitcoind = Bitcoind::start(Options::default()).await?;
    bitcoind.mine(101).await?;
    let run = |what: &str| -> Result<String> {
        let line = format!("{} {what}", bitcoind.cli());
        let done = Command::new("sh").arg("-c").arg(&line).current_dir("/").output()?;
        ensure!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    };
    assert_eq!(run("getblockcount")?, "101");

    // When it has a wallet, and its person makes another.
    bitcoind.make_wallet("devnet", 70_000_000).await?;
    run("createwallet another")?;

    // Then the line pays out of the first.
    assert_eq!(run("getbalance")?, "0.70000000");
    assert_eq!(run(&format!("sendtoaddress {} 0.1", taproot_address()))?.len(), 64);
    Ok(())
}

#[tokio::test]
async fn reorg__should_replace_blocks_and_keep_or_drop_their_transactions() -> Result<()> {
    // Given a payment two blocks deep.
    let bitcoind = Bitcoind::start(Options::default()).await?;
    let txid = bitcoind.fund(&taproot_address(), 70_000).await?;
    let lost = bitcoind.mine(2).await?;
    let height = bitcoind.height().await?;

    // When its blocks are replaced, the payment is mined again in the first of them.
    let replaced = bitcoind.reorg(2).await?;
    assert_eq!(replaced.len(), 3);
    assert!(!replaced.contains(&lost[0]));
    assert_eq!(bitcoind.height().await?, height + 1);
    assert_eq!(bitcoind.tip().await?, replaced[2]);
    assert_eq!(bitcoind.confirmations(txid).await?, 3);

    // And when they are replaced by empty ones, it waits in the mempool.
    let empty = bitcoind.reorg_empty(3).await?;
    assert_eq!(bitcoind.tip().await?, empty[3]);
    assert_eq!(bitcoind.confirmations(txid).await?, 0);
    Ok(())
}

#[tokio::test]
async fn restart__should_keep_chain_folder_and_ports() -> Result<()> {
    // Given a chain that is on disk.
    let mut bitcoind = Bitcoind::start(Options::default()).await?;
    bitcoind.mine(5).await?;
    bitcoind.flush().await?;
    let (tip, url, pid) = (bitcoind.tip().await?, bitcoind.rpc_url().to_owned(), bitcoind.pid());

    // When it is killed, nobody answers.
    bitcoind.kill()?;
    assert!(!is_running(pid));
    assert!(bitcoind.rpc("getblockcount", json!([])).await.is_err());

    // Then a restart, also of a running one, brings back the same.
    bitcoind.restart().await?;
    assert_eq!(bitcoind.tip().await?, tip);
    bitcoind.restart().await?;
    assert_eq!(bitcoind.tip().await?, tip);
    assert_eq!(bitcoind.rpc_url(), url);
    Ok(())
}

#[tokio::test]
async fn connect__should_bring_two_nodes_to_one_tip() -> Result<()> {
    // Given a node that listens and one with a chain.
    let listening = Bitcoind::start(Options::default().p2p()).await?;
    let other = Bitcoind::start(Options::default()).await?;
    other.mine(3).await?;

    // When they are connected.
    other.connect(&listening).await?;

    // Then both have it.
    assert_eq!(listening.height().await?, 3);
    Ok(())
}

#[tokio::test]
async fn options__should_reach_bitcoind_and_keep_the_password_from_its_arguments() -> Result<()> {
    // Given a pruned node with an argument of its own.
    let bitcoind = Bitcoind::start(Options::default().pruned().arg("-uacomment=mine")).await?;

    // Then bitcoind says both, and its command line does not hold the password.
    let chain = bitcoind.rpc("getblockchaininfo", json!([])).await?;
    assert_eq!(chain["pruned"], json!(true));
    let network = bitcoind.rpc("getnetworkinfo", json!([])).await?;
    assert!(network["subversion"].as_str().is_some_and(|name| name.contains("(mine)")));
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", bitcoind.pid()))?;
    assert!(line.contains("-uacomment=mine"), "{line}");
    assert!(!line.contains(bitcoind.password()));
    assert!(!format!("{bitcoind:?}").contains(bitcoind.password()));
    Ok(())
}

#[tokio::test]
async fn start__should_quote_the_reason_of_a_bitcoind_that_ends() {
    // When bitcoind is started with an argument that it does not know.
    let error = Bitcoind::start(Options::default().arg("-nosuchargument=1"))
        .await
        .expect_err("bitcoind must refuse the argument");

    // Then the error says so.
    assert!(format!("{error:#}").contains("nosuchargument"), "{error:#}");
}

#[tokio::test]
async fn drop__should_leave_nothing_behind() -> Result<()> {
    // Given a running node.
    let bitcoind = Bitcoind::start(Options::default()).await?;
    let (pid, folder) = (bitcoind.pid(), bitcoind.folder().path().to_owned());
    assert!(is_running(pid) && folder.exists());

    // When it is dropped, then process and folder are gone.
    drop(bitcoind);
    assert!(!is_running(pid));
    assert!(!folder.exists());
    Ok(())
}

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn taproot_address() -> Address {
    let secp = Secp256k1::new();
    let key = SecretKey::from_slice(&[7; 32]).expect("32 small bytes are a valid key");
    let (key, _) = key.x_only_public_key(&secp);
    Address::p2tr(&secp, key, None, Network::Regtest)
}
