"""The ABI: what an older header promised is kept, an older program runs, and each of these checks can fail."""

import hashlib
import re
import subprocess
import sys

import pytest
from tools import BUILT, HEADER, ROOT, abi, run, soname

sys.path.insert(0, str(ROOT / "scripts"))
import abi as tool

FIRST = ROOT / "tests/c/abi/imagxp-1.h"
FIRST_SHA256 = "a184515ef5440cf4d7211037e6a1db19987a3e0c27d99d7661fcf5edc39242a7"
SONAME = f"libimagxp.so.{abi()}"
# What a careless change would look like, and what is said of it.
SEEDS = [
    ("a function is gone", r"imagxp_status imagxp_user_agent\([^;]*;", "", "imagxp_user_agent"),
    (
        "an argument more",
        r"(imagxp_verdict_is_allowed\(const imagxp_verdict \*verdict)\)",
        r"\1, int strict)",
        "imagxp_verdict_is_allowed is called in another way",
    ),
    (
        "a narrower result",
        r"\nsize_t imagxp_verdict_need_count",
        r"\nuint32_t imagxp_verdict_need_count",
        "imagxp_verdict_need_count is called in another way",
    ),
    (
        "const is lost",
        r"imagxp_verdict_http\(const imagxp_verdict",
        "imagxp_verdict_http(imagxp_verdict",
        "imagxp_verdict_http is called in another way",
    ),
    (
        "two arguments change places",
        r"(imagxp_publisher_supply\([^;]*imagxp_slice url,\s*)(imagxp_slice body),(\s*)(uint32_t max_age_s)",
        r"\1\4,\3\2",
        "imagxp_publisher_supply is called in another way",
    ),
    (
        "a struct grows",
        r"(typedef struct \{\s*uint8_t \*ptr;\s*size_t len;)",
        r"\1 size_t capacity;",
        "imagxp_bytes has another size",
    ),
    (
        "members change places",
        r"(typedef struct \{\s*)(const uint8_t \*ptr;)(\s*)(size_t len;)",
        r"\1\4\3\2",
        "imagxp_slice.ptr has moved",
    ),
    (
        "a wider number",
        "typedef uint32_t imagxp_status;",
        "typedef uint64_t imagxp_status;",
        "imagxp_status is another type",
    ),
    (
        "a callback gets less",
        r"(\(\*imagxp_insert_fn\)\(void \*user_data,\s*const uint8_t \*key,)\s*const uint8_t \*agent,",
        r"\1",
        "imagxp_insert_fn is called in another way",
    ),
    ("a handle is gone", "(typedef struct) imagxp_visa", r"\1 imagxp_key", "imagxp_visa is another handle"),
    ("a status is renumbered", "#define IMAGXP_SIG_INVALID 401", "#define IMAGXP_SIG_INVALID 402", "IMAGXP_SIG_INVALID was 401"),
    (
        "a number is used again",
        r"`feedback.malformed`([^\n]*\n#define IMAGXP_\w+) 600",
        r"`feedback.refused`\1 400",
        "400 means `sig.malformed` and `feedback.refused`",
    ),
    ("a constant is gone", "#define IMAGXP_OUTCOME_UNDECIDED 3", "", "IMAGXP_OUTCOME_UNDECIDED"),
]
# Constants are in no library, and to take less care of what a pointer leads to breaks no program that is compiled already.
INVISIBLE = {"a status is renumbered", "a number is used again", "a constant is gone", "const is lost"}
BINARY = [seed for seed in SEEDS if seed[0] not in INVISIBLE]


def seeded(tmp_path, pattern, replacement):
    """A copy of the header with one careless change."""
    text, count = re.subn(pattern, replacement, HEADER.read_text(), count=1)
    assert count == 1, f"the header has no {pattern}"
    # The asserts at the end would refuse some of these by themselves; that is tested elsewhere.
    text = re.sub(r"^IMAGXP_STATIC_ASSERT\(.*\n", "", text, flags=re.MULTILINE)
    path = tmp_path / "imagxp.h"
    path.write_text(text)
    return path


