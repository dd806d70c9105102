//! Keys made with the openssl command line tool (3.0.19), for tests only. Nothing uses them elsewhere.

/// P-256, PKCS#8.
pub(crate) const P256_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6vKpYktOfYThDAWu
ORZShidAsQLRHXJyvKK2VJjSbCahRANCAAT0HClOAZ4ZY5eIJ0zuTkcSU9ggr6Kb
q23rxGIp0DP12wcqaUQhR/yqzhIT7WqFZyTOWU8yayg/tgvGA5EkGF/y
-----END PRIVATE KEY-----
";

/// The same key, SEC 1 with an EC PARAMETERS block.
pub(crate) const P256_SEC1: &str = "\
-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIOryqWJLTn2E4QwFrjkWUoYnQLEC0R1ycryitlSY0mwmoAoGCCqGSM49
AwEHoUQDQgAE9BwpTgGeGWOXiCdM7k5HElPYIK+im6tt68RiKdAz9dsHKmlEIUf8
qs4SE+1qhWckzllPMmsoP7YLxgORJBhf8g==
-----END EC PRIVATE KEY-----
";

/// The same key, SEC 1, compressed public point.
pub(crate) const P256_SEC1_COMPRESSED: &str = "\
-----BEGIN EC PRIVATE KEY-----
MFcCAQEEIOryqWJLTn2E4QwFrjkWUoYnQLEC0R1ycryitlSY0mwmoAoGCCqGSM49
AwEHoSQDIgAC9BwpTgGeGWOXiCdM7k5HElPYIK+im6tt68RiKdAz9ds=
-----END EC PRIVATE KEY-----
";

/// The same key, SEC 1, no public point.
pub(crate) const P256_SEC1_WITHOUT_PUBLIC: &str = "\
-----BEGIN EC PRIVATE KEY-----
MDECAQEEIOryqWJLTn2E4QwFrjkWUoYnQLEC0R1ycryitlSY0mwmoAoGCCqGSM49
AwEH
-----END EC PRIVATE KEY-----
";

/// Its public key.
pub(crate) const P256_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9BwpTgGeGWOXiCdM7k5HElPYIK+i
m6tt68RiKdAz9dsHKmlEIUf8qs4SE+1qhWckzllPMmsoP7YLxgORJBhf8g==
-----END PUBLIC KEY-----
";

/// Its public key, compressed point.
pub(crate) const P256_PUBLIC_COMPRESSED: &str = "\
-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgAC9BwpTgGeGWOXiCdM7k5HElPYIK+i
m6tt68RiKdAz9ds=
-----END PUBLIC KEY-----
";

/// Its public key, hybrid point; refused.
pub(crate) const P256_PUBLIC_HYBRID: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAG9BwpTgGeGWOXiCdM7k5HElPYIK+i
m6tt68RiKdAz9dsHKmlEIUf8qs4SE+1qhWckzllPMmsoP7YLxgORJBhf8g==
-----END PUBLIC KEY-----
";

/// The same key with explicit curve parameters; refused.
pub(crate) const P256_PKCS8_EXPLICIT: &str = "\
-----BEGIN PRIVATE KEY-----
MIIBeQIBADCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAAB
AAAAAAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA
///////////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMV
AMSdNgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg
9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8A
AAAA//////////+85vqtpxeehPO5ysL8YyVRAgEBBG0wawIBAQQg6vKpYktOfYTh
DAWuORZShidAsQLRHXJyvKK2VJjSbCahRANCAAT0HClOAZ4ZY5eIJ0zuTkcSU9gg
r6Kbq23rxGIp0DP12wcqaUQhR/yqzhIT7WqFZyTOWU8yayg/tgvGA5EkGF/y
-----END PRIVATE KEY-----
";

/// The same, SEC 1; refused.
pub(crate) const P256_SEC1_EXPLICIT: &str = "\
-----BEGIN EC PRIVATE KEY-----
MIIBaAIBAQQg6vKpYktOfYThDAWuORZShidAsQLRHXJyvKK2VJjSbCaggfowgfcC
AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////
MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr
vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE
axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W
K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8
YyVRAgEBoUQDQgAE9BwpTgGeGWOXiCdM7k5HElPYIK+im6tt68RiKdAz9dsHKmlE
IUf8qs4SE+1qhWckzllPMmsoP7YLxgORJBhf8g==
-----END EC PRIVATE KEY-----
";

