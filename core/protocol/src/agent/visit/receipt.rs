//! The provenance receipt of the last answer (PROTOCOL §10).

use super::machine::{Action, Event, Next, State, Visit};
use super::report::ReceiptState;
use crate::agent::reader::Receipts;
use crate::agent_id::AgentId;
use crate::code::Code;
use crate::digest::sha256;
use crate::error::{Error, ErrorKind, Result};
use crate::headers::HeaderLine;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::provenance::{Delivery, SignedReceipt};
use crate::time::Timestamp;
use std::sync::Arc;

/// A receipt that waits for its publisher's keys.
#[derive(Debug)]
pub(super) struct Claimed {
    receipt: SignedReceipt,
    publisher: AgentId,
}

impl Visit {
    pub(super) fn receipt(
        &mut self,
        status: u16,
        headers: &[(String, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Next {
        let wanted = self.reader.options().receipts;
        // A receipt speaks of content: of an answer that has one, and that was asked for.
        if wanted == Receipts::Ignore || !(200..300).contains(&status) || self.is_head() {
            return Ok(self.done());
        }
        match self.claimed(headers, body, now) {
            Err(error) => self.judged(Err(error)),
            Ok(claimed) => {
                let origin = self.origin();
                let known = self.reader.sites().manifest(&origin, now);
                match known {
                    // A key that came after the manifest was fetched is looked for once more.
                    Some(manifest) if claimed.receipt.verify(&manifest).is_ok() => {
                        self.judged(claimed.receipt.verify(&manifest).cloned())
                    }
                    _ => {
                        let url = claimed.publisher.manifest_url();
                        self.wait(State::Manifest(Box::new(claimed)), Action::FetchManifest { url })
                    }
                }
            }
        }
    }

    /// Whether the receipt speaks of this answer. Before that nothing is fetched for it.
    fn claimed(&self, headers: &[(String, String)], body: &[u8], now: Timestamp) -> Result<Claimed> {
        let lines: Vec<HeaderLine<'_>> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let receipt = SignedReceipt::from_headers(&lines)?;
        let content_sha256 = sha256(body);
        let delivery = Delivery {
            url: &self.url,
            content_sha256: &content_sha256,
            agent_id: Some(self.reader.identity().agent_id()),
        };
        receipt.receipt().check(&delivery, now)?;
        let publisher = receipt.publisher(self.reader.options().allow_loopback).ok_or_else(|| {
            Error::protocol(
                Code::IdentityNotFound,
                "the publisher's host is no domain that could publish a key",
            )
        })?;
        Ok(Claimed { receipt, publisher })
    }

    pub(super) fn manifest(&mut self, claimed: Claimed, event: &Event<'_>, now: Timestamp) -> Next {
        let verified = match event {
            Event::Answered { status: 200, body, .. } => {
                Manifest::parse(body, &claimed.publisher, MAX_MANIFEST_BYTES).and_then(|manifest| {
                    let manifest = Arc::new(manifest);
                    self.reader.sites().learn_manifest(&self.origin(), Arc::clone(&manifest), now);
                    claimed.receipt.verify(&manifest).cloned()
                })
            }
            Event::Answered { status: 404 | 410, .. } => {
                Err(Error::protocol(Code::IdentityNotFound, "the publisher's domain publishes no manifest"))
            }
            _ => Err(Error::protocol(
                Code::IdentityFetchFailed,
                "the publisher's manifest cannot be fetched, so the receipt cannot be verified",
            )),
        };
        self.judged(verified)
    }

    fn judged(&mut self, verified: Result<crate::provenance::Receipt>) -> Next {
        let required = self.reader.options().receipts == Receipts::Require;
        match verified {
            Ok(receipt) => {
                self.note("receipt", format!("verified, {}", receipt.origin.as_str()));
                self.report.receipt = ReceiptState::Verified(Box::new(receipt));
            }
            Err(error) if required => {
                self.note("receipt", error.to_string());
                return Err(error);
            }
            Err(error) if error.kind() == ErrorKind::ProvenanceMissing => {
                self.report.receipt = ReceiptState::Missing;
            }
            Err(error) => {
                self.note("receipt", error.to_string());
                self.report.receipt = ReceiptState::Failed(error);
            }
        }
        Ok(self.done())
    }
}
