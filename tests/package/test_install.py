"""`make install` and `make uninstall`: what they leave, and that programs find it in every way that is promised."""

import os
import re
import shutil
import tomllib

import pytest
from conftest import install
from tools import BUILT, ROOT, VERDICT, WARNINGS, abi, run, soname, tree, version

PROGRAM = ROOT / "examples/c/ten_lines.c"
CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(consumer C)
find_package(imagxp {wanted} CONFIG REQUIRED)
foreach(kind imagxp static)
  add_executable(with_${{kind}} "{program}")
  target_link_libraries(with_${{kind}} PRIVATE imagxp::${{kind}})
endforeach()
file(WRITE "${{CMAKE_BINARY_DIR}}/version" "${{imagxp_VERSION}}")
"""


def pkg_config(prefix, *words, libdir="lib"):
    """What pkg-config says of the installed imagxp, as words of a command line."""
    return run("pkg-config", *words, "imagxp", env={"PKG_CONFIG_PATH": prefix / libdir / "pkgconfig"}).split()


def compile_c(out, *words):
    run("cc", *WARNINGS, PROGRAM, "-o", out, *words)
    return out


def test_installs_what_the_documents_name(prefix):
    files = {path for path in tree(prefix) if not path.endswith("/")}
    manuals = {path for path in files if path.startswith("share/man/man1/imagxp")}
    assert "share/man/man1/imagxp.1" in manuals
    assert "share/man/man1/imagxp-audit-verify.1" in manuals
    assert files - manuals == {
        "bin/imagxp",
        "include/imagxp.h",
        "lib/libimagxp.a",
        "lib/libimagxp.so",
        f"lib/libimagxp.so.{abi()}",
        f"lib/libimagxp.so.{abi()}.{version()}",
        "lib/pkgconfig/imagxp.pc",
        "lib/cmake/imagxp/imagxp-config.cmake",
        "lib/cmake/imagxp/imagxp-config-version.cmake",
        "share/bash-completion/completions/imagxp",
        "share/zsh/site-functions/_imagxp",
        "share/fish/vendor_completions.d/imagxp.fish",
        "share/doc/imagxp/LICENSE",
        "share/doc/imagxp/NOTICE",
        "share/doc/imagxp/examples/imagxp.conf",
        "share/doc/imagxp/examples/imagxp.service",
        "share/doc/imagxp/third-party.txt",
        "share/doc/imagxp/imagxp-ffi.cdx.json",
        "share/doc/imagxp/imagxp-cli.cdx.json",
        "share/imagxp/installed.txt",
    }
    notices = (prefix / "share/doc/imagxp/third-party.txt").read_text()
    # Of the library, of the command line, and whole.
    assert "  p256 " in notices
    assert "  clap " in notices
    assert "Copyright (c) 2016-2021 isis agora lovecruft" in notices
    assert (prefix / "include/imagxp.h").read_text() == (ROOT / "include/imagxp.h").read_text()
    assert run(prefix / "bin/imagxp", "--version") == f"imagxp {version()}\n"


def test_the_soname_is_the_abi_number(prefix):
    name, needs = soname(prefix / "lib/libimagxp.so")
    assert name == f"libimagxp.so.{abi()}"
    # libc, and what its older versions kept outside of it.
    assert all(re.match(r"lib(c|m|gcc_s|dl|pthread|rt)\.so|ld-linux", need) for need in needs), needs
    assert os.readlink(prefix / "lib/libimagxp.so") == name
    assert os.readlink(prefix / "lib" / name) == f"{name}.{version()}"
    assert ".symtab" not in run("readelf", "-SW", prefix / "lib/libimagxp.so")


def test_pkg_config_shared(prefix, tmp_path):
    assert pkg_config(prefix, "--modversion") == [version()]
    program = compile_c(tmp_path / "program", *pkg_config(prefix, "--cflags", "--libs"))
    assert f"libimagxp.so.{abi()}" in run("readelf", "-d", program)
    assert run(program, env={"LD_LIBRARY_PATH": prefix / "lib"}) == VERDICT
    assert f"libimagxp.so.{abi()}" in run(program, ok=False, env={"LD_LIBRARY_PATH": ""})


def test_pkg_config_static_beside_the_shared(prefix, tmp_path):
    words = pkg_config(prefix, "--cflags") + pkg_config(prefix, "--variable=static_libs")
    program = compile_c(tmp_path / "program", *words)
    assert "libimagxp" not in run("readelf", "-d", program)
    assert run(program) == VERDICT


def test_pkg_config_static_alone(prefix, tmp_path):
    """Where only the archive is installed, `--static --libs` is the whole link line."""
    alone = tmp_path / "alone"
    shutil.copytree(prefix, alone, symlinks=True)
    for shared in (alone / "lib").glob("*.so*"):
        shared.unlink()
    program = compile_c(tmp_path / "program", *pkg_config(alone, "--cflags", "--static", "--libs"))
    assert run(program) == VERDICT


def test_a_program_without_any_shared_library(prefix, tmp_path):
    """The link line of the guide: a static program needs gcc_eh in the place of gcc_s."""
    include = pkg_config(prefix, "--cflags")
    program = compile_c(tmp_path / "program", *include, "-static", prefix / "lib/libimagxp.a", "-lgcc_eh", "-lm", "-lc")
    assert "NEEDED" not in run("readelf", "-d", program)
    assert run(program) == VERDICT


def test_the_link_line_is_what_rust_says(prefix, tmp_path):
    (tmp_path / "empty.rs").write_text("")
    said = run(
        "sh", "-c", f"rustc --print native-static-libs --crate-type staticlib --out-dir {tmp_path} {tmp_path}/empty.rs 2>&1"
    )
    wanted = re.search(r"native-static-libs: (.+)", said)[1].split()
    text = (prefix / "lib/pkgconfig/imagxp.pc").read_text()
    assert re.search(r"^Libs.private: (.+)$", text, re.MULTILINE)[1].split() == wanted
    config = (prefix / "lib/cmake/imagxp/imagxp-config.cmake").read_text()
    assert re.search(r'INTERFACE_LINK_LIBRARIES "(.+)"', config)[1].split(";") == [word.removeprefix("-l") for word in wanted]


def cmake(prefix, folder, wanted="", ok=True):
    """Configures and builds a consumer of the CMake package."""
    (folder / "CMakeLists.txt").write_text(CMAKE.format(wanted=wanted, program=PROGRAM))
    said = run("cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}", ok=ok)
    if ok:
        run("cmake", "--build", folder / "build")
    return said


def test_cmake_shared_and_static(prefix, tmp_path):
    cmake(prefix, tmp_path, wanted="0.1")
    build = tmp_path / "build"
    assert (build / "version").read_text() == version()
    assert f"libimagxp.so.{abi()}" in run("readelf", "-d", build / "with_imagxp")
    assert "libimagxp" not in run("readelf", "-d", build / "with_static")
    assert run(build / "with_imagxp") == VERDICT
    assert run(build / "with_static") == VERDICT


@pytest.mark.parametrize("wanted", ["0.2", "1.0", "0.1.999", "0.0"])
def test_cmake_refuses_another_version(prefix, tmp_path, wanted):
    assert "imagxp" in cmake(prefix, tmp_path, wanted=wanted, ok=False)


def test_manual_pages_render(prefix):
    pages = sorted((prefix / "share/man/man1").iterdir())
    assert len(pages) > 30
    for page in pages:
        # The formatter has no complaint that a reader would see; where a line may break is its own business.
        said = run("mandoc", "-T", "lint", "-W", "error", page)
        assert not said, said
    shown = run("man", "-l", prefix / "share/man/man1/imagxp-audit-verify.1", env={"MANPAGER": "cat", "MANWIDTH": "100"})
    assert "imagxp-audit-verify" in shown
    assert f"imagxp {version()}" in shown


def test_completions_load(prefix):
    script = prefix / "share/bash-completion/completions/imagxp"
    words = "COMP_WORDS=(imagxp aud); COMP_CWORD=1; _imagxp imagxp aud imagxp; echo ${COMPREPLY[*]}"
    assert run("bash", "-c", f"source {script}; {words}").split() == ["audit"]


def test_the_prefix_may_be_moved(tmp_path):
    install(tmp_path / "first")
    moved = tmp_path / "other place"
    (tmp_path / "first").rename(moved)
    # pkg-config quotes a space with a backslash, as shells read it.
    flags = run("pkg-config", "--cflags", "--libs", "imagxp", env={"PKG_CONFIG_PATH": moved / "lib/pkgconfig"})
    program = tmp_path / "program"
    run("sh", "-c", f"cc {PROGRAM} -o {program} {flags}")
    assert run(program, env={"LD_LIBRARY_PATH": moved / "lib"}) == VERDICT
    assert run(moved / "bin/imagxp", "--version") == f"imagxp {version()}\n"
    cmake(moved, tmp_path)
    assert run(tmp_path / "build/with_static") == VERDICT


def test_another_libdir(tmp_path):
    """As Debian has it: two folders deep."""
    prefix = tmp_path / "opt"
    libdir = "lib/x86_64-linux-gnu"
    install(prefix, LIBDIR=libdir)
    assert not list((prefix / "lib").glob("*.so*"))
    program = compile_c(tmp_path / "program", *pkg_config(prefix, "--cflags", "--libs", libdir=libdir))
    assert run(program, env={"LD_LIBRARY_PATH": prefix / libdir}) == VERDICT
    (tmp_path / "CMakeLists.txt").write_text(CMAKE.format(wanted="", program=PROGRAM))
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-Dimagxp_DIR={prefix / libdir / 'cmake/imagxp'}")
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build/with_imagxp") == VERDICT


def test_destdir_is_in_no_file(tmp_path):
    install("/usr", DESTDIR=tmp_path / "stage")
    usr = tmp_path / "stage/usr"
    assert (usr / "lib/pkgconfig/imagxp.pc").read_text().startswith("prefix=/usr\n")
    for path in usr.rglob("*"):
        if path.is_file():
            assert b"stage" not in path.read_bytes() or path.name in ("imagxp", "libimagxp.a"), path
            assert str(tmp_path).encode() not in path.read_bytes(), path
    uninstall("/usr", DESTDIR=tmp_path / "stage")
    assert tree(tmp_path / "stage") == {"usr/"}


def uninstall(prefix, ok=True, **more):
    variables = [f"{name}={value}" for name, value in {"PREFIX": prefix, **more}.items()]
    return run("make", "-s", "-C", ROOT, "uninstall", *variables, ok=ok)


def test_uninstall_leaves_what_was_there(tmp_path):
    prefix = tmp_path / "opt"
    for folder in ("include", "lib/cmake", "share/man/man1"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "lib/libother.so.1").write_text("not ours")
    before = tree(prefix)
    install(prefix)
    # A second installation takes nothing for its own that was there before the first.
    install(prefix)
    assert len(tree(prefix)) > len(before) + 40
    uninstall(prefix)
    assert tree(prefix) == before
    assert "nothing to remove" in uninstall(prefix)


def test_an_update_removes_what_is_no_more(tmp_path):
    prefix = tmp_path / "opt"
    install(prefix)
    old = prefix / "share/man/man1/imagxp-gone.1"
    old.write_text("a page of an older version")
    installed = prefix / "share/imagxp/installed.txt"
    installed.write_text(installed.read_text() + "share/man/man1/imagxp-gone.1\n")
    install(prefix)
    assert not old.exists()
    assert (prefix / "bin/imagxp").exists()


@pytest.mark.parametrize("line", ["/etc/passwd", "../victim", "share/../../victim", "lib/.."])
def test_a_list_that_leads_outside_is_not_followed(tmp_path, line):
    prefix = tmp_path / "opt"
    (prefix / "share/imagxp").mkdir(parents=True)
    (prefix / "share/imagxp/installed.txt").write_text(f"{line}\n")
    (tmp_path / "victim").write_text("still here")
    assert "damaged" in uninstall(prefix, ok=False)
    assert (tmp_path / "victim").exists()


def test_a_relative_prefix_is_refused():
    run("make", "-s", "-C", ROOT, "install", "PREFIX=relative", ok=False, env={"IMAGXP_BUILT": BUILT})
    assert not (ROOT / "relative").exists()


def test_a_running_program_keeps_its_library(tmp_path):
    """The file is replaced, not written over: a process that has it mapped would die of that."""
    prefix = tmp_path / "opt"
    install(prefix)
    library = prefix / f"lib/libimagxp.so.{abi()}.{version()}"
    with library.open("rb") as held:
        first = os.fstat(held.fileno()).st_ino
        install(prefix)
        assert library.stat().st_ino != first
        assert held.read(4) == b"\x7fELF"


def test_cargo_c_metadata():
    """What `cargo cinstall` reads: it makes the SONAME from the library's version, and insists on the feature."""
    manifest = tomllib.loads((ROOT / "ffi/Cargo.toml").read_text())
    capi = manifest["package"]["metadata"]["capi"]
    assert capi["library"] == {"name": "imagxp", "version": f"{abi()}.0.0", "version_suffix_components": 1}
    assert capi["library"]["name"] == manifest["lib"]["name"] == capi["pkg_config"]["filename"]
    assert capi["header"] == {"name": "imagxp", "subdirectory": False, "generation": False}
    assert [(ROOT / "ffi" / asset["from"]).resolve() for asset in capi["install"]["include"]["asset"]] == [
        ROOT / "include/imagxp.h"
    ]
    assert manifest["features"]["capi"] == []
    assert f"Description: {capi['pkg_config']['description']}\n" in (ROOT / "ffi/imagxp.pc.in").read_text()
