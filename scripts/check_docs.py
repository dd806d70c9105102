#!/usr/bin/env python3
"""Runs the code blocks of README.md and docs/*.md: check_docs.py [FILE...]

Blocks marked sh, python, js, c or swift are run, json is parsed. The blocks of one file share a temporary folder, in their order;
each is a process of its own, and what it leaves running (its output in a file) ends with the page. `imagxp`, `@imagxp/edge` and Python
are the ones that were built here, and C is compiled against include/ and the built library.
A block that cannot run has `<!-- not run: reason -->` on the line before it; one that shows a part of a program has
`<!-- excerpt of FILE -->`: its lines must stand in that file, and the file is run. A page's Python is run twice, as a program is that is
started again: it must still run, and no key file may have changed by then. Tests that a text names as `path::name` must exist,
and be tests; each row of a table whose last column is for tests names one, or a program of Python, JavaScript or shell by its path alone.
Where a page or an example says where a broker's keys are (`jwks_uri`), it is where ours serves them.
Standard library only.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import guide_checks

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PYTHON = os.environ.get("IMAGXP_PYTHON", str(ROOT / ".venv" / "bin" / "python"))
LIBRARY = TARGET / "release"
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: (\S[^\n]*?) -->\s*\Z")
EXCERPT = re.compile(r"<!-- excerpt of (\S+) -->\s*\Z")
TEST_NAME = re.compile(r"`([\w./-]+\.(?:rs|py|c))::(\w+)`")
PROGRAM = re.compile(r"`([\w./-]+\.(?:py|js|mjs|sh)|\.ci/run)`")
# Where a broker's keys are said to be, and where ours serves them.
KEYS = re.compile(r"""\bjwks_uri["']?\s*[:=]\s*["'`]([^"'`]+)|(https://broker\.example/[\w./-]*jwks[\w./-]*)""")
KEYS_PATH = "/.well-known/jwks.json"
# How the last column is called in which each row names what would fail.
FOR_TESTS = ("test", "since when it cannot come back")
# The attributes and comments above a function of Rust, and its name.
RUST_FUNCTION = r"((?:^[ \t]*(?:#\[.*|//.*)\n)*)^[ \t]*(?:pub(?:\(\w+\))? )?(?:async )?fn {name}\b"
SECONDS = 600


class Wrong(Exception):
    """A block did not do what a reader would expect."""


# The process groups of what was run for this page.
groups = []


def execute(command, folder):
    """Runs one command in the folder, with the built programs first on the path."""
    path = os.pathsep.join([str(TARGET / "debug"), str(Path(PYTHON).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "LD_LIBRARY_PATH": str(LIBRARY), "IMAGXP_ROOT": str(ROOT)}
    pipe = subprocess.PIPE
    done = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
    )
    groups.append(done.pid)
    try:
        stdout, stderr = done.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(done.pid, signal.SIGKILL)
        done.communicate()
        raise
    if done.returncode != 0:
        raise Wrong(f"exit code {done.returncode}\n{stdout[-2000:]}{stderr[-2000:]}")


def end_groups():
    """Ends what the blocks of a page have left running."""
    while groups:
        try:
            os.killpg(groups.pop(), signal.SIGTERM)
        except ProcessLookupError:
            continue


def run_sh(text, folder):
    execute(["sh", "-euc", text], folder)


def run_python(text, folder):
    execute([PYTHON, "-W", "error", "-c", text], folder)


def run_js(text, folder):
    # As a user has them: installed, and imported by their names.
    frameworks = {name: f"bindings/node/node_modules/{name}" for name in ("express", "fastify", "hono", "koa")}
    for name, package in {"imagxp": "bindings/node", "@imagxp/edge": "bindings/wasm", **frameworks}.items():
        installed = folder / "node_modules" / name
        if not installed.is_symlink():
            installed.parent.mkdir(parents=True, exist_ok=True)
            installed.symlink_to(ROOT / package)
    (folder / "block.mjs").write_text(text)
    execute(["node", "block.mjs"], folder)


def run_c(text, folder):
    (folder / "block.c").write_text(text)
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", f"-L{LIBRARY}", "-limagxp"]
    execute(["cc", "block.c", "-o", "block", *flags], folder)
    soname = next(iter(sorted(LIBRARY.glob("libimagxp.so.*"))), None)
    if soname is None:
        # The SONAME is a link that the installation makes; here it stands beside the program.
        shown = subprocess.run(["readelf", "-d", str(LIBRARY / "libimagxp.so")], capture_output=True, text=True, check=True)
        name = re.search(r"SONAME.*\[(.+)\]", shown.stdout)
        link = folder / (name[1] if name else "libimagxp.so")
        if not link.is_symlink():
            link.symlink_to(LIBRARY / "libimagxp.so")
    execute(["env", f"LD_LIBRARY_PATH={folder}:{LIBRARY}", "./block"], folder)


def run_swift(text, folder):
    # The compiler may live in a root of its own, which sees the target folder and not this one.
    (folder / "main.swift").write_text(text)
    execute([str(ROOT / "scripts" / "swift.sh"), "script", str(folder / "main.swift")], folder)


def run_json(text, _folder):
    try:
        json.loads(text)
    except ValueError as error:
        raise Wrong(str(error)) from error


RUN = {"sh": run_sh, "python": run_python, "js": run_js, "c": run_c, "swift": run_swift, "json": run_json}


def blocks(text):
    """Line number, language, code, the reason not to run it, and the file it is an excerpt of, of every fenced block."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        reason = NOT_RUN.search(text[: match.start()])
        excerpt = EXCERPT.search(text[: match.start()])
        indent = len(match[1])
        code = "".join(row[indent:] for row in match[3].splitlines(keepends=True))
        yield line, match[2], code, reason[1] if reason else None, excerpt[1] if excerpt else None


def whole_program(text, excerpt):
    """The program that an excerpt is a part of; its lines must be there, however they are indented."""
    program = (ROOT / excerpt).read_text()

    def dedented(lines):
        return "\n".join(line.strip() for line in lines.strip().splitlines())

    if dedented(text) not in dedented(program):
        raise Wrong(f"these lines are not in {excerpt}")
    return program


def missing_tests(text):
    """The tests that a text names as `path::name` and that do not exist."""
    for path, name in TEST_NAME.findall(text):
        file = ROOT / path
        if not is_test(path, name, file.read_text() if file.is_file() else ""):
            yield f"{path}::{name}"


def is_test(path, name, source):
    """Whether a file has this test, and its runner asks for it: a function that nobody calls proves nothing."""
    if path.endswith(".rs"):
        above = [match[1] for match in re.finditer(RUST_FUNCTION.format(name=name), source, re.MULTILINE)]
        return any(re.search(r"#\[(?:\w+::)?test\b", text) and "#[ignore" not in text for text in above)
    if path.endswith(".py"):
        return name.startswith("test_") and re.search(rf"\bdef {name}\b", source) is not None
    # In C it is called, or stands in a list, below.
    return re.search(rf"\bvoid {name}\b", source) is not None and len(re.findall(rf"\b{name}\b", source)) > 1


def bare_rows(text):
    """The first cell of each row that names no test, in the tables whose last column is for them."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = ([cell.strip() for cell in row.strip("| ").split(" | ")] for row in table.splitlines())
        if header[-1] not in FOR_TESTS:
            continue
        for row in rows:
            programs = [path for path in PROGRAM.findall(row[-1]) if (ROOT / path).is_file()]
            if not TEST_NAME.search(row[-1]) and not programs:
                yield row[0]


def wrong_keys(text):
    """The addresses of keys that our broker does not serve."""
    for match in KEYS.finditer(text):
        if not (match[1] or match[2]).endswith(KEYS_PATH):
            yield match[1] or match[2]


def said_to_readers():
    """The pages, and the programs that readers begin with."""
    kinds = {".md", ".js", ".mjs", ".ts", ".py", ".json", ".toml", ".conf"}
    made = {"node_modules", ".next", ".build"}
    pages = [ROOT / "README.md", *ROOT.glob("core/*/README.md"), *ROOT.glob("bindings/*/README.md")]
    for folder in ("docs", "examples"):
        for parent, folders, names in os.walk(ROOT / folder):
            folders[:] = [name for name in folders if name not in made]
            pages += [Path(parent) / name for name in names if Path(name).suffix in kinds]
    return sorted(pages)


def self_test(languages):
    """A check that cannot fail proves nothing. Swift is asked only where there is any, since its package must have been built."""
    found = list(blocks("<!-- not run: it waits -->\n```sh\ntrue\n```\n\n```sh\nexit 3\n```\n"))
    if [(line, language, reason) for line, language, _, reason, _ in found] != [(2, "sh", "it waits"), (6, "sh", None)]:
        sys.exit("check_docs.py does not find its own blocks")
    failing = [
        (run_sh, found[1][2]),
        (run_python, "raise SystemExit(1)"),
        (run_js, "process.exit(1)"),
        (run_c, "int main(void) { return 1; }"),
    ]
    if "swift" in languages:
        failing.append((run_swift, "import Imagxp\ntry panicOnPurpose()"))
    for run, bad in failing:
        with tempfile.TemporaryDirectory() as folder:
            try:
                run(bad, Path(folder))
            except Wrong:
                continue
            except subprocess.TimeoutExpired as error:
                sys.exit(f"check_docs.py waits for a block that fails at once: {error}")
            sys.exit("check_docs.py takes a failing block for a good one")
    for again in ("open('new', 'x')", "import os\nopen('a.pem', 'wb').write(os.urandom(9))"):
        with tempfile.TemporaryDirectory() as folder:
            run_python(again, Path(folder))
            try:
                run_again([again], Path(folder))
            except Wrong:
                continue
            sys.exit("check_docs.py does not see what a second run does")
    guide_checks.self_test()
    named = "`core/protocol/src/code.rs::table_is_consistent` `core/protocol/src/code.rs::as_str` `no/such.rs::test`"
    if list(missing_tests(named)) != ["core/protocol/src/code.rs::as_str", "no/such.rs::test"]:
        sys.exit("check_docs.py does not see that a test is missing, or is none")
    table = "| what | test |\n| --- | --- |\n| a | `scripts/test.sh` |\n| b | `a/b.rs::c` |\n| c | `scripts/lib.rs` |\n| d | `no.sh` |\n"
    if list(bare_rows(table)) != ["c", "d"] or list(bare_rows(table.replace("| test |", "| figure |"))):
        sys.exit("check_docs.py does not see that a row names no test")
    keys = 'jwks_uri = \'https://a.example/jwks\' "jwks_uri": "https://b.example/.well-known/jwks.json"'
    keys += " see https://broker.example/jwks.json"
    if list(wrong_keys(keys)) != ["https://a.example/jwks", "https://broker.example/jwks.json"]:
        sys.exit("check_docs.py does not see that no broker has its keys there")
    try:
        whole_program("no such line", "README.md")
    except Wrong:
        return
    sys.exit("check_docs.py takes any text for an excerpt")


def key_files(folder):
    """The private keys that a page has saved, and what is in them."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.suffix in (".pem", ".key")}


def run_again(programs, folder):
    """Runs what a page shows in Python once more, in the folder of the first time; a key that is published must outlive that."""
    before = key_files(folder)
    for text in programs:
        run_python(text, folder)
    changed = [name for name, content in before.items() if key_files(folder).get(name) != content]
    if changed:
        raise Wrong(f"another key is in {', '.join(changed)} when the page is run again")


def main():
    files = [Path(name).resolve() for name in sys.argv[1:]] or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    self_test({language for file in files for _, language, *_ in blocks(file.read_text())})
    passed = failed = skipped = 0
    for file in files if sys.argv[1:] else sorted({*files, *said_to_readers()}):
        for address in wrong_keys(file.read_text()):
            failed += 1
            print(f"FAILED {file.relative_to(ROOT)}: the broker serves its keys at {KEYS_PATH}, not at {address}")
    for file in files:
        missing = list(missing_tests(file.read_text()))
        passed += len(TEST_NAME.findall(file.read_text())) - len(missing)
        for name in missing:
            failed += 1
            print(f"FAILED {file.relative_to(ROOT)}: there is no test {name}")
        for row in bare_rows(file.read_text()):
            failed += 1
            print(f"FAILED {file.relative_to(ROOT)}: no test is named for: {row}")
        for remark in guide_checks.remarks(file, file.read_text()):
            failed += 1
            print(f"FAILED {file.relative_to(ROOT)}: {remark}")
        with tempfile.TemporaryDirectory() as folder:
            programs = []
            for line, language, code, reason, excerpt in blocks(file.read_text()):
                if language not in RUN:
                    continue
                where = f"{file.relative_to(ROOT)}:{line} ({language})"
                if reason:
                    skipped += 1
                    print(f"not run {where}: {reason}")
                    continue
                try:
                    RUN[language](whole_program(code, excerpt) if excerpt else code, Path(folder))
                    passed += 1
                    if language == "python" and not excerpt:
                        programs.append(code)
                except (Wrong, subprocess.TimeoutExpired) as error:
                    failed += 1
                    print(f"FAILED {where}: {error}")
            try:
                run_again(programs, Path(folder))
            except (Wrong, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED {file.relative_to(ROOT)}, the second time: {error}")
            end_groups()
    for file in [] if sys.argv[1:] else guide_checks.readmes():
        for remark in guide_checks.remarks(file, file.read_text()):
            failed += 1
            print(f"FAILED {file.relative_to(ROOT)}: {remark}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
