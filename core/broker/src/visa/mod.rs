//! Visas: their life from issue to settlement (BROKER §2).

mod contest;
mod decide;
mod due;
mod feedback;
mod issue;
mod redeem;
mod row;
mod settle;
mod token;

pub use contest::Contest;
pub use decide::{Decide, Decision};
pub use due::Due;
pub use feedback::GiveFeedback;
pub use issue::IssueVisa;
pub use redeem::Redeem;
pub use row::{Visa, VisaFeedback, VisaState};
pub use token::VisaToken;
