"""All mutants of cargo-mutants' list in one build: what is listed, the tree they are woven into, its tests. For scripts/mutants.py."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
OUT = TARGET / "mutants"
TREE = OUT / "tree"
LIBRARIES = {"imagxp": "core/protocol/src/lib.rs", "imagxp-broker": "core/broker/src/lib.rs"}
# What takes minutes and decides nothing that the others do not: campaigns, models of threads, benchmarks of memory.
LEFT_OUT = {"endurance", "models", "mutation", "allocations", "docs"}
# cargo-mutants moves `<=` to `>` only; the edge itself is what a limit is about.
EDGES = {("<=", ">"): "<", (">=", "<"): ">"}
OPERATOR = re.compile(r"replace (\S+) with (\S+)( in .*)?$")
CONSTANT = re.compile(r"non-const (?:associated function|function|method) `(?:[^`]*::)?(\w+)(?:::<[^`]*>)?`")
# A mutant is built for one run: what a debugger would need is left out. The same cases of property tests for each.
ENVIRONMENT = {
    **os.environ,
    "CARGO_TARGET_DIR": str(OUT / "build"),
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_PROFILE_TEST_DEBUG": "0",
    "CARGO_INCREMENTAL": "1",
    "PROPTEST_RNG_SEED": "1",
    "PROPTEST_CASES": "64",
    "IMAGXP_VECTORS": os.environ.get("IMAGXP_VECTORS", str(ROOT.parent / "shared" / "vectors")),
}


def listed(parts):
    """cargo-mutants' list of the files of each part, with the edges: a row for each mutant, numbered."""
    rows = []
    for part, (package, places) in parts.items():
        files = [
            file
            for place in places
            for file in (sorted((ROOT / place).rglob("*.rs")) if not place.endswith(".rs") else [ROOT / place])
        ]
        taken = {row["file"] for row in rows}
        chosen = [word for file in files for word in ("--file", str(file.relative_to(ROOT)))]
        command = ["cargo", "mutants", "--list", "--json", "--package", package, *chosen]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for row in json.loads(found):
            if row["file"] in taken:
                continue
            line = (ROOT / row["file"]).read_text().splitlines()[row["span"]["start"]["line"] - 1].strip()
            row = {**row, "part": part, "line": line}
            rows.append(row)
            operator = OPERATOR.search(row["name"])
            if row["genre"] == "BinaryOperator" and operator and operator.group(1, 2) in EDGES:
                edge = EDGES[operator.group(1, 2)]
                name = row["name"].replace(f"replace {operator[1]} with {operator[2]}", f"replace {operator[1]} with {edge}")
                rows.append({**row, "name": name, "replacement": edge})
    for number, row in enumerate(rows):
        row["number"] = number
    return rows


def copy_tree():
    """What git knows, as it is here and no more; what has not changed keeps its time."""
    known = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = known.stdout.splitlines()
    for old in (TREE / "core").rglob("*.rs"):
        if str(old.relative_to(TREE)) not in names:
            old.unlink()
    for name in names:
        source, copy = ROOT / name, TREE / name
        if not source.is_file() or (copy.exists() and copy.stat().st_mtime == source.stat().st_mtime):
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, copy)


def weave(rows, unviable, constant):
    """Writes the woven files; where each mutant is in them, and those that no switch can be given, with their reason."""
    # A file whose last mutant turned out to be no program is written again, without any.
    files = {row["file"]: [] for row in rows}
    for row in rows:
        if row["number"] in unviable:
            continue
        start = row["span"]["start"]
        mutant = {"number": row["number"], "genre": row["genre"], "start": start, "replacement": row["replacement"]}
        files[row["file"]].append(mutant)
    plan = {
        "from": str(ROOT),
        "to": str(TREE),
        "numbers": 1 + max(row["number"] for row in rows),
        "libraries": list(LIBRARIES.values()),
        "files": files,
        "constant": sorted(constant),
    }
    weaver = ["cargo", "run", "--quiet", "--locked", "-p", "imagxp-mutants"]
    done = subprocess.run(weaver, cwd=ROOT, input=json.dumps(plan), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: the mutants could not be woven\n{done.stderr}")
    answer = json.loads(done.stdout)
    return answer, {int(number): reason for number, reason in answer["left"].items()}


def blamed(message, answer):
    """The mutants that a message of the compiler is about."""
    for kind in ("pieces", "around"):
        for span in sorted(message["spans"], key=lambda each: not each["is_primary"]):
            inside = [
                piece
                for piece in answer[kind].get(span["file_name"], [])
                if piece["start"] <= span["byte_start"] and span["byte_end"] <= piece["end"]
            ]
            if inside:
                least = min(piece["end"] - piece["start"] for piece in inside)
                return {piece["number"] for piece in inside if piece["end"] - piece["start"] == least}
    return set()


def compiled(command):
    """What cargo says, message by message."""
    done = subprocess.run(
        [*command, "--message-format=json"], cwd=TREE, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    return done, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def viable(rows):
    """Weaves until it compiles: the mutants that do, those that are no program, and those that no switch can be given."""
    constant, unviable = set(), {}
    packages = sorted({row["package"] for row in rows})
    while True:
        answer, left = weave(rows, unviable, constant)
        done, messages = compiled(["cargo", "check", "--quiet", "--locked", *(f"-p{name}" for name in packages), "--lib"])
        if done.returncode == 0:
            tried = [row for row in rows if row["number"] not in unviable and row["number"] not in left]
            return tried, unviable, left
        errors = [
            each["message"]
            for each in messages
            if each.get("reason") == "compiler-message" and each["message"]["level"] == "error"
        ]
        known = len(unviable) + len(constant)
        for error in errors:
            if (error.get("code") or {}).get("code") == "E0015" and (found := CONSTANT.search(error["message"])):
                constant.add(found[1])
                continue
            for number in blamed(error, answer):
                unviable[number] = error["message"]
        print(f"mutants: {len(unviable)} do not compile, {len(constant)} functions stay const", flush=True)
        if len(unviable) + len(constant) == known:
            raise SystemExit("error: the woven sources do not compile\n" + "\n".join(each["rendered"] for each in errors[:3]))


def programs(packages):
    """The test programs of the packages, by the folder they run in."""
    found = []
    for package in packages:
        folder = (TREE / LIBRARIES[package]).parent.parent
        tests = sorted(
            {path.stem for path in (folder / "tests").glob("*.rs")}
            | {path.parent.name for path in (folder / "tests").glob("*/main.rs")}
        )
        chosen = [f"--test={name}" for name in tests if name not in LEFT_OUT]
        done, messages = compiled(["cargo", "test", "--quiet", "--locked", "--no-run", "-p", package, "--lib", *chosen])
        if done.returncode:
            raise SystemExit(f"error: the tests of {package} do not build\n{done.stderr[-3000:]}")
        found += [(each["executable"], folder) for each in messages if each.get("executable") and each["profile"]["test"]]
    return found
