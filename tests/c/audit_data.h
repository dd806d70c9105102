/* Case audit-ed25519 of tests/vectors/audit.json. */
#ifndef IMAGXP_TESTS_AUDIT_DATA_H
#define IMAGXP_TESTS_AUDIT_DATA_H

#include <stdint.h>

#define AUDIT_KEY \
    "MCowBQYDK2VwAyEAbnoc3Smwt4/ROvTFWY/v9O8qlxZuPKby5Pv8zYBQW/E="

#define AUDIT_OTHER_KEY \
    "MCowBQYDK2VwAyEAiodf/x6zhFFXes1a/uQFRWVo3XyJ4JCGOgVXvHr0nxc="

#define AUDIT_EVIDENCE \
    "{\"checkpoint\":\"pub.example/audit\\n20\\nGl+y9RbeVNxqWTgE3S7VYZCG7YiB/K+Q0prJkKfW3Ic=\\n\\n\342\200\224 pub." \
    "example/audit 7++gx1/6VBQdQyC1t+/xuFbGoAoqHeNv5pBHrJStP2fHxc8q8Uw56ZkWaCczuu+4TwoKYw07UDj+cPlmvLbeDPIeKQo=\\n" \
    "\",\"manifest\":\"eyJhZ2VudF9pZCI6ImFnZW50LmV4YW1wbGUiLCJrZXlzIjpbeyJhbGciOiJFUzI1NiIsImtpZCI6Ik5ycWczLU1fWHd0" \
    "eC0xdGJ0YzFKN1h1bDJEeWVDMGJVU3k5dV81TlNHNmciLCJwdWJsaWNfa2V5IjoiTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0" \
    "FFYi9BN2xKSkJ6aDJ0MURVWjVwWU9Db1cwR21tZ1hES0JBNm9yemhXVXloWThUM1U2VmI4QjNGUDJ3TERIN3VlTFFNYi9mU1dwYmlLQ3VZbk85" \
    "eHdVU2c9PSJ9XSwicHVibGljX2tleSI6Ik1Ga3dFd1lIS29aSXpqMENBUVlJS29aSXpqMERBUWNEUWdBRWIvQTdsSkpCemgydDFEVVo1cFlPQ2" \
    "9XMEdtbWdYREtCQTZvcnpoV1V5aFk4VDNVNlZiOEIzRlAyd0xESDd1ZUxRTWIvZlNXcGJpS0N1WW5POXh3VVNnPT0iLCJ2ZXJzaW9uIjoiMS4w" \
    "In0=\",\"proof\":[\"vJ3lZF8ijd7uJfCTcyKfNznOqNN0YaEHc69xVSs+9V0=\",\"LzRIxuZypJ5BvPfVVsGlzGOeGtMoMQew20u1XwHMp" \
    "78=\",\"5pnIBj/qyeLri77hlRAoZP1pinSVeTybNqgOOZqoOcc=\",\"/HDFKXINzkwo1/4tE/kpZLPSbzKX1s/52XQ0lajK074=\",\"o3xD" \
    "c9zkZltnRJRqGYAXfjCB74a+R7YuwIC2v8LNGvw=\"],\"public_key\":\"MCowBQYDK2VwAyEAbnoc3Smwt4/ROvTFWY/v9O8qlxZuPKby5" \
    "Pv8zYBQW/E=\",\"record\":{\"body\":{\"agent_id\":\"agent.example\",\"binding\":\"domain\",\"http\":200,\"key_i" \
    "d\":\"Nrqg3-M_Xwtx-1tbtc1J7Xul2DyeC0bUSy9u_5NSG6g\",\"manifest\":\"5cf30886d5c16581a9d7d8759adca08c76d18b500ef" \
    "66ca2ce6be272a3cfe000\",\"method\":\"GET\",\"outcome\":\"allow\",\"payload\":\"eyJhZ2VudF9pZCI6ImFnZW50LmV4YW1" \
    "wbGUiLCJtZXRob2QiOiJHRVQiLCJub25jZSI6IjAxMjM0NTY3ODlhYmNkZTMiLCJwdXJwb3NlIjoiUkFHX1JFVFJJRVZBTCIsInJlc291cmNlI" \
    "joiaHR0cHM6Ly9wdWIuZXhhbXBsZS9wb3N0cy8xIiwidHMiOiIyMDI2LTAzLTAxVDEyOjAwOjAwLjAwMFoiLCJ2IjoiMS4xIn0=\",\"paymen" \
    "t\":{\"state\":\"not_required\"},\"policy\":\"e199101c17666d014c5c228b07fdfa93cca2120ebe1722e15dfefe0a394a0adc" \
    "\",\"purpose\":\"RAG_RETRIEVAL\",\"resource\":\"https://pub.example/posts/1\",\"signature\":\"ed7b0ebfc43dd61e" \
    "6a6ad8a6c75cac563092399b4381f1484a340efedcb8113315bc27b04e4d0bcc950d6424a70da069a147ad6cd8dd837d1be7ce8aea57a7" \
    "8f\",\"time\":\"2026-03-01T12:00:00.000Z\",\"trace_id\":\"24329d76ea2f46814d3c75733ab46e46\",\"type\":\"verdic" \
    "t\",\"url\":\"https://pub.example/posts/1\",\"visitor\":\"verified_agent\",\"warnings\":[]},\"n\":7,\"prev\":" \
    "\"vJ3lZF8ijd7uJfCTcyKfNznOqNN0YaEHc69xVSs+9V0=\"},\"type\":\"imagxp-audit-evidence/1\"}"

