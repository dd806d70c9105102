//! Bonds: money that is locked under a name (BROKER §1).

use super::client::BrokerClient;
use super::error::BrokerError;
use imagxp::json::Object;

/// A bond, or a part of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bond<'a> {
    /// Whose; operators name the owner, owners need not.
    pub owner: Option<&'a str>,
    /// What it is called.
    pub name: &'a str,
    /// How much, a decimal string.
    pub amount: &'a str,
    /// In which asset; the broker's first when absent.
    pub asset: Option<&'a str>,
    /// Why.
    pub memo: Option<&'a str>,
}

impl BrokerClient {
    /// Locks money, as its owner or as an operator (`admin`). Returns the transfer.
    pub fn lock(&self, bond: &Bond<'_>, key: Option<&str>) -> Result<Object<'static>, BrokerError> {
        self.post("/v1/bonds/lock", &bond.to_json(), key)
    }

    /// Gives locked money back to its owner, as an operator (`admin`). Returns the transfer.
    pub fn unlock(&self, bond: &Bond<'_>, key: Option<&str>) -> Result<Object<'static>, BrokerError> {
        self.post("/v1/bonds/unlock", &bond.to_json(), key)
    }

    /// Takes locked money for the treasury, as an operator (`admin`), who says why. Returns the transfer.
    pub fn slash(&self, bond: &Bond<'_>, key: Option<&str>) -> Result<Object<'static>, BrokerError> {
        self.post("/v1/bonds/slash", &bond.to_json(), key)
    }
}

impl<'a> Bond<'a> {
    fn to_json(self) -> Object<'a> {
        let mut body = Object::new();
        body.insert("bond", self.name);
        body.insert("amount", self.amount);
        for (name, value) in [("owner", self.owner), ("asset", self.asset), ("memo", self.memo)] {
            if let Some(value) = value {
                body.insert(name, value);
            }
        }
        body
    }
}
