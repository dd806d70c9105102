"""Changes one row of a ledger behind its back, as somebody with the disk in hand could: damage.py FILE memo|amount"""

import sqlite3
import sys

file, what = sys.argv[1:]
base = sqlite3.connect(file, isolation_level=None, timeout=20)
(guard,) = base.execute("SELECT sql FROM sqlite_master WHERE name = 'transfer_is_itself'").fetchone()
base.execute("BEGIN IMMEDIATE")
base.execute("DROP TRIGGER transfer_is_itself")
row = "WHERE seq = (SELECT min(seq) FROM transfer)"
if what == "memo":
    base.execute(f"UPDATE transfer SET memo = 'something else' {row}")
else:
    base.execute(f"UPDATE transfer SET amount = ? {row}", ((1).to_bytes(16, "big"),))
base.execute(guard)
base.execute("COMMIT")
