//! An audit log in memory, and evidence from one.

use super::world::*;
use imagxp::Error;
use imagxp::audit::{AuditSink, Entry, Evidence, Frame, Log, Record, StoredVerdict, proof, tree};
use imagxp::crypto::Algorithm;
use std::sync::{Arc, Mutex};

/// A log in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) state: Mutex<(Log, Vec<Vec<u8>>)>,
    pub(crate) unsigned: bool,
    pub(crate) broken: bool,
}

impl Memory {
    fn add(&self, body: &[u8]) {
        let mut state = self.state.lock().unwrap();
        let mut line = Vec::new();
        state.0.append(body, &mut line).unwrap();
        state.1.push(line);
    }

    /// The body of the last entry.
    pub(crate) fn last_body(&self) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        Frame::parse(state.1.last().unwrap()).unwrap().body.to_vec()
    }

    pub(crate) fn verdicts(&self) -> Vec<StoredVerdict> {
        let lines = self.state.lock().unwrap().1.clone();
        let entries = lines.iter().map(|line| {
            let frame = Frame::parse(line).unwrap();
            Entry::parse(frame.body).unwrap()
        });
        entries
            .filter_map(|entry| match entry {
                Entry::Verdict(verdict) => Some(*verdict),
                _ => None,
            })
            .collect()
    }
}

impl AuditSink for Memory {
    fn record(&self, record: &Record<'_>) -> Result<(), Error> {
        if self.broken {
            return Err(Error::argument("the disk is full"));
        }
        if let Some(manifest) = &record.manifest {
            self.add(&manifest.to_json());
        }
        self.add(&record.to_json());
        Ok(())
    }

    fn wants_unsigned(&self) -> bool {
        self.unsigned
    }
}

/// One record of ten, as evidence.
pub(crate) fn evidence(algorithm: Algorithm) -> Evidence {
    let sink = Arc::new(Memory::default());
    let publisher = know(imagxp::Publisher::new(policy(POLICY), [7; 16]).with_audit(Arc::clone(&sink) as _));
    for number in 0..10 {
        Signed::read(&format!("0123456789abcde{number}")).verify(&publisher);
    }
    let signer = key(5, algorithm);
    let state = sink.state.lock().unwrap();
    let number = 7;
    let mut plan = proof::Plan::inclusion(number, state.0.size()).unwrap();
    state.1.iter().for_each(|line| plan.feed(tree::leaf_hash(line)));
    Evidence {
        entry: state.1.get(number as usize).unwrap().clone(),
        proof: plan.finish().unwrap(),
        checkpoint: state.0.checkpoint("pub.example/audit").sign(&signer).unwrap(),
        public_key: signer.public_key().clone(),
        manifest: Some(manifest(&[1])),
    }
}

/// The record of one good request of agent 1 by a policy with this member.
pub(crate) fn record_of(member: &str, signed: &Signed) -> serde_json::Value {
    let sink = Arc::new(Memory::default());
    let publisher = know(imagxp::Publisher::new(policy(&changed(member)), [7; 16]));
    let verdict = signed.verify(&publisher.with_audit(Arc::clone(&sink) as _));
    assert_eq!(verdict.code, None);
    serde_json::from_slice(&sink.last_body()).unwrap()
}

/// Evidence about a record that its publisher has written itself, as it likes: chain, tree and checkpoint hold.
pub(crate) fn sealed(
    record: &serde_json::Value,
    manifest: Option<Vec<u8>>,
    algorithm: Algorithm,
) -> Evidence {
    let limits = imagxp::json::Limits::INTERCHANGE;
    let body = imagxp::json::canonicalize(record.to_string().as_bytes(), &limits).unwrap();
    let (mut log, mut entry, signer) = (Log::new(), Vec::new(), key(5, algorithm));
    log.append(&body, &mut entry).unwrap();
    Evidence {
        entry,
        proof: Vec::new(),
        checkpoint: log.checkpoint("pub.example/audit").sign(&signer).unwrap(),
        public_key: signer.public_key().clone(),
        manifest,
    }
}
