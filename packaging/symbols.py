#!/usr/bin/env python3
"""Writes packaging/debian/libimagxp1.symbols from ffi/symbols.txt: each symbol with the version in which it first was there.

`--check` only compares. A symbol that is listed keeps its version; a new one gets the workspace's. Standard library only.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "packaging/debian/libimagxp1.symbols"


def main():
    abi = re.search(r"^const ABI: u32 = (\d+);", (ROOT / "ffi/build.rs").read_text(), re.MULTILINE)[1]
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    old = OUT.read_text() if OUT.exists() else ""
    # With another ABI it is another package, and every symbol begins anew.
    same = old.startswith(f"libimagxp.so.{abi} ")
    since = dict(re.findall(r"^ (\w+)@Base (\S+)$", old, re.MULTILINE)) if same else {}
    symbols = sorted((ROOT / "ffi/symbols.txt").read_text().split())
    text = f"libimagxp.so.{abi} libimagxp{abi} #MINVER#\n* Build-Depends-Package: libimagxp-dev\n"
    text += "".join(f" {symbol}@Base {since.get(symbol, version)}\n" for symbol in symbols)
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif text != old:
        sys.exit(f"{OUT.relative_to(ROOT)} is out of date: run packaging/symbols.py")


if __name__ == "__main__":
    main()
