//! `include/imagxp.h` is what the sources say, compiles alone, and documents everything.
//!
//! `UPDATE=1 cargo test -p imagxp-ffi --test header` rewrites it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The sources in the order in which a reader meets them in the header.
const NOUNS: &[&str] = &[
    "version",
    "status",
    "bytes",
    "error",
    "key",
    "public_key",
    "purpose",
    "agent_id",
    "identity",
    "sign",
    "headers",
    "manifest",
    "policy",
    "policy_text",
    "replay",
    "rate",
    "options",
    "publisher",
    "request",
    "batch",
    "explain",
    "verdict",
    "need",
    "redemption",
    "token",
    "audit",
    "evidence",
    "visa",
    "discovery",
    "json",
    "digest",
    "content_origin",
    "provenance",
    "feedback",
    "address",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn header() -> String {
    fs::read_to_string(root().join("include/imagxp.h")).expect("include/imagxp.h")
}

fn source(noun: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(noun).with_extension("rs")
}

/// Every `extern "C"` function of the sources.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for noun in NOUNS {
        for line in fs::read_to_string(source(noun)).expect(noun).lines() {
            if let Some((_, rest)) = line.split_once("extern \"C\" fn imagxp_") {
                let name = rest.split(['(', '<']).next().expect("a name");
                names.insert(format!("imagxp_{name}"));
            }
        }
    }
    names
}

#[test]
fn is_generated_from_the_sources() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(manifest.join("cbindgen.toml")).expect("cbindgen.toml");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for noun in NOUNS {
        builder = builder.with_src(source(noun));
    }
    let mut generated = Vec::new();
    builder.generate().expect("a header").write(&mut generated);
    let generated = String::from_utf8(generated).expect("text");
    assert!(generated.is_ascii(), "some compilers warn of anything else");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(root().join("include/imagxp.h"), &generated).expect("write");
    }
    assert!(
        generated == header(),
        "include/imagxp.h is out of date: run UPDATE=1 cargo test -p imagxp-ffi --test header"
    );
}

#[test]
fn nouns_are_all_the_sources() {
    let internal = ["lib", "boundary", "handle", "random"];
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("src");
    for file in files {
        let path = file.expect("an entry").path();
        let noun = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        assert!(
            internal.contains(&noun.as_str()) || NOUNS.contains(&noun.as_str()),
            "`{noun}` is missing in NOUNS"
        );
    }
}

#[test]
fn compiles_alone_as_c_and_as_cpp() {
    for (compiler, language, standard) in [("cc", "c", "-std=c11"), ("c++", "c++", "-std=c++17")] {
        let done = Command::new(compiler)
            .args(["-x", language, standard, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"])
            .arg(root().join("include/imagxp.h"))
            .output()
            .unwrap_or_else(|error| panic!("{compiler}: {error}"));
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{compiler}: {errors}");
    }
}

/// Every function, constant and type has a comment directly above it.
#[test]
fn documents_everything() {
    let header = header();
    let lines: Vec<&str> = header.lines().collect();
    let mut functions = 0;
    for (index, line) in lines.iter().enumerate() {
        let own = line.starts_with("#define IMAGXP_")
            && !line.ends_with("IMAGXP_H")
            && !line.contains("STATIC_ASSERT");
        let starts = own
            || line.starts_with("typedef ")
            || (line.contains("imagxp_")
                && line.contains('(')
                && line.starts_with(|c: char| c.is_ascii_lowercase()));
        if !starts {
            continue;
        }
        let above = index.checked_sub(1).and_then(|above| lines.get(above)).copied().unwrap_or_default();
        let documented = above.trim_start().starts_with("//") || above.trim_end().ends_with("*/");
        assert!(documented, "line {}: no comment above `{line}`", index + 1);
        functions += usize::from(line.contains('(') && !line.starts_with("typedef"));
    }
    assert_eq!(functions, exported().len(), "functions in the header and in the sources");
}

/// tests/surface.json names every function that does something; only the plumbing of handles needs no mention.
#[test]
fn surface_lists_every_function_once() {
    let text = fs::read_to_string(root().join("tests/surface.json")).expect("tests/surface.json");
    let names = exported();
    // The names are plain identifiers in quotes, so no JSON reader is needed to find them.
    let c_name = |part: &&str| part.starts_with("imagxp_") && !part.contains("::");
    let listed: Vec<&str> = text.split('"').filter(c_name).collect();
    for name in &listed {
        assert!(names.contains(*name), "surface.json names `{name}`, which is not exported");
    }
    let plumbing = |name: &str| {
        name.ends_with("_free")
            || name.starts_with("imagxp_error_")
            || name == "imagxp_slice_of"
            || name.ends_with("_options_new")
    };
    let missing: Vec<&String> =
        names.iter().filter(|name| !plumbing(name) && !listed.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "surface.json lacks {missing:?}");
}

/// A code that the core gains must get its name in C too.
#[test]
fn names_every_code() {
    let header = header();
    for code in imagxp::Code::ALL {
        let name = code.as_str().replace('.', "_").to_uppercase();
        let line = format!("#define IMAGXP_{name} {}\n", code.number());
        assert!(header.contains(&line), "src/status.rs lacks `{}`", line.trim_end());
    }
}
