//! The libp2p swarm behind the network port.