#define AUDIT_CHECKPOINT \
    "pub.example/audit\n20\nGl+y9RbeVNxqWTgE3S7VYZCG7YiB/K+Q0prJkKfW3Ic=\n\n\342\200\224 pub.example/audit 7++gx1/6" \
    "VBQdQyC1t+/xuFbGoAoqHeNv5pBHrJStP2fHxc8q8Uw56ZkWaCczuu+4TwoKYw07UDj+cPlmvLbeDPIeKQo=\n"

#define AUDIT_ENTRY \
    "{\"body\":{\"agent_id\":\"agent.example\",\"binding\":\"domain\",\"http\":200,\"key_id\":\"Nrqg3-M_Xwtx-1tbtc1" \
    "J7Xul2DyeC0bUSy9u_5NSG6g\",\"manifest\":\"5cf30886d5c16581a9d7d8759adca08c76d18b500ef66ca2ce6be272a3cfe000\"," \
    "\"method\":\"GET\",\"outcome\":\"allow\",\"payload\":\"eyJhZ2VudF9pZCI6ImFnZW50LmV4YW1wbGUiLCJtZXRob2QiOiJHRVQ" \
    "iLCJub25jZSI6IjAxMjM0NTY3ODlhYmNkZTMiLCJwdXJwb3NlIjoiUkFHX1JFVFJJRVZBTCIsInJlc291cmNlIjoiaHR0cHM6Ly9wdWIuZXhhb" \
    "XBsZS9wb3N0cy8xIiwidHMiOiIyMDI2LTAzLTAxVDEyOjAwOjAwLjAwMFoiLCJ2IjoiMS4xIn0=\",\"payment\":{\"state\":\"not_req" \
    "uired\"},\"policy\":\"e199101c17666d014c5c228b07fdfa93cca2120ebe1722e15dfefe0a394a0adc\",\"purpose\":\"RAG_RET" \
    "RIEVAL\",\"resource\":\"https://pub.example/posts/1\",\"signature\":\"ed7b0ebfc43dd61e6a6ad8a6c75cac563092399b" \
    "4381f1484a340efedcb8113315bc27b04e4d0bcc950d6424a70da069a147ad6cd8dd837d1be7ce8aea57a78f\",\"time\":\"2026-03-" \
    "01T12:00:00.000Z\",\"trace_id\":\"24329d76ea2f46814d3c75733ab46e46\",\"type\":\"verdict\",\"url\":\"https://pu" \
    "b.example/posts/1\",\"visitor\":\"verified_agent\",\"warnings\":[]},\"n\":7,\"prev\":\"vJ3lZF8ijd7uJfCTcyKfNzn" \
    "OqNN0YaEHc69xVSs+9V0=\"}"

static const uint8_t AUDIT_PROOF[] = {
    0xbc, 0x9d, 0xe5, 0x64, 0x5f, 0x22, 0x8d, 0xde, 0xee, 0x25, 0xf0, 0x93, 0x73, 0x22, 0x9f, 0x37,
    0x39, 0xce, 0xa8, 0xd3, 0x74, 0x61, 0xa1, 0x07, 0x73, 0xaf, 0x71, 0x55, 0x2b, 0x3e, 0xf5, 0x5d,
    0x2f, 0x34, 0x48, 0xc6, 0xe6, 0x72, 0xa4, 0x9e, 0x41, 0xbc, 0xf7, 0xd5, 0x56, 0xc1, 0xa5, 0xcc,
    0x63, 0x9e, 0x1a, 0xd3, 0x28, 0x31, 0x07, 0xb0, 0xdb, 0x4b, 0xb5, 0x5f, 0x01, 0xcc, 0xa7, 0xbf,
    0xe6, 0x99, 0xc8, 0x06, 0x3f, 0xea, 0xc9, 0xe2, 0xeb, 0x8b, 0xbe, 0xe1, 0x95, 0x10, 0x28, 0x64,
    0xfd, 0x69, 0x8a, 0x74, 0x95, 0x79, 0x3c, 0x9b, 0x36, 0xa8, 0x0e, 0x39, 0x9a, 0xa8, 0x39, 0xc7,
    0xfc, 0x70, 0xc5, 0x29, 0x72, 0x0d, 0xce, 0x4c, 0x28, 0xd7, 0xfe, 0x2d, 0x13, 0xf9, 0x29, 0x64,
    0xb3, 0xd2, 0x6f, 0x32, 0x97, 0xd6, 0xcf, 0xf9, 0xd9, 0x74, 0x34, 0x95, 0xa8, 0xca, 0xd3, 0xbe,
    0xa3, 0x7c, 0x43, 0x73, 0xdc, 0xe4, 0x66, 0x5b, 0x67, 0x44, 0x94, 0x6a, 0x19, 0x80, 0x17, 0x7e,
    0x30, 0x81, 0xef, 0x86, 0xbe, 0x47, 0xb6, 0x2e, 0xc0, 0x80, 0xb6, 0xbf, 0xc2, 0xcd, 0x1a, 0xfc,
};

#endif
