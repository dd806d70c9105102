"""Who may read robots.txt, whatever nginx makes it of."""

import pytest
from world import BASE, BROWSER, World


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A site that nobody reads unsigned, and that has no file robots.txt."""
    world = World(tmp_path_factory.mktemp("closed"), {**BASE, "unsigned": "deny"})
    (world.folder / "html/robots.txt").unlink()
    return world


@pytest.mark.parametrize(
    ("location", "status"),
    [
        ("try_files /none /page$is_args$args;", 200),
        ("rewrite ^ /page last;", 200),
        ("rewrite ^ /page break;", 200),
        ("error_page 404 = /page; try_files /none =404;", 200),
        ("error_page 404 /page; try_files /none =404;", 404),
    ],
)
def test_robots_may_be_made_of_anything(start, closed, location, status):
    nginx = start(closed.http(locations="".join(f"location = {path} {{ {location} }}" for path in ("/robots.txt", "/other"))))
    for headers in ([], BROWSER):
        answer = nginx.get("/robots.txt", headers)
        assert (answer.status, answer.body) == (status, b"a page\n")
        assert nginx.get("/other", headers).status == 401
        assert nginx.get("/page", headers).status == 401
    assert nginx.get("/robots.txt", method="HEAD").status == status
    assert nginx.get("/robots.txt", method="POST").status == 401
    # Only what came is robots.txt for certain.
    for target in ("/x/../robots.txt", "/robots%2etxt", "//robots.txt", "/robots.txt/", "/robots.txt%3f"):
        assert nginx.get(target).status == 401, target
    # The absolute form names it as well.
    assert nginx.raw(b"GET http://pub.example/robots.txt HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)
    assert nginx.raw(b"GET http://pub.example/other HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("location", ["try_files /none /page?$args;", "rewrite ^ /page last;"])
def test_a_query_chooses_no_other_page_by_robots(start, closed, location):
    # Whoever answers for /page may find its page in the query.
    nginx = start(closed.http(locations=f"location = /robots.txt {{ {location} }}"))
    assert nginx.get("/robots.txt").status == 200
    assert nginx.get("/robots.txt?q=/closed/page").status == 401


def test_a_file_has_no_other_page(start, closed):
    nginx = start(
        closed.http(locations="location = /robots.txt { alias {html}/page; }".replace("{html}", f"{closed.folder}/html"))
    )
    assert nginx.get("/robots.txt?v=2").body == b"a page\n"


def test_signing_opens_no_more_by_robots(start, closed):
    nginx = start(closed.http(locations="location = /robots.txt { try_files /none /page; }"))
    headers = closed.sign("/robots.txt")
    assert nginx.get("/robots.txt", headers).body == b"a page\n"
    assert nginx.get("/robots.txt", headers).code == "replay.nonce_seen"
