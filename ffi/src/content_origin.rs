//! Who made the content, as receipts and policies say it.

use imagxp::policy::ContentOrigin;

/// Who made the content. 0 is none of them.
pub type imagxp_content_origin = u32;

/// `HUMAN`: people.
pub const IMAGXP_CONTENT_ORIGIN_HUMAN: imagxp_content_origin = 1;
/// `SYNTHETIC`: machines.
pub const IMAGXP_CONTENT_ORIGIN_SYNTHETIC: imagxp_content_origin = 2;
/// `HYBRID`: both.
pub const IMAGXP_CONTENT_ORIGIN_HYBRID: imagxp_content_origin = 3;

pub(crate) const fn origin_number(origin: ContentOrigin) -> imagxp_content_origin {
    match origin {
        ContentOrigin::Human => IMAGXP_CONTENT_ORIGIN_HUMAN,
        ContentOrigin::Synthetic => IMAGXP_CONTENT_ORIGIN_SYNTHETIC,
        ContentOrigin::Hybrid => IMAGXP_CONTENT_ORIGIN_HYBRID,
    }
}
