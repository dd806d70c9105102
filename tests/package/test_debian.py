"""The Debian packages: built, without a complaint of lintian, and installed into a Debian that has nothing else.

The nginx module is packaged when `scripts/nginx.sh build` has made one, as `scripts/package.sh test` lets it.
"""

import os
import re
import shutil
import subprocess

import pytest
from tools import BUILT, ROOT, TARGET, VERDICT, WARNINGS, abi, run, tree, version

TRIPLET = run("gcc", "-print-multiarch").strip()
MODULE = (TARGET / "nginx/modules-release/ngx_http_imagxp_module.so").exists()
NAMES = [f"libimagxp{abi()}", "libimagxp-dev", "imagxp", *(["libnginx-mod-http-imagxp"] if MODULE else [])]
DATA = ROOT / "tests/c/data"


@pytest.fixture(scope="session")
def packages():
    """The packages by name; they are left in target/deb."""
    if not shutil.which("dpkg-buildpackage"):
        pytest.skip("this machine is no Debian")
    # Whoever ships them compresses them well; these are installed once.
    run(ROOT / "packaging/debian.sh", env={"IMAGXP_BUILT": BUILT, "DPKG_DEB_COMPRESSOR_LEVEL": 0}, seconds=600)
    built = {path.name.split("_")[0]: path for path in (TARGET / "deb").glob("*.deb")}
    assert sorted(built) == sorted(NAMES)
    return built


@pytest.fixture(scope="session")
def clean(tmp_path_factory):
    """A Debian without any of our packages; tests install into it and purge from it."""
    folder = tmp_path_factory.mktemp("clean") / "root"
    with_nginx = ["nginx"] if MODULE else []
    command = [str(ROOT / "scripts/package.sh"), "root", str(folder), *with_nginx]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    # On CI only the mirror may be out of reach: that is no fault of the packages.
    demanded = os.environ.get("CI") and os.geteuid() == 0 and shutil.which("dpkg") and "could not be fetched" not in done.stderr
    if done.returncode == 3 and not demanded:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    shutil.rmtree(folder)


