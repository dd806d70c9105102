/* Visas: issued, spent, refused, redeemed. */
#include "world.h"

#include <stdio.h>
#include <string.h>

struct broker {
    imagxp_key *key;
    char jwks[512];
};

static void broker_open(struct broker *broker) {
    imagxp_public_key *public_key = NULL;
    imagxp_bytes jwk = {NULL, 0};
    OK(imagxp_key_generate(IMAGXP_ALGORITHM_ES256, NULL, NULL, &broker->key, &err));
    OK(imagxp_key_public(broker->key, &public_key, &err));
    OK(imagxp_public_key_to_jwk(public_key, &jwk, &err));
    imagxp_slice kid = imagxp_public_key_thumbprint(public_key);
    snprintf(broker->jwks, sizeof broker->jwks, "{\"keys\":[{\"kid\":\"%.*s\",%s]}", (int)kid.len, (const char *)kid.ptr,
             (const char *)jwk.ptr + 1);
    imagxp_bytes_free(&jwk);
    imagxp_public_key_free(public_key);
}

static imagxp_visa *new_visa(const char *amount) {
    imagxp_visa *visa = NULL;
    OK(imagxp_visa_new(S("https://broker.example"), S("https://pub.example"), S(AGENT), S("visa-0001"), S(amount), S("USD"),
                       &visa, &err));
    return visa;
}

static imagxp_bytes issue(struct broker *broker, const imagxp_visa *visa) {
    imagxp_bytes token = {NULL, 0};
    OK(imagxp_visa_issue(visa, broker->key, NOW, &token, &err));
    return token;
}

/* A publisher by this policy, which knows the agent, and a broker whose keys it may not know yet. */
static void market_open(struct world *world, struct broker *broker, const char *policy, imagxp_replay_store *store) {
    world_open(world, policy, store);
    world_supply(world, NOW);
    broker_open(broker);
}

static void keys_supply(struct world *world, const struct broker *broker) {
    OK(imagxp_publisher_supply(world->publisher, S(JWKS_URL), S(broker->jwks), IMAGXP_MAX_AGE_NONE, NOW, &err));
}

static void market_close(struct world *world, struct broker *broker) {
    imagxp_key_free(broker->key);
    world_close(world);
}

/* A request for the page with a visa. */
struct reading {
    imagxp_headers *headers;
    imagxp_request *request;
};

static struct reading paid_reading(struct world *world, const imagxp_bytes *token) {
    imagxp_headers *headers = sign(world, PAGE, borrow(token));
    struct reading reading = {headers, received(headers, PAGE)};
    return reading;
}

static void reading_free(struct reading *reading) {
    imagxp_request_free(reading->request);
    imagxp_headers_free(reading->headers);
}