/// The same, public; refused.
pub(crate) const P256_PUBLIC_EXPLICIT: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA
AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////
///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd
NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5
RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA
//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABPQcKU4Bnhljl4gnTO5ORxJT
2CCvopurbevEYinQM/XbByppRCFH/KrOEhPtaoVnJM5ZTzJrKD+2C8YDkSQYX/I=
-----END PUBLIC KEY-----
";

/// The same key, encrypted PKCS#8; refused.
pub(crate) const P256_PKCS8_ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj/g67YJyWh+wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEItOsqYC/MtnGE6Lgwwd08EEgZCr
rMvhPbKHkx55wg+TBgo7NOoJkWPAft7ycrMwNrck4xeewElqlnrtL02D+bndnOqS
+AofY7ZzgdU3kYe07oJjrHPuUkvvZwK2xkrS40IN1awN9I0HQka8BdJTn+l5F82q
b+qAR9D5TNbY8ReWZVBMMdO7yx4X8fFFjDfHuTtJUlq7y0f+vnpokb6vdjG1tP4=
-----END ENCRYPTED PRIVATE KEY-----
";

/// The same key, encrypted SEC 1; refused.
pub(crate) const P256_SEC1_ENCRYPTED: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,9D2CF3DB7D8546FD41774031FD9EC3B7

WVtKmyzNqHfJTFpjVsWEcsV80ttESjrvcbeHamlXmns1vl1KbFrJMJYCLSywYtau
c6NEovHJfR2DFRzmmoOT0SQQJccoHynqn+xbJQGUMTQmnW9pWQLUqduqJPXs2eqx
xleJMLngWBGbEj8yOFArCHkbS6gZK1Uojsa5mVA/zfg=
-----END EC PRIVATE KEY-----
";

/// Ed25519, PKCS#8.
pub(crate) const ED25519_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIDd3RkrRxicWWE8GJ8myGLofXK8PMaMZlOQHN4pVUr7n
-----END PRIVATE KEY-----
";

/// Its public key.
pub(crate) const ED25519_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAYe8OaiP3nIiMtZtp0x3+TFGFks4+JBPKDrN5MfDXE6g=
-----END PUBLIC KEY-----
";

/// RSA; refused.
pub(crate) const RSA_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAN0gWleu4j+995mO
4mFK9jXmQQdPS4mTxcmMXgwhkycyYalpMoRtakIBrY5GyVUu/0p2qxR2aHwbmlil
ZpMf2tfRdZepx71Juc1F6JBRMJoMUuoaKP/h82xMiMVqUk5e37c2CGBdAeTbYyhj
8+KlSPNuy7RP0GKh14Rxe9RhKcfTAgMBAAECgYApZKEEwOwBWqI60JB3/fxQ4qVR
pPpS6qKfs/L2+mH9eGTnvZWDTKgTaxT+CSovE/keC1DDJ9cvREuERJILAG+Klcpo
fZRM3X1kLDCtIfaA6YBMoBiyDKkuOoygcY7pkgKNZcwiRruQElTeZFRx7jUmmLV4
AiOTGJak/v+4kyuFAQJBAPA6QduYcQK4b/ECX0vmfpcHFiQF8AuVju9TJUegoFuG
v+v93WvKNeh6IQEtFFDxqs1DwQTxYAKOJ2YA7Y7/+uECQQDrpQsEbFitSp2nQ/u2
VdEA6jVHPc+JrK7LPulgOWs37jijZ5P+XgVMyXZf9oDQj/FIjTGm8kQPA/et0AyS
eW0zAkEA4xgPngoz+0BkAlAdymCxFxDJ62/5htnxb2kIevfr39o4oF0y7m0QHR8n
CDeXVxW+Q6FjXMrZ2lCMCi+iY2a1wQJAMPF6tFR8pqGU1ST9pwVz/6iloEJqVMIV
HAnZFy9V4awM/4OH7ZFBsI03lP7yCl+bUeJhqbcwA55jVyqbMeEemQJARXAJ4sL+
lE5ZCt4phrtwI2QR8KBSc13pRxOjb8E4BLZrFAsuI3UNLzzeIexVT36jm2/gSZcZ
OkN6MPL8iRbrsQ==
-----END PRIVATE KEY-----
";

