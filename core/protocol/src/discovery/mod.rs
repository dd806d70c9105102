//! What a site asks of machine readers, and in which words it says so (PROTOCOL §9).
