//! The broker's log, as an operator sees it (BROKER §1).

use super::client::BrokerClient;
use super::error::BrokerError;
use imagxp::Error;
use imagxp::json::{Number, Object, Value};

impl BrokerClient {
    /// Checks the broker's log, as an operator: `{ok, size, root, problems, checked_at}`.
    pub fn verify_log(&self) -> Result<Object<'static>, BrokerError> {
        self.get("/v1/log/verify")
    }

    /// Says, as an operator (`admin`), that the broker goes on with its log although that has gone back (`log.rewound`). Returns the event.
    pub fn accept_log(&self, memo: &str, key: Option<&str>) -> Result<Object<'static>, BrokerError> {
        let mut body = Object::new();
        body.insert("memo", memo);
        self.post("/v1/log/accept", &body, key)
    }

    /// Says, as an operator (`admin`), that the broker's clock is right; `dispute` names the entry by which another operator has disputed the
    /// log's time. Returns the event: `clock.trusted`, `clock.disputed` or `clock.reset`.
    pub fn trust_clock(
        &self,
        memo: &str,
        dispute: Option<u64>,
        key: Option<&str>,
    ) -> Result<Object<'static>, BrokerError> {
        let mut body = Object::new();
        body.insert("memo", memo);
        if let Some(seq) = dispute {
            let seq = i64::try_from(seq).ok().and_then(Number::from_i64);
            let seq = seq.ok_or_else(|| Error::argument("the log has no entry of this number"))?;
            body.insert("dispute", Value::Number(seq));
        }
        self.post("/v1/log/time", &body, key)
    }
}
