/* What a site asks: robots.txt, links, and the report. */
#include "check.h"

static const char ROBOTS[] = "IMAGXP-Policy: https://pub.example/p.json\r\n"
                             "User-agent: *\r\n"
                             "Disallow: /private/\r\n"
                             "Content-Usage: / train-ai=n\r\n"
                             "User-agent: other\r\n"
                             "IMAGXP-Policy: https://pub.example/other.json\r\n"
                             "Disallow: /\r\n";

static void robots(void) {
    imagxp_robots *robots = NULL;
    OK(imagxp_robots_parse(200, S(ROBOTS), &robots, &err));
    CHECK(imagxp_robots_allows(robots, S("bot"), S("/news/1?x")));
    CHECK(!imagxp_robots_allows(robots, S("bot"), S("/private/1")));
    CHECK(!imagxp_robots_allows(robots, S("OTHER/2.0"), S("/news/1")));
    CHECK(!imagxp_robots_allows(robots, S("bot"), S("no path")));
    CHECK(!imagxp_robots_allows(robots, S("bot"), S("/\xff")));
    CHECK(!imagxp_robots_allows(NULL, S("bot"), S("/")));
    imagxp_bytes url = {NULL, 0};
    OK(imagxp_robots_policy_url(robots, S("bot"), 0, &url, &err));
    EQUALS(borrow(&url), "https://pub.example/p.json");
    imagxp_bytes_free(&url);
    OK(imagxp_robots_policy_url(robots, S("other"), 0, &url, &err));
    EQUALS(borrow(&url), "https://pub.example/other.json");
    imagxp_bytes_free(&url);
    OK(imagxp_robots_policy_url(robots, S("bot"), 1, &url, &err));
    CHECK(url.len == 0);
    imagxp_bytes_free(&url);
    FAILS(imagxp_robots_policy_url(NULL, S("bot"), 0, &url, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_robots_policy_url(robots, S("bot"), 0, NULL, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_robots_free(robots);
    imagxp_robots_free(NULL);
}

static void statuses(void) {
    static const struct {
        uint32_t status;
        bool allowed;
    } CASES[] = {{404, true}, {403, true}, {429, false}, {500, false}, {301, false}, {0, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        imagxp_robots *robots = NULL;
        OK(imagxp_robots_parse(CASES[i].status, S(ROBOTS), &robots, &err));
        CHECK(imagxp_robots_allows(robots, S("bot"), S("/news/1")) == CASES[i].allowed);
        imagxp_bytes url = {NULL, 0};
        OK(imagxp_robots_policy_url(robots, S("bot"), 0, &url, &err));
        CHECK(url.len == 0);
        imagxp_bytes_free(&url);
        imagxp_robots_free(robots);
    }
    FAILS(imagxp_robots_parse(200, S(""), NULL, &err), IMAGXP_USAGE_ARGUMENT);
}

static void links(void) {
    imagxp_bytes url = {NULL, 0};
    OK(imagxp_link_policy_url(S("</x>; rel=next, <p.json>; rel=\"a imagxp-policy\""), S("https://pub.example/a/b"), &url, &err));
    EQUALS(borrow(&url), "https://pub.example/a/p.json");
    imagxp_bytes_free(&url);
    OK(imagxp_link_policy_url(S("<http://pub.example/p>; rel=imagxp-policy"), S("https://pub.example/"), &url, &err));
    CHECK(url.len == 0);
    imagxp_bytes_free(&url);
    FAILS(imagxp_link_policy_url(S("\xff"), S("https://pub.example/"), &url, &err), IMAGXP_USAGE_ARGUMENT);
}

static void preferences(void) {
    imagxp_preferences *preferences = NULL;
    imagxp_bytes json = {NULL, 0};
    OK(imagxp_preferences_new(S("https://pub.example/news/1"), S("bot"), &preferences, &err));
    OK(imagxp_preferences_json(preferences, &json, &err));
    CHECK(contains(borrow(&json), "\"advice\":\"no_preference\""));
    imagxp_bytes_free(&json);
    OK(imagxp_preferences_robots(preferences, 200, S(ROBOTS), &err));
    OK(imagxp_preferences_header(preferences, S("content-signal"), S("ai-train=yes, ai-input=yes"), &err));
    OK(imagxp_preferences_header(preferences, S("server"), S("x"), &err));
    OK(imagxp_preferences_rsl(preferences, S("https://pub.example/license.xml"), S("<rsl"), &err));
    OK(imagxp_preferences_policy(preferences, S("{}"), &err));
    OK(imagxp_preferences_json(preferences, &json, &err));
    CHECK(contains(borrow(&json), "\"CRAWL_TRAINING\":{\"advice\":\"refrain\",\"conditions\":[],\"state\":\"conflicting\""));
    CHECK(contains(borrow(&json), "\"SUMMARY\":{\"advice\":\"go_ahead\""));
    CHECK(contains(borrow(&json), "\"source\":\"rsl\""));
    CHECK(contains(borrow(&json), "\"source\":\"policy\""));
    imagxp_bytes_free(&json);
    FAILS(imagxp_preferences_robots(NULL, 200, none(), &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_preferences_json(NULL, &json, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_preferences_free(preferences);
    imagxp_preferences_free(NULL);

    OK(imagxp_preferences_new(S("/relative"), S("bot"), &preferences, &err));
    FAILS(imagxp_preferences_json(preferences, &json, &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_preferences_free(preferences);
}

/* Links of a page, however many, hide nothing else that it says; and there is a bound on all that is kept. */
static void many_lines(void) {
    imagxp_preferences *preferences = NULL;
    imagxp_bytes json = {NULL, 0};
    OK(imagxp_preferences_new(S("https://pub.example/news/1"), S("bot"), &preferences, &err));
    for (int i = 0; i < 64; i++) {
        OK(imagxp_preferences_header(preferences, S("Link"), S("</x.css>; rel=preload"), &err));
    }
    for (int i = 0; i < 64; i++) {
        OK(imagxp_preferences_header(preferences, S("link"), S(", ,\t"), &err));
    }
    OK(imagxp_preferences_header(preferences, S("Content-Usage"), S("train-ai=n"), &err));
    OK(imagxp_preferences_json(preferences, &json, &err));
    CHECK(contains(borrow(&json), "\"CRAWL_TRAINING\":{\"advice\":\"refrain\""));
    CHECK(contains(borrow(&json), "\"findings\":[]"));
    imagxp_bytes_free(&json);
    for (int i = 0; i < 1000; i++) {
        OK(imagxp_preferences_header(preferences, S("LINK"), S("</p.json>; rel=imagxp-policy"), &err));
    }
    OK(imagxp_preferences_json(preferences, &json, &err));
    CHECK(contains(borrow(&json), "\"level\":\"error\",\"message\":\"too many links; the rest is ignored\""));
    imagxp_bytes_free(&json);
    for (int i = 0; i < 63; i++) {
        OK(imagxp_preferences_header(preferences, S("content-usage"), S("train-ai=n"), &err));
    }
    FAILS(imagxp_preferences_header(preferences, S("Content-Usage"), S("train-ai=n"), &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_preferences_header(preferences, S("Content-Signal"), S("ai-train=no"), &err));
    imagxp_preferences_free(preferences);
}

int main(void) {
    static const struct test TESTS[] = {
        {"robots", robots}, {"statuses", statuses}, {"links", links}, {"preferences", preferences},
        {"many_lines", many_lines}, {NULL, NULL}};
    return run_tests(TESTS);
}
