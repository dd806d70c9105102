"""The table of ownership in docs/guide-c.md says what the header says: a new handle has to be listed."""

import re
import sys

from tools import HEADER, ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import abi as tool

GUIDE = ROOT / "docs/guide-c.md"


def rows():
    """The rows of the table: handle, the names in "made by", the name in "freed by", whether it lends, and the rest."""
    text = GUIDE.read_text().split("## Who frees what", 1)[1].split("\n## ", 1)[0]
    for line in re.findall(r"^\| `(imagxp_\w+)` \| (.*) \|$", text, re.MULTILINE):
        made, freed, lends, _ = (cell.strip() for cell in line[1].split("|"))
        yield line[0], made, freed, lends


def wrong(header, table):
    """Each way in which the table and the header differ."""
    listed = [handle for handle, *_ in table]
    for handle in sorted(set(header.opaque) ^ set(listed)) + sorted({h for h in listed if listed.count(h) > 1}):
        yield f"{handle} is not in both, once"
    for handle, made, freed, lends in table:
        # An error is the last argument of nearly every function; it is made where a call fails.
        makers = {name for name, (_, arguments) in header.functions.items() if re.search(rf"\b{handle} \*\*", arguments)}
        if handle != "imagxp_error" and makers != set(re.findall(r"`(\w+)`", made)):
            yield f"{handle} is made by {makers}"
        result, arguments = header.functions.get(f"{handle}_free", ("", ""))
        if freed != f"`{handle}_free`" or result != "void" or not re.fullmatch(rf"{handle} \*\w+", arguments):
            yield f"{handle} is freed otherwise"
        lent = any(
            result == "imagxp_slice" and arguments.startswith(f"const {handle} *")
            for result, arguments in header.functions.values()
        )
        if lends != ("yes" if lent else "no"):
            yield f"{handle} lends: {lent}"


def test_the_table_of_ownership_is_the_headers():
    header = tool.Header(HEADER.read_text())
    assert list(wrong(header, list(rows()))) == []


def test_a_handle_that_is_not_listed_is_missed():
    header = tool.Header(HEADER.read_text())
    table = list(rows())
    assert list(wrong(header, table[1:]))
    assert list(wrong(header, [*table, table[0]]))
    header.opaque.append("imagxp_new")
    assert list(wrong(header, table))
    renamed = [(handle, made.replace("imagxp_visa_new", "imagxp_visa_begin"), *rest) for handle, made, *rest in table]
    assert any("imagxp_visa is made by" in line for line in wrong(tool.Header(HEADER.read_text()), renamed))


def test_every_free_names_what_it_frees():
    """What can be freed is a handle or the owned bytes; there is nothing else to free."""
    header = tool.Header(HEADER.read_text())
    freed = {name.removesuffix("_free") for name in header.functions if name.endswith("_free")}
    assert freed == {*header.opaque, "imagxp_bytes"}


def test_the_number_of_the_guide():
    number = tool.Header(HEADER.read_text()).constants["IMAGXP_ABI_VERSION"]
    assert f"`libimagxp.so.{number}`, `IMAGXP_ABI_VERSION`" in GUIDE.read_text()