def inside(root, *command, ok=True):
    """Runs a program in the clean Debian, with an environment of its own."""
    return run("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "chroot", root, *command, ok=ok)


def add(root, packages, *names, ok=True):
    for name in names:
        shutil.copy(packages[name], root / "root")
    said = inside(root, "dpkg", "-i", *(f"/root/{packages[name].name}" for name in names), ok=ok)
    for name in names:
        (root / "root" / packages[name].name).unlink()
    return said


@pytest.fixture
def installed(clean, packages):
    """The clean Debian with all packages, which are purged afterwards; nothing may stay behind."""
    before = tree(clean)
    add(clean, packages, *NAMES)
    yield clean
    inside(clean, "dpkg", "--purge", *reversed(NAMES))
    # What dpkg, ldconfig and nginx (which `nginx -t` has started for the first time) remember of themselves is not ours.
    own = ("var/lib/dpkg/", "var/log/", "var/cache/ldconfig/", "var/lib/nginx/", "run/nginx.pid")
    assert {path for path in tree(clean) ^ before if not path.startswith(own)} == set()


def test_lintian_has_no_complaint(packages):
    changes = next((TARGET / "deb").glob("*.changes"))
    # Whoever uploads to Debian for the first time closes a bug there; nobody has.
    run("lintian", "--fail-on", "error,warning", "--suppress-tags", "initial-upload-closes-no-bugs", "--allow-root", changes)


def test_the_names_and_what_they_need(packages):
    def field(name, which):
        return run("dpkg-deb", "-f", packages[name], which).strip()

    library = f"libimagxp{abi()}"
    assert field("libimagxp-dev", "Depends") == f"{library} (= {field(library, 'Version')})"
    assert field(library, "Version").startswith(f"{version()}-")
    assert field(library, "Multi-Arch") == "same"
    # Nothing but the C library and what unwinds.
    assert {need.split()[0] for need in field(library, "Depends").split(", ")} == {"libc6", "libgcc-s1"}
    assert library not in field("imagxp", "Depends")
    shlibs = run("dpkg-deb", "-I", packages[library], "symbols")
    assert shlibs.startswith(f"libimagxp.so.{abi()} {library} #MINVER#\n")
    assert f" imagxp_publisher_verify@Base {version()}" in shlibs


def test_each_package_says_what_is_linked_into_it(packages):
    for name, path in packages.items():
        crate = "imagxp-cli" if name == "imagxp" else "imagxp-ffi"
        files = {line.split()[-1].removesuffix(".gz") for line in run("dpkg-deb", "-c", path).splitlines()}
        # By architecture: two of `Multi-Arch: same` may have nothing of different content under one name.
        for what in ("NOTICE", f"third-party.{TRIPLET}.txt", f"{crate}.{TRIPLET}.cdx.json"):
            assert f"./usr/share/doc/{name}/{what}" in files, (name, what)
        assert not [path for path in files if ("third-party" in path or "cdx.json" in path) and TRIPLET not in path]


def test_the_list_of_symbols_is_checked(tmp_path):
    """A symbol that the library lacks, or that the list lacks, stops the build of the package."""
    listed = (ROOT / f"packaging/debian/libimagxp{abi()}.symbols").read_text()
    run(ROOT / "packaging/symbols.py", "--check")
    lines = listed.splitlines(keepends=True)
    # dpkg-gensymbols takes the SONAME from the library and the package from the list.
    for text, ok in [
        (listed, True),
        (listed + f" imagxp_gone@Base {version()}\n", False),
        ("".join(line for line in lines if "imagxp_publisher_verify@" not in line), False),
    ]:
        (tmp_path / "symbols").write_text(text)
        words = [f"-plibimagxp{abi()}", f"-e{BUILT / 'libimagxp.so'}", f"-I{tmp_path / 'symbols'}", f"-v{version()}-1", "-c4"]
        run("dpkg-gensymbols", *words, f"-O{tmp_path / 'out'}", cwd=ROOT / "packaging", ok=ok)


def test_installs_runs_and_leaves_nothing(installed, tmp_path):
    assert inside(installed, "imagxp", "--version") == f"imagxp {version()}\n"
    script = "imagxp keygen --out a.pem && imagxp sign --key a.pem --agent-id bot.example.com --purpose SUMMARY --url https://p.example/"
    assert "x-imagxp-payload" in inside(installed, "sh", "-euc", f"cd $(mktemp -d) && {script}")
    shutil.rmtree(next((installed / "tmp").glob("tmp.*")))
    # The pages are there, compressed as Debian wants it, unless the root leaves out all of them.
    assert (installed / "usr/share/man/man1/imagxp-verify.1.gz").exists()
    assert "libimagxp" not in inside(installed, "ldd", "/usr/bin/imagxp")
    assert "not found" not in inside(installed, "ldd", f"/usr/lib/{TRIPLET}/libimagxp.so.{abi()}")


def test_a_program_compiled_against_the_packages_runs_there(installed):
    """Header and link come from libimagxp-dev as it is installed; the program needs libimagxp1 only."""
    lib = installed / "usr/lib" / TRIPLET
    system = {"PKG_CONFIG_LIBDIR": lib / "pkgconfig", "PKG_CONFIG_PATH": ""}
    assert run("pkg-config", "--cflags", "--libs", "imagxp", env=system).split() == ["-limagxp"]
    found = run("pkg-config", "--variable=static_libs", "imagxp", env=system).split()
    assert found[0] == f"/usr/lib/{TRIPLET}/libimagxp.a"
    programs = installed / "root"
    for name in ("ten_lines", "verify"):
        source = ROOT / f"examples/c/{name}.c"
        run("cc", *WARNINGS, f"-I{installed}/usr/include", source, "-o", programs / name, f"-L{lib}", "-limagxp")
    static = [f"{installed}{found[0]}", *found[1:]]
    run("cc", f"-I{installed}/usr/include", ROOT / "examples/c/ten_lines.c", "-o", programs / "static", *static)
    for name in ("policy.json", "manifest.json", "request.http"):
        shutil.copy(DATA / name, programs)
    try:
        assert inside(installed, "/root/ten_lines") == VERDICT
        assert inside(installed, "/root/static") == VERDICT
        assert f"libimagxp.so.{abi()} => /lib/{TRIPLET}/libimagxp.so.{abi()}" in inside(installed, "ldd", "/root/ten_lines")
        arguments = ["/root/policy.json", "/root/manifest.json", "/root/request.http", (DATA / "now").read_text().strip()]
        assert inside(installed, "/root/verify", *arguments) == "200 agent.example\n"
    finally:
        for path in programs.iterdir():
            if path.name in ("ten_lines", "verify", "static", "policy.json", "manifest.json", "request.http"):
                path.unlink()


def first(language):
    """The first block of a language in the guide."""
    return re.search(rf"^```{language}\n(.*?)^```$", (ROOT / "docs/guide-nginx.md").read_text(), re.MULTILINE | re.DOTALL)[1]


@pytest.mark.skipif(not MODULE, reason="scripts/nginx.sh has built no module")
def test_nginx_takes_the_guides_first_configuration(installed):
    # Absolute, as Debian makes them: from outside it leads elsewhere.
    assert (installed / "etc/nginx/modules-enabled/50-mod-http-imagxp.conf").is_symlink()
    inside(installed, "nginx", "-t")
    etc = installed / "etc"
    before = tree(etc)
    # Who installs the package with apt has it.
    bundle = etc / "ssl/certs/ca-certificates.crt"
    try:
        if not bundle.exists():
            bundle.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy("/etc/ssl/certs/ca-certificates.crt", bundle)
        inside(installed, "sh", "-euc", "\n".join(line for line in first("sh").splitlines() if line.startswith("cp ")))
        (etc / "nginx/imagxp").mkdir()
        (etc / "nginx/imagxp/policy.toml").write_text(first("toml"))
        (etc / "nginx/conf.d/imagxp.conf").write_text(first("nginx"))
        inside(installed, "nginx", "-t")
        # The module is there: without it the directive is unknown. Loaded once more it stops nginx, as the guide says.
        again = inside(installed, "nginx", "-t", "-g", "load_module modules/ngx_http_imagxp_module.so;", ok=False)
        assert "is already loaded" in again
    finally:
        for path in sorted(tree(etc) - before, reverse=True):
            (etc / path).rmdir() if path.endswith("/") else (etc / path).unlink()


def test_development_files_need_their_library(clean, packages):
    said = add(clean, packages, "libimagxp-dev", ok=False)
    assert f" depends on libimagxp{abi()} (= {version()}-" in said
    inside(clean, "dpkg", "--purge", "libimagxp-dev")
