-- One step of a replay store: drops the buckets whose time has passed, and inserts a key unless it is there. Atomic, as every script is.
-- KEYS: due times of buckets, entries by bucket, entries in all, forgotten times; and to insert: the entry, the agent's entries by bucket
-- ARGV: expiry (ms), bucket, how long to keep it (ms), most entries, most entries of an agent
-- Answers {0 tidied | 1 fresh | 2 seen | 3 full | 4 forgotten, from, to, from, to, ...}
local minute, day, most_spans, most_buckets = 60000, 86400000, 64, 4096
local text = function(number) return string.format('%.0f', number) end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local spans = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now))

if #due > 0 then
  local all = {}
  for i = 1, #spans, 2 do all[#all + 1] = {tonumber(spans[i]), tonumber(spans[i + 1])} end
  for _, bucket in ipairs(due) do
    redis.call('ZREM', KEYS[1], bucket)
    redis.call('DECRBY', KEYS[3], redis.call('HGET', KEYS[2], bucket) or 0)
    redis.call('HDEL', KEYS[2], bucket)
    all[#all + 1] = {bucket * minute - minute - day, bucket * minute}
  end
  table.sort(all, function(a, b) return a[1] < b[1] end)
  local merged = {}
  for _, span in ipairs(all) do
    local last = merged[#merged]
    if last and span[1] <= last[2] then last[2] = math.max(last[2], span[2]) else merged[#merged + 1] = span end
  end
  while #merged > most_spans do
    merged[2][1] = merged[1][1]
    table.remove(merged, 1)
  end
  redis.call('DEL', KEYS[4])
  spans = {}
  for _, span in ipairs(merged) do
    redis.call('ZADD', KEYS[4], text(span[2]), text(span[1]))
    spans[#spans + 1] = text(span[1])
    spans[#spans + 1] = text(span[2])
  end
end

local answer = function(code)
  table.insert(spans, 1, code)
  return spans
end

if not KEYS[5] then return answer('0') end
local expires, bucket, kept = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[5]) == 1 then return answer('2') end
for i = 1, #spans, 2 do
  if tonumber(spans[i]) <= expires and expires <= tonumber(spans[i + 1]) then return answer('4') end
end
local held, shares = 0, redis.call('HGETALL', KEYS[6])
for i = 1, #shares, 2 do
  if redis.call('ZSCORE', KEYS[1], shares[i]) then held = held + shares[i + 1] else redis.call('HDEL', KEYS[6], shares[i]) end
end
if held >= tonumber(ARGV[5]) or tonumber(redis.call('GET', KEYS[3]) or 0) >= tonumber(ARGV[4])
  or redis.call('ZCARD', KEYS[1]) >= most_buckets then return answer('3') end
local until_ms = text(now + kept)
redis.call('SET', KEYS[5], '', 'PXAT', until_ms)
-- The first entry to go takes its bucket with it: from then on the whole minute is forgotten.
redis.call('ZADD', KEYS[1], 'LT', until_ms, bucket)
redis.call('HINCRBY', KEYS[2], bucket, 1)
redis.call('INCR', KEYS[3])
redis.call('HINCRBY', KEYS[6], bucket, 1)
if redis.call('PTTL', KEYS[6]) < kept then redis.call('PEXPIRE', KEYS[6], ARGV[3]) end
return answer('1')
