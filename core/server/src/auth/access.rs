//! Which route is for whom. The OpenAPI document says so, and what it says is what is enforced.

use crate::error::SetupError;
use crate::operators::Role;
use axum::http::Method;
use std::collections::HashMap;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

/// The scheme names of the OpenAPI document.
pub(crate) const SIGNATURE: &str = "imagxp_signature";
pub(crate) const ACCESS_TOKEN: &str = "access_token";
pub(crate) const OPERATOR_TOKEN: &str = "operator_token";
pub(crate) const OPERATOR_SESSION: &str = "operator_session";
pub(crate) const TRUSTED_PROXY: &str = "trusted_proxy";

/// Who may use a route; a route has one or more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Everybody.
    Public,
    /// Domains, by a signed request.
    Signature,
    /// Domains, by an access token.
    AccessToken,
    /// Operators of at least this role.
    Operator(Role),
    /// Configured proxies, by their address.
    Proxy,
}

/// The rules of every route.
#[derive(Debug)]
pub(crate) struct Access(HashMap<(Method, String), Vec<Rule>>);

impl Access {
    /// Reads the rules from the document. Error: an operation that declares none, or a scheme that is not known.
    pub(crate) fn new(document: &OpenApi) -> Result<Self, SetupError> {
        let mut table = HashMap::new();
        for (path, item) in &document.paths.paths {
            for (method, operation) in operations(item) {
                let fault =
                    |why: &str| SetupError::new("internal.routes", format!("`{method} {path}` {why}"));
                let rules = rules(operation).ok_or_else(|| fault("declares no security that is known"))?;
                if method != Method::GET
                    && rules.contains(&Rule::Public)
                    && !UNAUTHENTICATED.contains(&path.as_str())
                {
                    return Err(fault("changes something and is open to everybody"));
                }
                table.insert((method, path.clone()), rules);
            }
        }
        Ok(Self(table))
    }

    /// The rules of a route, by its method and its path as it is written in the document. HEAD is what GET is.
    pub(crate) fn rules(&self, method: &Method, path: &str) -> Option<&[Rule]> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(&(method.clone(), path.to_owned())).map(Vec::as_slice)
    }
}

/// What authenticates by its body: the token endpoint by a client assertion, the login by a token.
const UNAUTHENTICATED: [&str; 2] = ["/oauth/token", "/v1/session"];

/// The operations of a path with their methods, to be completed.
pub(crate) fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
        (Method::OPTIONS, &mut item.options),
        (Method::HEAD, &mut item.head),
        (Method::TRACE, &mut item.trace),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The operations of a path with their methods.
fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    [
        (Method::GET, &item.get),
        (Method::POST, &item.post),
        (Method::PUT, &item.put),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
        (Method::OPTIONS, &item.options),
        (Method::HEAD, &item.head),
        (Method::TRACE, &item.trace),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn rules(operation: &Operation) -> Option<Vec<Rule>> {
    let declared = serde_json::to_value(operation.security.as_ref()?).ok()?;
    let mut rules = Vec::new();
    for alternative in declared.as_array()? {
        let schemes = alternative.as_object()?;
        if schemes.is_empty() {
            rules.push(Rule::Public);
        }
        for (scheme, scopes) in schemes {
            let role = scopes.as_array().and_then(|scopes| scopes.first()).and_then(|role| role.as_str());
            rules.push(match scheme.as_str() {
                SIGNATURE => Rule::Signature,
                ACCESS_TOKEN => Rule::AccessToken,
                // Whether by token or by session, an operator is an operator.
                OPERATOR_TOKEN | OPERATOR_SESSION => Rule::Operator(Role::from_name(role?)?),
                TRUSTED_PROXY => Rule::Proxy,
                _ => return None,
            });
        }
    }
    (!rules.is_empty()).then_some(rules)
}
