"""examples/c/fetch.c by itself: what it connects to, and what it reads of an answer."""

import pytest
from test_server import SANITIZED, publishing
from tools import ROOT, run

FETCHES = r"""
#include "fetch.c"

static void fetched(void *user_data, const struct answer *answer) {
    (void)user_data;
    printf("%d %u\n", (int)answer->failure, (unsigned)answer->max_age_s);
}

/* Fetches a URL of this machine; of any other it says what it would connect to, if the name had this address. */
int main(int count, char **words) {
    struct event_base *base = event_base_new();
    struct fetcher *fetcher = fetcher_new(base, true);
    for (int i = 1; i < count; i++) {
        fetch(fetcher, words[i], 1000, 30000, fetched, NULL);
        struct job *job = fetcher->jobs;
        if (job->loopback) {
            while (fetcher->jobs != NULL) event_base_loop(base, EVLOOP_ONCE);
        } else {
            struct evutil_addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
            if (evutil_getaddrinfo("93.184.215.14", NULL, &hints, &list) != 0) return 1;
            resolved(0, list, job);
            puts(job->addresses->data);
        }
    }
    fetcher_free(fetcher);
    event_base_free(base);
}
"""


@pytest.fixture(scope="session")
def fetches(prefix, tmp_path_factory):
    """A program that fetches as the server does."""
    folder = tmp_path_factory.mktemp("fetches")
    (folder / "fetches.c").write_text(FETCHES)
    flags = run(
        "pkg-config",
        "--cflags",
        "--libs",
        "imagxp",
        "libevent",
        "libevent_extra",
        "libcurl",
        env={"PKG_CONFIG_PATH": prefix / "lib/pkgconfig"},
    )
    words = ["-std=gnu11", *SANITIZED.split(), f"-I{ROOT / 'examples/c'}", folder / "fetches.c", "-o", folder / "fetches"]
    run("cc", *words, *flags.split())
    return lambda *urls: run(folder / "fetches", *urls, env={"LD_LIBRARY_PATH": prefix / "lib"}).splitlines()


def test_a_port_is_pinned_as_well(fetches):
    """Without its port the name would be resolved once more, and the connection made to an address that nobody has checked."""
    said = fetches("https://broker.example/jwks.json", "https://broker.example:8443/jwks.json")
    assert said[:2] == ["broker.example:443:93.184.215.14", "broker.example:8443:93.184.215.14"]


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], 2**32 - 1),
        (["max-age=600"], 600),
        (["public, Max-Age=600", "max-age=60"], 60),
        (["max-age=600", "no-store"], 0),
        (["no-cache"], 0),
        (['s-max-age=600, x="max-age=600"'], 2**32 - 1),
        ([f"{'x' * 600}, max-age=600"], 600),
    ],
)
def test_cache_control_is_read_as_the_library_reads_it(fetches, lines, seconds):
    def answer(handler):
        handler.send_response(200)
        for line in lines:
            handler.send_header("Cache-Control", line)
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    with publishing(answer) as (host, _):
        assert fetches(f"http://{host}/x") == [f"0 {seconds}"]
