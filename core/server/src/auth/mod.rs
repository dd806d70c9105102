//! Who asks: a tenant by a signed request or an access token, an operator by a token or a session (BROKER §3).

mod access;
mod crowd;
mod identities;
mod layer;

pub(crate) use access::{
    ACCESS_TOKEN, Access, OPERATOR_SESSION, OPERATOR_TOKEN, SIGNATURE, TRUSTED_PROXY, operations_mut,
};
pub(crate) use crowd::{Crowd, Place};
pub(crate) use identities::{Identities, refused};
pub(crate) use layer::{SESSION_COOKIE, bearer, by_session_cookie, by_token, cookie, layer};

use crate::operators::Role;
use crate::problem::Problem;
use imagxp::AgentId;
use imagxp::crypto::Thumbprint;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody said.
    Anonymous,
    /// The owner of a domain: an agent, a publisher, or both.
    Tenant {
        /// The domain.
        id: AgentId,
        /// The key with which the domain's owner proved it.
        key: Option<Thumbprint>,
    },
    /// Somebody who runs the broker.
    Operator {
        /// The name.
        name: String,
        /// What the operator may do.
        role: Role,
    },
}

impl Caller {
    /// The tenant, for operations that only tenants have.
    pub(crate) fn tenant(&self) -> Result<(&AgentId, Option<&Thumbprint>), Problem> {
        match self {
            Self::Tenant { id, key } => Ok((id, key.as_ref())),
            _ => Err(Problem::forbidden("this is for agents and publishers")),
        }
    }
}

#[cfg(test)]
pub(crate) use access::Rule;
