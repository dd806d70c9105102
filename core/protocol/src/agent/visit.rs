//! One read of one URL as a state machine: discover, sign, pay once, check the receipt (PROTOCOL §§8, 9, 10).
