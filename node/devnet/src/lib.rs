//! Starts real processes (bitcoind, PostgreSQL, nodes) for the demo and the end-to-end tests.