static void a_visa_pays_once(void) {
    struct world world;
    struct broker broker;
    imagxp_verdict *paid = NULL;
    market_open(&world, &broker, PAID_POLICY, NULL);

    imagxp_request *unpaid = signed_request(&world, PAGE);
    imagxp_verdict *verdict = verify(&world, unpaid, NOW);
    CHECK(imagxp_verdict_code(verdict) == IMAGXP_PAYMENT_REQUIRED && imagxp_verdict_http(verdict) == 402);
    CHECK(imagxp_verdict_retry(verdict) == IMAGXP_RETRY_PAY && imagxp_verdict_payment(verdict) == IMAGXP_PAYMENT_UNPAID);
    imagxp_bytes offer = {NULL, 0};
    OK(imagxp_verdict_body(verdict, &offer, &err));
    CHECK(contains(borrow(&offer), "\"offer\"") && contains(borrow(&offer), "0.001"));
    imagxp_bytes_free(&offer);
    imagxp_verdict_free(verdict);
    imagxp_request_free(unpaid);

    imagxp_visa *visa = new_visa("0.001");
    OK(imagxp_visa_set_holder(visa, imagxp_public_key_thumbprint(world.public_key), &err));
    OK(imagxp_visa_add_purpose(visa, IMAGXP_PURPOSE_RAG_RETRIEVAL, &err));
    OK(imagxp_visa_set_lifetime(visa, 60, &err));
    OK(imagxp_visa_set_max_uses(visa, 1, &err));
    imagxp_bytes token = issue(&broker, visa);
    struct reading first = paid_reading(&world, &token);
    verdict = verify(&world, first.request, NOW);
    CHECK(imagxp_verdict_code(verdict) == IMAGXP_PAYMENT_JWKS_NEEDED);
    CHECK(imagxp_verdict_need(verdict, 0) == IMAGXP_NEED_JWKS);
    EQUALS(imagxp_verdict_need_url(verdict, 0), JWKS_URL);
    OK(imagxp_publisher_supply(world.publisher, S(JWKS_URL), S(broker.jwks), 300, NOW, &err));
    OK(imagxp_publisher_resume(world.publisher, verdict, NOW, &paid, &err));
    CHECK(imagxp_verdict_is_allowed(paid) && imagxp_verdict_payment(paid) == IMAGXP_PAYMENT_VISA);
    EQUALS(imagxp_verdict_payment_jti(paid), "visa-0001");
    EQUALS(imagxp_verdict_payment_issuer(paid), "https://broker.example");
    EQUALS(imagxp_verdict_payment_amount(paid), "0.001");
    EQUALS(imagxp_verdict_payment_currency(paid), "USD");
    imagxp_verdict_free(paid);
    imagxp_verdict_free(verdict);
    reading_free(&first);

    struct reading second = paid_reading(&world, &token);
    expect_code(&world, second.request, NOW, IMAGXP_PAYMENT_ALREADY_USED);
    reading_free(&second);
    imagxp_bytes_free(&token);
    imagxp_visa_free(visa);
    market_close(&world, &broker);
}

/* What a store is asked. It keeps everything; at most so many keys. */
struct counted {
    uint8_t keys[64][16];
    size_t key_count, insertions, questions;
};

static bool counted_holds(const struct counted *store, const uint8_t *key) {
    for (size_t i = 0; i < store->key_count; i++) {
        if (memcmp(store->keys[i], key, 16) == 0) {
            return true;
        }
    }
    return false;
}

static int counted_insert(void *user_data, const uint8_t *key, const uint8_t *agent, int64_t expires_at_ms, int64_t now_ms) {
    struct counted *store = (struct counted *)user_data;
    (void)agent, (void)expires_at_ms, (void)now_ms;
    store->insertions++;
    if (counted_holds(store, key)) {
        return IMAGXP_INSERT_SEEN;
    }
    if (store->key_count == 64) {
        return IMAGXP_INSERT_FULL;
    }
    memcpy(store->keys[store->key_count++], key, 16);
    return IMAGXP_INSERT_FRESH;
}

static int counted_seen(void *user_data, const uint8_t *key, int64_t now_ms) {
    struct counted *store = (struct counted *)user_data;
    (void)now_ms;
    store->questions++;
    return counted_holds(store, key) ? IMAGXP_SEEN_YES : IMAGXP_SEEN_NO;
}

/* A visa of 1000 uses costs a store that can look ten questions for each, and one that cannot an insertion for each use before. */
static void uses_are_found_by_looking(void) {
    for (int can_look = 0; can_look < 2; can_look++) {
        struct world world;
        struct broker broker;
        struct counted counted;
        imagxp_replay_store *store = NULL;
        memset(&counted, 0, sizeof counted);
        OK(imagxp_replay_store_new(&counted, counted_insert, can_look ? counted_seen : NULL, NULL, &store, &err));
        market_open(&world, &broker, PAID_POLICY, store);
        imagxp_replay_store_free(store);
        keys_supply(&world, &broker);
        imagxp_visa *visa = new_visa("0.001");
        OK(imagxp_visa_set_max_uses(visa, 1000, &err));
        imagxp_bytes token = issue(&broker, visa);
        for (size_t use = 1; use <= 30; use++) {
            struct reading reading = paid_reading(&world, &token);
            counted.insertions = counted.questions = 0;
            expect_code(&world, reading.request, NOW, IMAGXP_OK);
            /* The nonce costs one of each. */
            CHECK(counted.insertions == (can_look ? 2 : 1 + use));
            CHECK(counted.questions <= 1 + 10);
            reading_free(&reading);
        }
        imagxp_bytes_free(&token);
        imagxp_visa_free(visa);
        market_close(&world, &broker);
    }
}

