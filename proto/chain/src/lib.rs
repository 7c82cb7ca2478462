//! Header tree, payments and their policy, fees and BIP-322, all without IO.