/// RSA; refused.
pub(crate) const RSA_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdIFpXruI/vfeZjuJhSvY15kEH
T0uJk8XJjF4MIZMnMmGpaTKEbWpCAa2ORslVLv9KdqsUdmh8G5pYpWaTH9rX0XWX
qce9SbnNReiQUTCaDFLqGij/4fNsTIjFalJOXt+3NghgXQHk22MoY/PipUjzbsu0
T9BiodeEcXvUYSnH0wIDAQAB
-----END PUBLIC KEY-----
";

/// P-384; refused.
pub(crate) const P384_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDATxGGKToH7lOk7EkSy
8fRZRA0bDApvvfCa/MBgyf5l8NrJX5OlmWB2onGs6sdYEQ2hZANiAASuIHI6AVI2
x0nxsMz2n5KhywCzzTMR2+NhuZxHCOPS3zALq9nI/iu8vbXK4dcOshT5aIOnTKhS
w04Npv3lH+GczyTQz1Gytue5pP329aDDtFb+2YD6MJZ37ZiprDmFq3M=
-----END PRIVATE KEY-----
";

/// P-384; refused.
pub(crate) const P384_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEriByOgFSNsdJ8bDM9p+SocsAs80zEdvj
YbmcRwjj0t8wC6vZyP4rvL21yuHXDrIU+WiDp0yoUsNODab95R/hnM8k0M9Rsrbn
uaT99vWgw7RW/tmA+jCWd+2Yqaw5hatz
-----END PUBLIC KEY-----
";

/// secp256k1, whose scalars have 32 bytes too; refused.
pub(crate) const SECP256K1_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgK91AySY0uGpV3el0wM5V
FMEVyGsAUVcp2ut0cmBC1F+hRANCAASsfYqIDfNyuAo7f0WiTkGe+SzK/5sNESPZ
pa4ngHdGMvJ2wQhzd2Q51gQkWyFL+SxUhWqgVej8WLjAfXEO9T4b
-----END PRIVATE KEY-----
";

/// secp256k1, SEC 1; refused.
pub(crate) const SECP256K1_SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEICvdQMkmNLhqVd3pdMDOVRTBFchrAFFXKdrrdHJgQtRfoAcGBSuBBAAK
oUQDQgAErH2KiA3zcrgKO39Fok5Bnvksyv+bDREj2aWuJ4B3RjLydsEIc3dkOdYE
JFshS/ksVIVqoFXo/Fi4wH1xDvU+Gw==
-----END EC PRIVATE KEY-----
";

/// X25519, no signature key; refused.
pub(crate) const X25519_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VuBCIEIKh5MVGqeJp6svRi5zapm/7UeUDGia0DwH0pF8t9KT9g
-----END PRIVATE KEY-----
";

/// Ed448; refused.
pub(crate) const ED448_PKCS8: &str = "\
-----BEGIN PRIVATE KEY-----
MEcCAQAwBQYDK2VxBDsEOZnugQBJwfrX1cA4vQRnTTZNbxDV7L2XlWN9t9Q8Pvxj
sCiVYB6NxHk5ZfUlMbyn7j+rEXXhVTwhEQ==
-----END PRIVATE KEY-----
";

/// The scalar of the P-256 key.
pub(crate) const P256_SCALAR: &str = "eaf2a9624b4e7d84e10c05ae391652862740b102d11d7272bca2b65498d26c26";

/// What both openssl signatures are over.
pub(crate) const MESSAGE: &[u8] = b"made by openssl";

/// `openssl dgst -sha256 -sign` with the P-256 key, DER.
pub(crate) const P256_SIGNATURE_DER: &str = "3045022100f7f17884c2bb6a2112475a71d34c68ad25a51c01c98e36b8496d59a98ec1949b\
    02206dca32b27d17865bd48b772d84021811ea18136b7961de5e9e9f8cb1770de697";

/// `openssl pkeyutl -sign -rawin` with the Ed25519 key.
pub(crate) const ED25519_SIGNATURE: &str = "6cd4e431a5b61503ae64c07f324be49bfcc438a064e3a936d942917b7af696a9\
    a875ec006c5943cfe9957d63e110ed5071d21c2cf6acbac38326e18d62fd180d";