/* A stolen visa names another key; a cheap one does not suffice. */
static void other_visas_are_refused(void) {
    struct world world;
    struct broker broker;
    market_open(&world, &broker, PAID_POLICY, NULL);
    keys_supply(&world, &broker);
    const imagxp_status expected[2] = {IMAGXP_PAYMENT_WRONG_HOLDER, IMAGXP_PAYMENT_INSUFFICIENT};
    for (size_t i = 0; i < 2; i++) {
        imagxp_visa *visa = new_visa(i == 0 ? "0.001" : "0.0009");
        if (i == 0) {
            OK(imagxp_visa_set_holder(visa, S("oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"), &err));
        }
        imagxp_bytes token = issue(&broker, visa);
        struct reading reading = paid_reading(&world, &token);
        expect_code(&world, reading.request, NOW, expected[i]);
        reading_free(&reading);
        imagxp_bytes_free(&token);
        imagxp_visa_free(visa);
    }
    market_close(&world, &broker);
}

static void the_broker_is_asked(void) {
    const struct {
        uint32_t status;
        const char *said;
        imagxp_redemption answer;
        imagxp_status code;
    } cases[3] = {
        {200, "{\"accepted\":1,\"results\":[{\"accepted\":true}]}", IMAGXP_REDEMPTION_ACCEPTED, IMAGXP_OK},
        {200, "{\"accepted\":0,\"results\":[{\"accepted\":false,\"error\":{\"code\":\"visa.state\",\"message\":\"no\"}}]}",
         IMAGXP_REDEMPTION_REFUSED, IMAGXP_PAYMENT_INVALID_TOKEN},
        {503, "", IMAGXP_REDEMPTION_UNAVAILABLE, IMAGXP_PAYMENT_REDEEM_UNAVAILABLE},
    };
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        struct broker broker;
        imagxp_verdict *answered = NULL;
        market_open(&world, &broker, REDEEM_POLICY, NULL);
        keys_supply(&world, &broker);
        imagxp_visa *visa = new_visa("0.001");
        imagxp_bytes token = issue(&broker, visa);
        struct reading reading = paid_reading(&world, &token);
        imagxp_verdict *verdict = verify(&world, reading.request, NOW);
        CHECK(imagxp_verdict_code(verdict) == IMAGXP_PAYMENT_REDEEM_NEEDED);
        CHECK(imagxp_verdict_need(verdict, 0) == IMAGXP_NEED_REDEEM);
        EQUALS(imagxp_verdict_need_url(verdict, 0), "https://broker.example/v1/visas/redeem");
        imagxp_bytes body = {NULL, 0};
        OK(imagxp_publisher_redemption(world.publisher, verdict, NOW, &body, &err));
        CHECK(contains(borrow(&body), "{\"visas\":[{\"request\":{\"payload\":\""));
        CHECK(contains(borrow(&body), (const char *)token.ptr) && contains(borrow(&body), "\"public_key\":\""));
        imagxp_bytes_free(&body);
        CHECK(imagxp_redemption_read(cases[i].status, S(cases[i].said)) == cases[i].answer);
        FAILS(imagxp_verdict_redeemed(verdict, 0, &err), IMAGXP_USAGE_ARGUMENT);
        OK(imagxp_verdict_redeemed(verdict, cases[i].answer, &err));
        OK(imagxp_publisher_resume(world.publisher, verdict, NOW, &answered, &err));
        CHECK(imagxp_verdict_code(answered) == cases[i].code);
        FAILS(imagxp_verdict_redeemed(answered, cases[i].answer, &err), IMAGXP_USAGE_ARGUMENT);
        FAILS(imagxp_publisher_redemption(world.publisher, answered, NOW, &body, &err), IMAGXP_USAGE_ARGUMENT);
        imagxp_verdict_free(answered);
        imagxp_verdict_free(verdict);
        reading_free(&reading);
        imagxp_bytes_free(&token);
        imagxp_visa_free(visa);
        market_close(&world, &broker);
    }
}

