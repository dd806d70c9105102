//! Feedback: what an agent thinks of what it got, signed by the agent (PROTOCOL §11).
