//! Key rotation as operations with a state that refuses unsafe orders (PROTOCOL §4).
