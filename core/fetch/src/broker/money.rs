//! Money: accounts, transfers, statements, deposits (BROKER §1).

use super::client::{BrokerClient, path_part, query};
use super::error::BrokerError;
use imagxp::json::{Object, Value};

/// Pages of accounts that are read at most: a broker that never ends is none to wait for.
const MOST_PAGES: usize = 200;

/// A period of a statement; everything when empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period<'a> {
    /// In which asset; the broker's first when absent.
    pub asset: Option<&'a str>,
    /// From when on, RFC 3339.
    pub from: Option<&'a str>,
    /// Until when, exclusive, RFC 3339.
    pub until: Option<&'a str>,
}

impl BrokerClient {
    /// The accounts of an owner, page after page: `{accounts, next_cursor}`. Without an owner the caller's own, which are none as long as no
    /// money has moved. The cursor is null unless there are more than 200 pages of them.
    pub fn account(&self, owner: Option<&str>) -> Result<Object<'static>, BrokerError> {
        let path = format!("/v1/accounts/{}", path_part(self.owner(owner)?)?);
        let mut answer = self.first_accounts(owner, &path)?;
        let mut accounts = taken(&mut answer);
        for _ in 1..MOST_PAGES {
            let Some(cursor) = answer.get("next_cursor").and_then(Value::as_str) else { break };
            answer = self.get(&query(&path, &[("cursor", Some(cursor))]))?;
            accounts.append(&mut taken(&mut answer));
        }
        answer.insert("accounts", accounts);
        Ok(answer)
    }

    fn first_accounts(&self, owner: Option<&str>, path: &str) -> Result<Object<'static>, BrokerError> {
        match self.get(path) {
            Err(error) if error.code() == "account.not_found" && owner.is_none() => {
                let mut none = Object::new();
                none.insert("accounts", Vec::<Value<'static>>::new());
                none.insert("next_cursor", Value::Null);
                Ok(none)
            }
            found => found,
        }
    }

    /// A page of transfers, newest first: `{transfers, next_cursor}`. Parties see their own; operators name an `owner`, or see all.
    pub fn transfers(
        &self,
        owner: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Object<'static>, BrokerError> {
        let limit = limit.map(|limit| limit.to_string());
        self.get(&query(
            "/v1/transfers",
            &[("owner", owner), ("cursor", cursor), ("limit", limit.as_deref())],
        ))
    }

    /// A statement that adds up: `{account, from, until, opening, closing, transfers}`. Without an owner the caller's own.
    pub fn statement(
        &self,
        owner: Option<&str>,
        period: &Period<'_>,
    ) -> Result<Object<'static>, BrokerError> {
        let path = format!("/v1/accounts/{}/statement", path_part(self.owner(owner)?)?);
        self.get(&query(&path, &[("asset", period.asset), ("from", period.from), ("until", period.until)]))
    }

    /// Books a deposit, as an operator of the role `cashier`. `reference` is what the bank calls it, and counts once for ever. Returns the
    /// transfer.
    pub fn deposit(
        &self,
        owner: &str,
        amount: &str,
        asset: Option<&str>,
        reference: &str,
        memo: Option<&str>,
        key: Option<&str>,
    ) -> Result<Object<'static>, BrokerError> {
        let mut body = Object::new();
        body.insert("owner", owner);
        body.insert("amount", amount);
        body.insert("reference", reference);
        for (name, value) in [("asset", asset), ("memo", memo)] {
            if let Some(value) = value {
                body.insert(name, value);
            }
        }
        self.post("/v1/deposits", &body, key)
    }

    /// What stands where, as an operator: visas by state and money by kind of account, for each asset.
    pub fn money(&self) -> Result<Object<'static>, BrokerError> {
        self.get("/v1/money")
    }
}

/// The accounts of a page.
fn taken(page: &mut Object<'static>) -> Vec<Value<'static>> {
    match page.remove("accounts") {
        Some(Value::Array(accounts)) => accounts,
        _ => Vec::new(),
    }
}