static void tokens_are_verified(void) {
    struct broker broker;
    imagxp_bytes claims = {NULL, 0};
    broker_open(&broker);
    imagxp_visa *visa = new_visa("1.5");
    imagxp_bytes token = issue(&broker, visa);
    imagxp_slice t = borrow(&token);
    imagxp_slice iss = S("https://broker.example");
    imagxp_slice aud = S("https://pub.example");
    imagxp_slice typ = S("imagxp-visa+jwt");
    OK(imagxp_token_verify(t, S(broker.jwks), iss, aud, typ, NOW, &claims, &err));
    CHECK(contains(borrow(&claims), "\"amount\":\"1.5\"") && contains(borrow(&claims), "\"jti\":\"visa-0001\""));
    imagxp_bytes_free(&claims);
    OK(imagxp_token_verify(t, S(broker.jwks), none(), none(), none(), NOW, &claims, &err));
    imagxp_bytes_free(&claims);
    FAILS(imagxp_token_verify(t, S(broker.jwks), aud, aud, typ, NOW, &claims, &err), IMAGXP_PAYMENT_INVALID_TOKEN);
    FAILS(imagxp_token_verify(t, S(broker.jwks), iss, iss, typ, NOW, &claims, &err), IMAGXP_PAYMENT_WRONG_AUDIENCE);
    FAILS(imagxp_token_verify(t, S(broker.jwks), iss, aud, typ, NOW + 606 * 1000, &claims, &err), IMAGXP_PAYMENT_EXPIRED);
    FAILS(imagxp_token_verify(t, S("{}"), iss, aud, typ, NOW, &claims, &err), IMAGXP_KEY_MALFORMED);
    FAILS(imagxp_token_verify(S("a.b"), S(broker.jwks), iss, aud, typ, NOW, &claims, &err), IMAGXP_PAYMENT_MALFORMED);
    CHECK(claims.ptr == NULL);

    imagxp_bytes other = {NULL, 0};
    OK(imagxp_visa_set_lifetime(visa, 3601, &err));
    FAILS(imagxp_visa_issue(visa, broker.key, NOW, &other, &err), IMAGXP_USAGE_ARGUMENT);
    OK(imagxp_visa_set_lifetime(visa, 3600, &err));
    OK(imagxp_visa_set_max_uses(visa, 0, &err));
    FAILS(imagxp_visa_issue(visa, broker.key, NOW, &other, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_visa_add_purpose(visa, 0, &err), IMAGXP_USAGE_ARGUMENT);
    FAILS(imagxp_visa_set_holder(visa, S("short"), &err), IMAGXP_USAGE_ARGUMENT);
    imagxp_visa_free(visa);
    visa = NULL;
    FAILS(imagxp_visa_new(iss, aud, S(AGENT), S("visa-0001"), S("1e3"), S("USD"), &visa, &err), IMAGXP_USAGE_ARGUMENT);
    CHECK(visa == NULL && other.ptr == NULL);
    imagxp_bytes_free(&token);
    imagxp_key_free(broker.key);
}

int main(void) {
    static const struct test tests[] = {
        {"a_visa_pays_once", a_visa_pays_once},
        {"uses_are_found_by_looking", uses_are_found_by_looking},
        {"other_visas_are_refused", other_visas_are_refused},
        {"the_broker_is_asked", the_broker_is_asked},
        {"tokens_are_verified", tokens_are_verified},
        {NULL, NULL},
    };
    return run_tests(tests);
}
