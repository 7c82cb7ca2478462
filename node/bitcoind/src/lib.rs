//! A bitcoind JSON-RPC client behind the chain ports.
