//! The private extension module `imagxp._imagxp`: convert, call, convert.
//!
//! Nothing here decides anything: values of Python become values of the crate [`imagxp`], one function of it is called with the
//! interpreter released, and the result becomes values of Python again. One file per noun, with the core's names.

mod address;
mod agent;
mod agent_id;
mod assertion;
mod audit;
mod boundary;
mod broker;
mod claim;
mod code;
mod digest;
mod discovery;
mod dotenv;
mod errors;
mod explain;
mod feedback;
mod fetcher;
mod headers;
mod identity;
mod json;
mod jwks;
mod key;
mod key_file;
mod limits;
mod manifest;
mod offer;
mod policy;
mod presented;
mod provenance;
mod publisher;
mod purpose;
mod redeemer;
mod replay;
mod replay_stores;
mod request;
mod resolver;
mod rotation;
mod sign;
mod signer;
mod time;
mod token;
mod verdict;
mod verification;
mod visa;
mod wallet;

use pyo3::prelude::*;

/// The IMAGXP core for Python. Import `imagxp` instead.
#[pymodule]
fn _imagxp(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("CODES", code::table(module.py())?)?;
    module.add("FEEDBACK_REASONS", feedback::reasons(module.py())?)?;
    module.add("PURPOSES", purpose::names(module.py())?)?;

    module.add_class::<audit::AuditLog>()?;
    module.add_class::<agent::Action>()?;
    module.add_class::<agent::Agent>()?;
    module.add_class::<agent::Page>()?;
    module.add_class::<agent::Visit>()?;
    module.add_class::<assertion::Assertion>()?;
    module.add_class::<broker::BrokerClient>()?;
    module.add_class::<presented::Presented>()?;
    module.add_class::<redeemer::Redeemer>()?;
    module.add_class::<claim::Claim>()?;
    module.add_class::<discovery::Preferences>()?;
    module.add_class::<discovery::Robots>()?;
    module.add_class::<explain::Explanation>()?;
    module.add_class::<explain::Step>()?;
    module.add_class::<feedback::Feedback>()?;
    module.add_class::<feedback::FeedbackVerification>()?;
    module.add_class::<fetcher::Answer>()?;
    module.add_class::<fetcher::Fetcher>()?;
    module.add_class::<identity::Identity>()?;
    module.add_class::<jwks::JwkSet>()?;
    module.add_class::<key::PrivateKey>()?;
    module.add_class::<key::PublicKey>()?;
    module.add_class::<limits::Limits>()?;
    module.add_class::<manifest::Manifest>()?;
    module.add_class::<manifest::ManifestKey>()?;
    module.add_class::<policy::Policy>()?;
    module.add_class::<provenance::Receipt>()?;
    module.add_class::<provenance::SignedReceipt>()?;
    module.add_class::<publisher::Publisher>()?;
    module.add_class::<replay::MemoryReplayStore>()?;
    module.add_class::<replay_stores::PostgresReplayStore>()?;
    module.add_class::<replay_stores::RedisReplayStore>()?;
    module.add_class::<resolver::Resolver>()?;
    module.add_class::<rotation::Rotation>()?;
    module.add_class::<verdict::Need>()?;
    module.add_class::<verdict::Payment>()?;
    module.add_class::<verdict::Verdict>()?;
    module.add_class::<verification::Pending>()?;
    module.add_class::<verification::Verification>()?;
    module.add_class::<wallet::Caps>()?;
    module.add_class::<wallet::Wallet>()?;

    module.add_function(wrap_pyfunction!(address::is_public_address, module)?)?;
    module.add_function(wrap_pyfunction!(agent_id::is_agent_id, module)?)?;
    module.add_function(wrap_pyfunction!(audit::verify_evidence, module)?)?;
    module.add_function(wrap_pyfunction!(audit::verify_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(agent_id::manifest_url, module)?)?;
    module.add_function(wrap_pyfunction!(assertion::assertion_agent, module)?)?;
    module.add_function(wrap_pyfunction!(assertion::sign_assertion, module)?)?;
    module.add_function(wrap_pyfunction!(assertion::verify_assertion, module)?)?;
    module.add_function(wrap_pyfunction!(boundary::_panic, module)?)?;
    module.add_function(wrap_pyfunction!(digest::content_digest, module)?)?;
    module.add_function(wrap_pyfunction!(feedback::feedback_header, module)?)?;
    module.add_function(wrap_pyfunction!(discovery::discover, module)?)?;
    module.add_function(wrap_pyfunction!(discovery::link_policy_url, module)?)?;
    module.add_function(wrap_pyfunction!(headers::user_agent, module)?)?;
    module.add_function(wrap_pyfunction!(json::canonicalize, module)?)?;
    module.add_function(wrap_pyfunction!(offer::read_offer, module)?)?;
    module.add_function(wrap_pyfunction!(token::verify_token, module)?)?;
    module.add_function(wrap_pyfunction!(visa::issue_visa, module)?)?;
    Ok(())
}