def abidiff(tmp_path, old, new):
    """What abidiff says of two headers, by libraries that are made of them; empty when nothing has changed that was there."""
    tool.stub(old, tmp_path / "old.so", SONAME)
    tool.stub(new, tmp_path / "new.so", SONAME)
    command = ["abidiff", "--no-added-syms", str(tmp_path / "old.so"), str(tmp_path / "new.so")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    # 1 and 2 are errors and wrong usage; 4 a change, 8 one that breaks.
    assert done.returncode & 3 == 0, done.stderr
    return done.stdout if done.returncode else ""


def test_the_first_header_is_kept():
    assert hashlib.sha256(FIRST.read_bytes()).hexdigest() == FIRST_SHA256
    assert tool.compare(FIRST, HEADER) == []
    tool.Header(FIRST.read_text())


def test_abidiff_agrees(tmp_path):
    assert abidiff(tmp_path, FIRST, HEADER) == ""


@pytest.mark.parametrize(("pattern", "replacement", "said"), [seed[1:] for seed in SEEDS], ids=[seed[0] for seed in SEEDS])
def test_a_careless_change_is_seen(tmp_path, pattern, replacement, said):
    changed = seeded(tmp_path, pattern, replacement)
    broken = tool.compare(FIRST, changed)
    assert any(said in line for line in broken), broken


@pytest.mark.parametrize(("pattern", "replacement"), [seed[1:3] for seed in BINARY], ids=[seed[0] for seed in BINARY])
def test_abidiff_sees_it_too(tmp_path, pattern, replacement):
    assert abidiff(tmp_path, FIRST, seeded(tmp_path, pattern, replacement))


def test_every_public_struct_is_asserted_in_the_header():
    """Size, and the place of each member: the header refuses to compile where they differ."""
    text = HEADER.read_text()
    structs = tool.Header(text).structs
    assert set(structs) == {"imagxp_slice", "imagxp_bytes"}
    for name, fields in structs.items():
        assert f"IMAGXP_STATIC_ASSERT(sizeof({name}) == " in text
        for _, field in fields:
            assert f"IMAGXP_STATIC_ASSERT(offsetof({name}, {field}) == " in text


@pytest.mark.parametrize("name", ["imagxp_slice", "imagxp_bytes"])
def test_the_asserts_of_the_header_can_fail(tmp_path, name):
    text, count = re.subn(rf"size_t len;\n\}} {name};", f"size_t len; int more;\n}} {name};", HEADER.read_text())
    assert count == 1
    (tmp_path / "imagxp.h").write_text(text)
    assert f"{name} is a pointer and a length" in run("cc", "-fsyntax-only", "-x", "c", tmp_path / "imagxp.h", ok=False)


def test_the_last_release_is_kept(tmp_path):
    tag = tool.released()
    if tag is None:
        pytest.skip("there is no release yet that the ABI could be compared with (no tag v*); imagxp-1.h takes its place")
    check_against(ROOT, tag, HEADER, tmp_path)


def check_against(repository, tag, header, tmp_path):
    """Compares a header with that of a tag, unless the ABI number says that they differ on purpose."""
    old = tmp_path / "released.h"
    old.write_text(run("git", "-C", repository, "show", f"{tag}:include/imagxp.h"))
    number = re.compile(r"#define IMAGXP_ABI_VERSION (\d+)")
    if number.search(old.read_text())[1] != number.search(header.read_text())[1]:
        return
    assert tool.compare(old, header) == []
    assert abidiff(tmp_path, old, header) == ""


def test_a_release_would_be_found_and_compared(tmp_path):
    """The same in a repository that has a tag: a copy of the header passes, a careless change does not."""
    repository = tmp_path / "repository"
    (repository / "include").mkdir(parents=True)
    (repository / "include/imagxp.h").write_text(HEADER.read_text())
    git = ["git", "-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    run("git", "init", "-q", repository)
    run(*git, "add", ".")
    run(*git, "commit", "-qm", "release")
    assert tool.released(repository) is None
    run(*git, "-c", "tag.gpgsign=false", "tag", "v0.1.0")
    assert tool.released(repository) == "v0.1.0"
    check_against(repository, "v0.1.0", HEADER, tmp_path)
    with pytest.raises(AssertionError):
        check_against(repository, "v0.1.0", seeded(tmp_path, *SEEDS[0][1:3]), tmp_path)
    # With another number it is another library, and may break.
    later = seeded(tmp_path, *SEEDS[0][1:3])
    later.write_text(later.read_text().replace(f"IMAGXP_ABI_VERSION {abi()}", f"IMAGXP_ABI_VERSION {int(abi()) + 1}"))
    check_against(repository, "v0.1.0", later, tmp_path)


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    """The older program, which has never seen the library of today."""
    folder = tmp_path_factory.mktemp("old")
    tool.stub(FIRST, folder / "libimagxp.so", SONAME)
    program = folder / "reader"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-g"]
    run("cc", *flags, ROOT / "tests/c/abi/reader.c", "-o", program, f"-L{folder}", "-limagxp", "-Wl,-z,now")
    assert soname(folder / "libimagxp.so")[0] == SONAME
    return program


def test_an_older_program_runs_with_this_library(reader, prefix):
    assert re.fullmatch(r"\d+ checks hold\n", run(reader, env={"LD_LIBRARY_PATH": prefix / "lib", "LD_BIND_NOW": "1"}))
    valgrind = ["valgrind", "--quiet", "--leak-check=full", "--error-exitcode=99", "--errors-for-leak-kinds=definite,indirect"]
    run(*valgrind, reader, env={"LD_LIBRARY_PATH": prefix / "lib"})


def test_every_function_of_the_first_header_is_exported(prefix):
    exported = run("nm", "-D", "--defined-only", prefix / "lib/libimagxp.so").split()
    functions = set(tool.Header(FIRST.read_text()).functions)
    assert len(functions) > 100
    assert functions <= set(exported)


def test_an_older_program_notices_a_break(reader, tmp_path):
    """With a library that lacks one of its functions it does not start, and says which."""
    header = seeded(tmp_path, r"\nimagxp_status imagxp_json_canonicalize\([^;]*;", "")
    tool.stub(header, tmp_path / SONAME, SONAME)
    assert "imagxp_json_canonicalize" in run(reader, ok=False, env={"LD_LIBRARY_PATH": tmp_path, "LD_BIND_NOW": "1"})


def test_the_library_carries_the_number():
    assert soname(BUILT / "libimagxp.so")[0] == SONAME
    assert f"#define IMAGXP_ABI_VERSION {abi()}\n" in HEADER.read_text()
