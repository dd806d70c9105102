//! The subtrees that end with each leaf, for ledgers that were made before they were kept.

use crate::rows;
use crate::sql::Sql;
use crate::value::{Value, damaged, limit, number};
use imagxp::audit::tree::Tree;
use imagxp_database::Result;

/// Leaves in one read.
const PAGE: usize = 4096;

/// Writes them to `leaf_subtrees`, from which a migration takes them. Error: `storage.damaged` when the leaves are not the log of the head:
/// such a ledger stays as it is.
pub(crate) fn fill(sql: &mut dyn Sql) -> Result<()> {
    let mut tree = Tree::new();
    loop {
        let select = "SELECT seq, hash FROM leaf WHERE seq >= $1 ORDER BY seq LIMIT $2";
        let page = sql.query(select, &[number(tree.size()), limit(PAGE)])?;
        if page.is_empty() {
            break;
        }
        let mut filled: Vec<Vec<Value>> = Vec::with_capacity(page.len());
        for mut row in page {
            let (seq, hash) = (row.count()?, row.hash()?);
            if seq != tree.size() {
                return Err(damaged("a leaf of the log is missing"));
            }
            let subtrees = tree.push(hash);
            if !subtrees.is_empty() {
                filled.push(vec![number(seq), subtrees.concat().into()]);
            }
        }
        sql.insert("leaf_subtrees", "seq, subtrees", &["bigint", "bytea"], filled)?;
    }
    let row = sql.first("SELECT size, nodes, last, last_at FROM head", &[])?;
    let head = rows::head(&mut row.ok_or_else(|| damaged("the head of the log is missing"))?)?;
    if (head.size, head.nodes.as_slice()) == (tree.size(), tree.nodes()) {
        Ok(())
    } else {
        Err(damaged("the leaves are not the log of its head"))
    }
}
