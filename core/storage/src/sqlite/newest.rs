//! How SQLite finds an account's transfers, and an owner's: by the table of postings, and among the few that are not entered there yet.

/// Of an account.
pub(super) const OF_ACCOUNT: &[&str] = &[
    "SELECT COLUMNS FROM transfer WHERE seq IN \
     (SELECT seq FROM posting WHERE account = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3) ORDER BY seq DESC",
    "SELECT COLUMNS FROM transfer WHERE (debit = $1 OR credit = $1) AND seq < $2 \
     AND seq >= (SELECT until FROM posted) ORDER BY seq DESC LIMIT $3",
];

/// What was posted to an account: debits, credits.
pub(super) const POSTED_OF_ACCOUNT: &[&str] = &[
    "SELECT imagxp_sum(CASE WHEN t.debit = $1 THEN t.amount END), imagxp_sum(CASE WHEN t.credit = $1 THEN t.amount END) \
     FROM posting p CROSS JOIN transfer t ON t.seq = p.seq \
     WHERE p.account = $1 AND p.seq >= $2 AND p.seq < $3 AND (t.phase = 'single' OR t.phase = 'post')",
    "SELECT imagxp_sum(CASE WHEN debit = $1 THEN amount END), imagxp_sum(CASE WHEN credit = $1 THEN amount END) \
     FROM transfer WHERE (debit = $1 OR credit = $1) AND seq >= max($2, (SELECT until FROM posted)) AND seq < $3 \
     AND (phase = 'single' OR phase = 'post')",
];

/// Of an owner: the newest of each account, whatever else there is, and of these the newest.
pub(super) const OF_OWNER: &[&str] = &[
    "SELECT COLUMNS FROM transfer WHERE seq IN (SELECT p.seq FROM account a CROSS JOIN posting p ON p.account = a.id \
     WHERE a.owner = $1 AND p.seq IN (SELECT seq FROM posting WHERE account = a.id AND seq < $2 ORDER BY seq DESC LIMIT $3) \
     ORDER BY p.seq DESC LIMIT $3) ORDER BY seq DESC",
    "SELECT COLUMNS FROM transfer WHERE (debit IN (SELECT id FROM account WHERE owner = $1) \
     OR credit IN (SELECT id FROM account WHERE owner = $1)) AND seq < $2 \
     AND seq >= (SELECT until FROM posted) ORDER BY seq DESC LIMIT $3",
];
