#!/usr/bin/env python3
"""What an older header promised, compared with what a newer one keeps.

Usage: abi.py compare OLD.h NEW.h        says what broke and ends with 1, or says nothing
       abi.py stub HEADER OUT.so SONAME  a library that has the functions of a header and does nothing: to link against, and for abidiff
       abi.py released                   the tag of the last release; nothing when there is none

The comparison is done by the C compiler: a program includes the newer header and asserts that each function, type and number of the
older one is still what it was. Standard library and cc only.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A new ABI number is how a break is announced; within one ABI it is the same anyway.
OWN = {"IMAGXP_ABI_VERSION"}


class Header:
    """The declarations of an imagxp.h, as text."""

    def __init__(self, text):
        code = re.sub(r"/\*.*?\*/", "", re.sub(r"//[^\n]*", "", text), flags=re.DOTALL)
        self.constants = {
            name: value.strip()
            for name, value in re.findall(r"^#define (IMAGXP_\w+) (.+)$", code, re.MULTILINE)
            if name != "IMAGXP_STATIC_ASSERT"
        }
        self.opaque = re.findall(r"^typedef struct (imagxp_\w+) \1;", code, re.MULTILINE)
        self.structs = {
            name: re.findall(r"([\w *]+?)(\w+);", fields)
            for fields, name in re.findall(r"^typedef struct \{([^}]*)\} (imagxp_\w+);", code, re.MULTILINE)
        }
        self.numbers = {name: kind for kind, name in re.findall(r"^typedef (\w+) (imagxp_\w+);", code, re.MULTILINE)}
        self.callbacks = {
            name: (result.strip(), " ".join(arguments.split()))
            for result, name, arguments in re.findall(r"^typedef ([\w *]+)\(\*(imagxp_\w+)\)\(([^)]*)\);", code, re.MULTILINE)
        }
        self.functions = {
            name: (result.strip(), " ".join(arguments.split()))
            for result, name, arguments in re.findall(r"^(?!typedef)([\w *]+?)(imagxp_\w+)\(([^)]*)\);", code, re.MULTILINE)
        }
        # Each code's comment begins with its dotted string: "// `replay.nonce_seen`, http 409: ...".
        self.codes = [
            (dotted, int(number))
            for dotted, number in re.findall(r"^// `([a-z_]+\.[a-z_]+)`[^\n]*\n#define IMAGXP_\w+ (\d+)$", text, re.MULTILINE)
        ]
        if len(self.functions) < 50 or len(self.codes) < 20 or not self.structs or not self.callbacks:
            sys.exit("this header is not read right")


def assertions(old, new_path):
    """A C program that compiles when the header at `new_path` keeps what `old` promised."""

    def was(text):
        return re.sub(r"\bimagxp_", "old_imagxp_", text)

    def same(kind, other, what):
        return f'_Static_assert(__builtin_types_compatible_p({kind}, {other}), "{what}");'

    lines = [f'#include "{new_path}"']
    for name in old.opaque:
        lines += [f"typedef {name} old_{name};", same(f"{name} *", f"struct {name} *", f"{name} is another handle")]
    for name, fields in old.structs.items():
        # The struct itself is the same for the functions below; what it holds is compared here.
        body = "".join(f"{kind}{field};" for kind, field in fields)
        lines += [f"typedef struct {{ {body} }} layout_{name};", f"typedef {name} old_{name};"]
        lines.append(f'_Static_assert(sizeof({name}) == sizeof(layout_{name}), "{name} has another size");')
        for _, field in fields:
            place = f"offsetof({name}, {field}) == offsetof(layout_{name}, {field})"
            lines.append(f'_Static_assert({place}, "{name}.{field} has moved");')
            kinds = (f"__typeof__((({s} *)0)->{field})" for s in (name, f"layout_{name}"))
            lines.append(same(*kinds, f"{name}.{field} has another type"))
    for name, kind in old.numbers.items():
        lines += [f"typedef {kind} old_{name};", same(name, f"old_{name}", f"{name} is another type")]
    for name, (result, arguments) in old.callbacks.items():
        lines.append(f"typedef {was(result)} (*old_{name})({was(arguments)});")
        lines.append(same(name, f"old_{name}", f"{name} is called in another way"))
    for name, (result, arguments) in old.functions.items():
        # Where the declaration has been removed, the compiler says so by the function's name.
        lines.append(same(f"__typeof__({name})", f"{was(result)}({was(arguments)})", f"{name} is called in another way"))
    for name, value in old.constants.items():
        if name not in OWN:
            lines.append(f'_Static_assert(({name}) == ({value}), "{name} was {value}");')
    return "\n".join(lines) + "\n"


def codes_broken(old, new):
    """What is wrong with the dotted codes and their numbers: each belongs to one other, for ever."""
    for older, number in sorted(set(old.codes) - set(new.codes)):
        yield f"`{older}` was {number}"
    names, numbers = {}, {}
    for dotted, number in new.codes:
        if names.setdefault(number, dotted) != dotted:
            yield f"{number} means `{names[number]}` and `{dotted}`"
        if numbers.setdefault(dotted, number) != number:
            yield f"`{dotted}` is {numbers[dotted]} and {number}"


def compare(old_path, new_path):
    """Everything that the newer header breaks, a line each."""
    old, new = (Header(Path(path).read_text()) for path in (old_path, new_path))
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "compare.c"
        program.write_text(assertions(old, Path(new_path).resolve()))
        command = ["cc", "-std=gnu11", "-Wall", "-fsyntax-only", "-fmax-errors=0", str(program)]
        done = subprocess.run(command, capture_output=True, text=True)
    broken = [line.split("error: ", 1)[1] for line in done.stderr.splitlines() if "error: " in line]
    if done.returncode != 0 and not broken:
        broken = [done.stderr]
    return broken + list(codes_broken(old, new))


def stub(header, out, soname):
    """Compiles a library with the functions of a header, and what they say of types in its debug information."""
    lines = [f'#include "{Path(header).resolve()}"']
    for name, (result, arguments) in Header(Path(header).read_text()).functions.items():
        lines.append(f"{result} {name}({arguments}) {{ __builtin_trap(); }}")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "stub.c"
        program.write_text("\n".join(lines) + "\n")
        command = [
            "cc",
            "-std=gnu11",
            "-g",
            "-O0",
            "-w",
            "-shared",
            "-fPIC",
            f"-Wl,-soname,{soname}",
            str(program),
            "-o",
            str(out),
        ]
        subprocess.run(command, check=True)


def released(root=ROOT):
    """The tag of the last release, `v` and a version; None when there is none, or no history."""
    done = subprocess.run(
        ["git", "-C", str(root), "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"], capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else None


def main():
    match sys.argv[1:]:
        case ["compare", old, new]:
            broken = compare(old, new)
            print("\n".join(broken), end="\n" if broken else "")
            sys.exit(bool(broken))
        case ["stub", header, out, soname]:
            stub(header, out, soname)
        case ["released"]:
            print(released() or "")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
