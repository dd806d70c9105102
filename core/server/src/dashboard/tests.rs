use super::*;
use axum::body::to_bytes;

async fn get(version: &str, name: &str, headers: HeaderMap) -> Response {
    match asset(Path((version.to_owned(), name.to_owned())), headers).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn body(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

fn header_of<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
    response.headers().get(name).unwrap().to_str().unwrap()
}

#[test]
fn every_file_of_the_folder_is_served() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".rs") && name != "index.html")
        .collect();
    let mut served: Vec<String> = assets().map(|asset| asset.name.to_owned()).collect();
    there.sort();
    served.sort();
    assert_eq!(there, served);
    for asset in assets() {
        assert!(!asset.bytes.is_empty(), "{}", asset.name);
        assert!(asset.bytes.iter().filter(|byte| **byte == b'\n').count() <= 400, "{}", asset.name);
    }
}

#[tokio::test]
async fn the_page_is_asked_for_anew_and_its_files_are_kept() {
    let response = page(HeaderMap::new()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header_of(&response, &header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(header_of(&response, &header::CACHE_CONTROL), "no-cache");
    let tag = response.headers()[header::ETAG].clone();
    let page_text = body(response).await;
    let version = &BUILT.version;
    assert!(page_text.contains(&format!("src=\"/imagxp/dashboard/assets/{version}/main.js\"")));
    assert!(!page_text.contains("{{"), "a mark is left");

    let script = get(version, "main.js", HeaderMap::new()).await;
    assert_eq!(script.status(), StatusCode::OK);
    assert_eq!(header_of(&script, &header::CONTENT_TYPE), "text/javascript; charset=utf-8");
    assert_eq!(header_of(&script, &header::CACHE_CONTROL), "public, max-age=31536000, immutable");
    let script_tag = script.headers()[header::ETAG].clone();
    assert_ne!(tag, script_tag);

    let mut known = HeaderMap::new();
    known.insert(header::IF_NONE_MATCH, tag);
    let again = page(known.clone()).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.headers().contains_key(header::ETAG) && again.headers().contains_key(header::CACHE_CONTROL));
    assert_eq!(body(again).await, "");
    // Another one's tag is no reason to send nothing.
    assert_eq!(get(version, "main.js", known).await.status(), StatusCode::OK);
    let mut known = HeaderMap::new();
    known.insert(header::IF_NONE_MATCH, HeaderValue::from_str(&format!("\"x\", W/{}", script_tag.to_str().unwrap())).unwrap());
    assert_eq!(get(version, "main.js", known).await.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn another_version_and_other_files_are_not_there() {
    let version = BUILT.version.as_str();
    for (version, name) in [("0000000000000000", "main.js"), ("", "main.js"), (version, "mod.rs"), (version, "index.html"), (version, "../mod.rs"), (version, "")] {
        let response = get(version, name, HeaderMap::new()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{version} {name}");
        assert!(body(response).await.contains("route.not_found"));
    }
}

#[tokio::test]
async fn nothing_runs_that_is_not_a_file_of_the_page() {
    let response = page(HeaderMap::new()).await;
    let policy = header_of(&response, &header::CONTENT_SECURITY_POLICY).to_owned();
    for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"] {
        assert!(policy.split("; ").any(|one| one == part), "{part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"));
    // Every reference is to the folder, and nothing is inline.
    let text = PAGE.replace(['\n', '\r'], " ");
    for attribute in [" src=\"", " href=\""] {
        for value in text.split(attribute).skip(1) {
            assert!(value.starts_with("{{assets}}/") || value.starts_with('#'), "{attribute}{}", value.chars().take(40).collect::<String>());
        }
    }
    assert!(!text.contains(" style=") && !text.contains("<style") && !text.contains(" onclick"));
    for script in text.split("<script").skip(1) {
        assert!(script.split('>').nth(1).is_some_and(|rest| rest.starts_with("</script")), "an inline script");
    }
    for asset in SCRIPTS {
        let script = std::str::from_utf8(asset.bytes).unwrap();
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "parseFloat", "javascript:"] {
            assert!(!script.contains(sink), "{} has {sink}", asset.name);
        }
        assert!(!script.contains("https://") && !script.contains("//cdn"), "{} names another host", asset.name);
    }
}
