/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef NGX_CONSENT_SCRIPT_H
#define NGX_CONSENT_SCRIPT_H


/*
 * One write: the change of a record and its event, or neither. Redis 6 and
 * later. Every key is in KEYS and all are of one slot.
 *
 *   KEYS  the record; its bucket of events; perhaps a link that it spends
 *   ARGV  1 expected rev (0: none)    6 its MAC
 *         2 id of the event           7 what: "set", "withdraw" or "erase"
 *         3 time to live, seconds     8 "1": replicas are waited for; "0"
 *         4 check ("k")               9 number of pairs of the base
 *         5 body of the event        10 pairs of the base, then the changes
 *
 * The base is a record that was found under a previous key and is moved here
 * by this write. A change is a field and its value: "d.*" a version, which
 * only ever raises, or "-"; "" removes the field.
 *
 * "withdraw" removes all "d.*" and makes all "p.*" 0, also those that no
 * configuration knows any more; the changes come on top of it. "erase" leaves
 * a tombstone: "rev", "ev" and "k" for as long as forms of before may come,
 * so that none of them brings anything back, and the same form sent twice is
 * still known.
 *
 * What the gate could not read it has taken for absent (rev 0). It would ask
 * and be told of a conflict for ever if that did not hold here too: the
 * fields that cannot be read go, the others stay.
 *
 * A link is spent by the write: a hash in its name tells by which event, for
 * as long as a link may live. It is looked at before "rev", for who has used
 * it before is to be told so, and not of a conflict.
 *
 * The stream comes first: if it is of the wrong type or not allowed, nothing
 * has been written yet.
 *
 * WAIT tells whether replicas have what its own connection has written. When
 * there is nothing to write because another one has, which they may not have
 * yet, the check is set to what it is: that goes to them too, and after it.
 */

static const char  ngx_consent_script[] =

"local key, bucket, link = KEYS[1], KEYS[2], KEYS[3]\n"
"local want, ev, check = tonumber(ARGV[1]), ARGV[2], ARGV[4]\n"
"local body, mac, what = ARGV[5], ARGV[6], ARGV[7]\n"
"local wait, n = ARGV[8] == '1', tonumber(ARGV[9])\n"

"local function load(flat, first, last)\n"
"  local t, any = {}, false\n"
"  for i = first, last, 2 do t[flat[i]] = flat[i + 1]; any = true end\n"
"  return t, any\n"
"end\n"

"local function number(v, max)\n"
"  return (v == '0' or string.find(v, '^[1-9]%d*$'))\n"
"         and #v <= 10 and tonumber(v) <= max\n"
"end\n"

"local function good(f, v)\n"
"  local p = string.sub(f, 1, 2)\n"
"  if p == 'd.' then\n"
"    return v == '-' or (v ~= '0' and number(v, 4294967295))\n"
"  elseif p == 'p.' then return v == '0' or v == '1'\n"
"  elseif f == 'rev' or f == 'eea' then return number(v, 4294967295)\n"
"  elseif f == 'k' then return #v == 8 and string.find(v, '^%x+$')\n"
"  elseif f == 'ev' then return #v == 32 and string.find(v, '^%x+$')\n"
"  elseif f == 'res' then return string.find(v, '^%a%a$')\n"
"  elseif f == 'age' then\n"
"    local a = string.match(v, '^ok:(%d+)$')\n"
"              or string.match(v, '^minor:(%d+)$')\n"
"    return a and a ~= '0' and number(a, 99)\n"
"  end\n"
"  return true\n"
"end\n"

"local flat = redis.call('HGETALL', key)\n"
"local rec, exists = load(flat, 1, #flat)\n"
"local moved = not exists and n > 0\n"
"if moved then\n"
"  rec = load(ARGV, 10, 9 + 2 * n)\n"
"  rec.k = nil\n"
"end\n"

"local drop, data = {}, false\n"
"for f, v in pairs(rec) do\n"
"  if not good(f, v) then drop[#drop + 1] = f end\n"
"  if f ~= 'k' and f ~= 'rev' and f ~= 'ev' then data = true end\n"
"end\n"
"for _, f in ipairs(drop) do rec[f] = nil end\n"
"local unreadable = #drop > 0 or (exists and data and not rec.k)\n"

"if rec.k and string.lower(rec.k) ~= check then return {'foreign', 0} end\n"
"local rev = tonumber(rec.rev or '0')\n"

"local function nothing(why)\n"
"  if wait and exists and rec.k then\n"
"    redis.call('HSET', key, 'k', check)\n"
"  end\n"
"  return {why, rev}\n"
"end\n"

"if rec.ev and string.lower(rec.ev) == ev then return nothing('repeated') end\n"
"if link and redis.call('HMGET', link, 'ev')[1] then\n"
"  return {'spent', rev}\n"
"end\n"
"if rev ~= want and not (unreadable and want == 0) then\n"
"  return {'conflict', rev}\n"
"end\n"

"local set = {}\n"
"local function change(f, v)\n"
"  local old = rec[f]\n"
"  if v == '' then v = nil end\n"
"  if v ~= old then\n"
"    rec[f] = v\n"
"    if v then set[f] = v else drop[#drop + 1] = f end\n"
"  end\n"
"end\n"

"if what ~= 'set' then\n"
"  local fields = {}\n"
"  for f in pairs(rec) do fields[#fields + 1] = f end\n"
"  for _, f in ipairs(fields) do\n"
"    local p = string.sub(f, 1, 2)\n"
"    if what == 'erase' then\n"
"      if f ~= 'k' and f ~= 'rev' and f ~= 'ev' then change(f, '') end\n"
"    elseif p == 'd.' then change(f, '')\n"
"    elseif p == 'p.' then change(f, '0') end\n"
"  end\n"
"end\n"

"for i = 10 + 2 * n, #ARGV, 2 do\n"
"  local f, v, old = ARGV[i], ARGV[i + 1], rec[ARGV[i]]\n"
"  if string.sub(f, 1, 2) == 'd.' and v ~= '-' and v ~= ''\n"
"     and old and old ~= '-' and tonumber(old) > tonumber(v)\n"
"  then v = old end\n"
"  change(f, v)\n"
"end\n"

"if next(set) == nil and #drop == 0 then return nothing('unchanged') end\n"

"local prev = ''\n"
"local last = redis.call('XREVRANGE', bucket, '+', '-', 'COUNT', 1)\n"
"if last[1] then prev = load(last[1][2], 1, #last[1][2]).l or '' end\n"
"redis.call('XADD', bucket, '*', 'b', body, 'm', mac,\n"
"           'l', redis.sha1hex(prev .. body .. mac))\n"

"rev = rev + 1\n"
"if moved then set = rec end\n"
"set.rev, set.ev, set.k = string.format('%.0f', rev), ev, check\n"
"local args = {}\n"
"for f, v in pairs(set) do\n"
"  args[#args + 1] = f\n"
"  args[#args + 1] = v\n"
"end\n"
"if #drop > 0 and not moved then redis.call('HDEL', key, unpack(drop)) end\n"
"redis.call('HSET', key, unpack(args))\n"
"redis.call('EXPIRE', key, ARGV[3])\n"
"if link then\n"
"  redis.call('HSET', link, 'ev', ev)\n"
"  redis.call('EXPIRE', link, 7776000)\n"
"end\n"
"return {'written', rev}\n";


#endif /* NGX_CONSENT_SCRIPT_H */
