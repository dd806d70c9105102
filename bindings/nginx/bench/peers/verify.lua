-- A peer of the module: what someone writes with lua-nginx-module and OpenSSL. It reads the claim by patterns, checks method, path, time and signature
-- (ECDSA P-256, key read once), and puts the nonce into a shared dictionary. No strict JSON, no canonical form, no policy, no verdict: less work than ours.
local ffi = require "ffi"

ffi.cdef [[
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;
EVP_PKEY *d2i_PUBKEY(EVP_PKEY **a, const unsigned char **pp, long length);
const EVP_MD *EVP_sha256(void);
EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *ctx);
int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, void **pctx, const EVP_MD *type, void *e, EVP_PKEY *pkey);
int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t siglen, const unsigned char *tbs, size_t tbslen);
]]

local crypto = ffi.load("crypto")
local peer = {}
local key

function peer.init(spki)
    local der = assert(ngx.decode_base64(spki))
    local place = ffi.new("const unsigned char *[1]", ffi.cast("const unsigned char *", der))
    key = crypto.d2i_PUBKEY(nil, place, #der)
    assert(key ~= nil, "the key cannot be read")
end

local function integer(bytes)
    bytes = bytes:gsub("^%z+", "")
    if bytes:byte(1) >= 128 then
        bytes = "\0" .. bytes
    end
    return "\2" .. string.char(#bytes) .. bytes
end

local function good(claim, signature)
    local raw = signature:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end)
    if #raw ~= 64 then
        return false
    end
    local both = integer(raw:sub(1, 32)) .. integer(raw:sub(33))
    local der = "\48" .. string.char(#both) .. both
    local context = crypto.EVP_MD_CTX_new()
    local ok = crypto.EVP_DigestVerifyInit(context, nil, crypto.EVP_sha256(), nil, key) == 1
        and crypto.EVP_DigestVerify(context, der, #der, claim, #claim) == 1
    crypto.EVP_MD_CTX_free(context)
    return ok
end

function peer.access()
    local headers = ngx.req.get_headers()
    local payload, signature = headers["x-imagxp-payload"], headers["x-imagxp-signature"]
    local claim = payload and signature and ngx.decode_base64(payload)
    if not claim then
        return ngx.exit(401)
    end
    local function member(name) return claim:match('"' .. name .. '":"([^"]*)"') end
    local year, month, day, hour, minute, second = (member("ts") or ""):match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
    local age = second and ngx.time() - ngx.parse_http_time(os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time {
        year = year, month = month, day = day, hour = hour, min = minute, sec = second, isdst = false,
    }))
    local resource, nonce = member("resource"), member("nonce")
    if not age or math.abs(age) > 300 or member("method") ~= ngx.req.get_method() or not nonce
        or resource ~= "https://pub.example" .. ngx.var.request_uri or not good(claim, signature) or not ngx.shared.nonces:add(nonce, true, 330) then
        return ngx.exit(401)
    end
end

return peer
