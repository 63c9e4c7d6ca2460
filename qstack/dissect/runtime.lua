-- Dissector of the quantum packet header and of the protocols that ride on it.
--
-- Install: copy this file into the folder that `tshark -G folders` calls "Personal Lua Plugins"
-- (`qstackctl wireshark install` does it), or load it once with `tshark -X lua_script:qstack.lua`.
--
-- Laws of this file:
--   * It runs on Lua 5.2 (Wireshark 4.0) and on Lua 5.4 (4.4 and newer): no bit32, no integer division, no goto.
--   * No bytes whatever make a Lua error. Every read is checked against the end of its structure first; what does not
--     decode becomes expert information, and dissection of the datagram stops there, as the decoder of the daemon does.
--   * It writes nothing to standard output, which may be carrying JSON.
--
-- Not done: nothing is decrypted. Encrypted payloads are shown as octets.

local is_new, qstack = pcall(Proto, "qstack", "Quantum packet")
if not is_new then
    return -- loaded already, say from the plugin folder and once more with -X
end

local experts = {
    malformed = ProtoExpert.new("qstack.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR),
    truncated = ProtoExpert.new("qstack.truncated", "Truncated", expert.group.MALFORMED, expert.severity.ERROR),
    reserved = ProtoExpert.new("qstack.reserved_set", "Reserved bits are set", expert.group.MALFORMED,
        expert.severity.ERROR),
    unknown_message = ProtoExpert.new("qstack.unknown_message", "Unknown message", expert.group.UNDECODED,
        expert.severity.WARN),
    unknown_protocol = ProtoExpert.new("qstack.unknown_protocol", "Unknown protocol", expert.group.UNDECODED,
        expert.severity.WARN),
    unknown_critical_tlv = ProtoExpert.new("qstack.unknown_critical_tlv", "Unknown critical TLV",
        expert.group.UNDECODED, expert.severity.WARN),
    unknown_tlv = ProtoExpert.new("qstack.unknown_tlv", "Unknown TLV", expert.group.UNDECODED, expert.severity.NOTE),
    unsealed = ProtoExpert.new("qstack.unsealed", "Not sealed", expert.group.SECURITY, expert.severity.WARN),
    cut = ProtoExpert.new("qstack.cut", "Cut short by the capture", expert.group.UNDECODED, expert.severity.NOTE),
    failure = ProtoExpert.new("qstack.failure", "The dissector failed", expert.group.DEBUG, expert.severity.ERROR),
}

local all_experts = {}
for _, one in pairs(experts) do
    all_experts[#all_experts + 1] = one
end
qstack.experts = all_experts

---------------------------------------------------------------------------------------------------------------------
-- The language of the tables below. Each function declares a field to Wireshark and gives an entry that knows how to
-- read it: entry.read(entry, packet, tree, at, limit) adds what stands at octet `at` and gives the octet behind it.

local all_fields = {}

local function declare(field)
    all_fields[#all_fields + 1] = field
    return field
end

local STOP = {} -- what is thrown once a datagram is known not to decode

local function stop(tree, which, text)
    tree:add_proto_expert_info(experts[which], text)
    error(STOP, 0)
end

-- Check that octets [at, at + count) lie before `limit`.
local function need(packet, tree, entry, at, count, limit)
    if at + count <= limit then
        return
    end
    if packet.is_cut and limit >= packet.captured then
        stop(tree, "cut", entry.label .. " lies behind the end of what was captured")
    end
    stop(tree, "truncated",
        string.format("%s needs %.0f octets, %.0f are left (octet %.0f)", entry.label, count, limit - at, at))
end

local function qna_text(range)
    return string.format("%.0f.%.0f", range:range(0, 4):uint(), range:range(4, 4):uint())
end

local LAST_SHOWN_SECOND = 253402300799 -- the end of the year 9999

local function time_text(range)
    local second = UInt64.new(1000000000)
    local instant = range:uint64()
    local seconds = (instant / second):tonumber()
    if seconds > LAST_SHOWN_SECOND then
        return ""
    end
    return string.format(" (%s.%09.0f TAI)", os.date("!%Y-%m-%d %H:%M:%S", seconds), (instant % second):tonumber())
end

local add_shown = {
    qna = function(entry, tree, range)
        return tree:add(entry.field, range, qna_text(range))
    end,
    fidelity = function(entry, tree, range)
        return tree:add(entry.field, range, range:uint() / 65535)
    end,
    time = function(entry, tree, range)
        return tree:add(entry.field, range):append_text(time_text(range))
    end,
}

local function add_plain(entry, tree, range)
    local item = tree:add(entry.field, range)
    if entry.unit then
        item:append_text(" " .. entry.unit)
    end
    return item
end

-- The ProtoField of a number: `octets` says how many it is read from, `mask` which of their bits.
local function number_field(abbreviation, label, octets, mask, meaning, options)
    if options.show == "qna" then
        return declare(ProtoField.string(abbreviation, label, base.ASCII, meaning))
    elseif options.show == "fidelity" then
        return declare(ProtoField.double(abbreviation, label, meaning))
    elseif options.show == "boolean" then
        return declare(ProtoField.bool(abbreviation, label, 8 * octets, nil, mask, meaning))
    end
    local maker = "uint64"
    if octets <= 4 and not options.wide then
        maker = "uint" .. string.format("%d", 8 * octets)
    end
    return declare(ProtoField[maker](abbreviation, label, base[options.base or "DEC"], options.values, mask, meaning))
end

-- Sub-fields of a set of flags: one for each named bit, most significant first.
local function flag_fields(abbreviation, octets, flags, shift)
    local found = {}
    for index, flag in ipairs(flags or {}) do
        found[index] = declare(ProtoField.bool(abbreviation .. "." .. flag[2], flag[3], 8 * octets, nil,
            flag[1] * shift))
    end
    return found
end

local function add_flags(entry, item, range)
    for _, flag in ipairs(entry.flags) do
        item:add(flag, range)
    end
end

local function read_number(entry, packet, tree, at, limit)
    need(packet, tree, entry, at, entry.octets, limit)
    local range = packet.tvb(at, entry.octets)
    local item = (add_shown[entry.show] or add_plain)(entry, tree, range)
    add_flags(entry, item, range)
    return at + entry.octets
end

-- A number of whole octets.
local function number(abbreviation, label, octets, meaning, options)
    options = options or {}
    return {
        name = options.name,
        label = label,
        octets = octets,
        show = options.show,
        unit = options.unit,
        field = number_field(abbreviation, label, octets, nil, meaning, options),
        flags = flag_fields(abbreviation, octets, options.flags, 1),
        read = read_number,
    }
end

-- A number of `count` bits that stands `at` bits behind the start of its run.
local function bits(abbreviation, label, at, count, meaning, options)
    options = options or {}
    local first = math.floor(at / 8)
    local octets = math.ceil((at + count) / 8) - first
    local shift = 2 ^ (8 * (first + octets) - at - count)
    local masked = octets <= 4 -- wider masks do not fit the numbers of Lua 5.2
    if not masked then
        options.wide = true
    end
    return {
        name = options.name,
        label = label,
        first = first,
        octets = octets,
        at = at - 8 * first,
        count = count,
        masked = masked,
        unit = options.unit,
        field = number_field(abbreviation, label, octets, masked and (2 ^ count - 1) * shift or nil, meaning, options),
        flags = flag_fields(abbreviation, octets, masked and options.flags or {}, shift),
    }
end

local reserved_field = declare(ProtoField.bytes("qstack.reserved", "Reserved", base.NONE, "must be zero"))

-- `count` bits that must be zero, `at` bits behind the start of their run.
local function reserved(at, count)
    local first = math.floor(at / 8)
    return {
        label = "Reserved",
        first = first,
        octets = math.ceil((at + count) / 8) - first,
        at = at - 8 * first,
        count = count,
        reserved = true,
    }
end

local function read_run(entry, packet, tree, at, limit)
    need(packet, tree, entry.members[1], at, entry.octets, limit)
    for _, member in ipairs(entry.members) do
        local range = packet.tvb(at + member.first, member.octets)
        local value = tostring(range:bitfield(member.at, member.count))
        if member.reserved then
            if not value:match("^0+%.?0*$") then
                stop(tree:add(reserved_field, range), "reserved", "Reserved bits are not zero")
            end
        elseif member.masked then
            add_flags(member, add_plain(member, tree, range), range)
        else
            tree:add(member.field, range, range:bitfield(member.at, member.count))
        end
        if member.name and packet.seen then
            packet.seen[member.name] = value
        end
    end
    return at + entry.octets
end

-- Neighbouring fields that together fill `octets` octets.
local function run(octets, members)
    return { label = members[1].label, octets = octets, members = members, read = read_run }
end

local function add_octets(entry, tree, range)
    local item = tree:add(entry.field, range)
    if range:len() == 0 then
        item:set_text(entry.label .. ": (empty)")
    end
    return item
end

local function read_fixed(entry, packet, tree, at, limit)
    need(packet, tree, entry, at, entry.octets, limit)
    add_octets(entry, tree, packet.tvb(at, entry.octets))
    return at + entry.octets
end

-- An IPv4 or IPv6 address: 4 or 16 octets.
local function address(abbreviation, label, count, meaning, options)
    local maker = count == 4 and ProtoField.ipv4 or ProtoField.ipv6
    return {
        name = options and options.name,
        label = label,
        octets = count,
        field = declare(maker(abbreviation, label, meaning)),
        read = read_fixed,
    }
end

-- Exactly `count` octets.
local function octets(abbreviation, label, count, meaning, options)
    return {
        name = options and options.name,
        label = label,
        octets = count,
        field = declare(ProtoField.bytes(abbreviation, label, base.NONE, meaning)),
        read = read_fixed,
    }
end

local function read_rest(entry, packet, tree, at, limit)
    add_octets(entry, tree, packet.tvb(at, limit - at))
    return limit
end

-- Octets to the end.
local function rest(abbreviation, label, meaning)
    return {
        label = label,
        field = declare(ProtoField.bytes(abbreviation, label, base.NONE, meaning)),
        read = read_rest,
    }
end

-- The count or length in front of something; refused when it is not in minimum..maximum.
local function read_prefix(entry, packet, tree, at, limit, what)
    need(packet, tree, entry, at, entry.prefix, limit)
    local count = packet.tvb(at, entry.prefix):uint()
    if count < entry.minimum or count > entry.maximum then
        stop(tree, "malformed", string.format("%s: %.0f %s, allowed are %.0f..%.0f (octet %.0f)", entry.label, count,
            what, entry.minimum, entry.maximum, at))
    end
    return count
end

local function read_prefixed(entry, packet, tree, at, limit)
    local length = read_prefix(entry, packet, tree, at, limit, "octets")
    local start = at + entry.prefix
    need(packet, tree, entry, start, length, limit)
    local range = packet.tvb(start, length)
    local item
    if entry.is_text then
        local text = length > 0 and range:raw() or ""
        if text:find("[^\32-\126]") then
            stop(add_octets({ field = entry.raw_field, label = entry.label }, tree, range), "malformed",
                entry.label .. " is not printable US-ASCII")
        end
        item = tree:add(entry.field, range, text)
    else
        item = add_octets(entry, tree, range)
    end
    item:add(entry.length_field, packet.tvb(at, entry.prefix))
    return start + length
end

-- Octets behind a length of `prefix` octets.
local function prefixed(abbreviation, label, prefix, minimum, maximum, meaning, options)
    return {
        name = options and options.name,
        label = label,
        prefix = prefix,
        minimum = minimum,
        maximum = maximum,
        field = declare(ProtoField.bytes(abbreviation, label, base.NONE, meaning)),
        length_field = declare(ProtoField.uint32(abbreviation .. ".length", label .. " length", base.DEC)),
        read = read_prefixed,
    }
end

-- Printable US-ASCII behind a length of `prefix` octets.
local function text(abbreviation, label, prefix, minimum, maximum, meaning, options)
    return {
        name = options and options.name,
        label = label,
        prefix = prefix,
        minimum = minimum,
        maximum = maximum,
        is_text = true,
        field = declare(ProtoField.string(abbreviation, label, base.ASCII, meaning)),
        raw_field = declare(ProtoField.bytes(abbreviation .. ".octets", label .. " octets", base.NONE)),
        length_field = declare(ProtoField.uint32(abbreviation .. ".length", label .. " length", base.DEC)),
        read = read_prefixed,
    }
end

local function read_fields(entries, packet, tree, at, limit)
    for _, entry in ipairs(entries) do
        local start = at
        at = entry.read(entry, packet, tree, at, limit)
        if entry.name and packet.seen then
            packet.seen[entry.name] = at > start and packet.tvb(start, at - start):bytes():tohex() or ""
        end
    end
    return at
end

local function read_record(entry, packet, tree, at, limit)
    local item = tree:add(entry.field, packet.tvb(at, 0)):set_text(entry.label)
    local seen = packet.seen
    packet.seen = nil
    local after = read_fields(entry.entries, packet, item, at, limit)
    packet.seen = seen
    item:set_len(after - at)
    return after
end

-- Another structure, in place.
local function record(abbreviation, label, entries, meaning, options)
    return {
        name = options and options.name,
        label = label,
        entries = entries,
        field = declare(ProtoField.none(abbreviation, label, meaning)),
        read = read_record,
    }
end

local function read_list(entry, packet, tree, at, limit)
    local count = read_prefix(entry, packet, tree, at, limit, "items")
    local list = tree:add(entry.field, packet.tvb(at, entry.prefix))
    list:set_text(string.format("%s: %.0f", entry.label, count))
    list:add(entry.count_field, packet.tvb(at, entry.prefix))
    local after = at + entry.prefix
    for _ = 1, count do
        after = entry.item.read(entry.item, packet, list, after, limit)
    end
    list:set_len(after - at)
    return after
end

-- Items behind a count of `prefix` octets.
local function list(abbreviation, label, prefix, minimum, maximum, item, meaning, options)
    return {
        name = options and options.name,
        label = label,
        prefix = prefix,
        minimum = minimum,
        maximum = maximum,
        item = item,
        field = declare(ProtoField.none(abbreviation .. ".list", label, meaning)),
        count_field = declare(ProtoField.uint32(abbreviation .. ".count", label .. " count", base.DEC)),
        read = read_list,
    }
end

local MAXIMUM_TLVS = 64
local tlv = {
    type = declare(ProtoField.uint16("qstack.tlv.type", "Type", base.HEX)),
    critical = declare(ProtoField.bool("qstack.tlv.critical", "Critical", 16, nil, 0x8000,
        "whoever does not know the TLV must refuse the message")),
    length = declare(ProtoField.uint16("qstack.tlv.length", "Length", base.DEC)),
    unknown = declare(ProtoField.bytes("qstack.tlv.value", "Value", base.NONE, "of a TLV that is not declared")),
    any = declare(ProtoField.none("qstack.tlv", "TLV")),
    label = "TLV",
}

local function read_unknown_tlv(packet, item, kind, at, after)
    item:set_text(string.format("TLV 0x%04x (unknown)", kind))
    add_octets({ field = tlv.unknown, label = "Value" }, item, packet.tvb(at, after - at))
    if kind >= 0x8000 then
        item:add_proto_expert_info(experts.unknown_critical_tlv, "A critical TLV that is not declared")
    else
        item:add_proto_expert_info(experts.unknown_tlv, "A TLV that is not declared")
    end
end

local function read_tlv(known, packet, tree, at, limit)
    need(packet, tree, tlv, at, 4, limit)
    local kind = packet.tvb(at, 2):uint()
    local length = packet.tvb(at + 2, 2):uint()
    local after = at + 4 + length
    need(packet, tree, tlv, at + 4, length, limit)
    local declared = known[kind]
    local item = tree:add(declared and declared.field or tlv.any, packet.tvb(at, 4 + length))
    item:add(tlv.type, packet.tvb(at, 2))
    item:add(tlv.critical, packet.tvb(at, 2))
    item:add(tlv.length, packet.tvb(at + 2, 2))
    if not declared then
        read_unknown_tlv(packet, item, kind, at + 4, after)
        return after
    end
    item:set_text("TLV " .. declared.name)
    packet.acknowledges = packet.acknowledges or declared.name == "Exchange"
    local used = read_fields(declared.entries, packet, item, at + 4, after)
    if used < after then
        stop(item, "malformed", string.format("%.0f octets after the last field of the TLV", after - used))
    end
    return after
end

local function read_tlvs(entry, packet, tree, at, limit)
    if entry.prefix > 0 then
        need(packet, tree, entry, at, entry.prefix, limit)
        local length = packet.tvb(at, entry.prefix):uint()
        tree:add(entry.length_field, packet.tvb(at, entry.prefix))
        at = at + entry.prefix
        need(packet, tree, entry, at, length, limit)
        limit = at + length
    end
    local seen = packet.seen
    packet.seen = nil
    local count = 0
    while at < limit do
        count = count + 1
        if count > MAXIMUM_TLVS then
            stop(tree, "malformed", string.format("%s: more than %d TLVs", entry.label, MAXIMUM_TLVS))
        end
        at = read_tlv(entry.known, packet, tree, at, limit)
    end
    packet.seen = seen
    return limit
end

-- TLVs behind a length of `prefix` octets, or (0) to the end. `known`: code -> what tlv_kind gave.
local function tlvs(abbreviation, label, prefix, known, meaning)
    return {
        label = label,
        prefix = prefix,
        known = known,
        length_field = prefix > 0 and declare(ProtoField.uint32(abbreviation .. ".length", label .. " length",
            base.DEC, nil, nil, meaning)) or nil,
        read = read_tlvs,
    }
end

local function tlv_kind(abbreviation, name, entries, meaning)
    return { name = name, entries = entries, field = declare(ProtoField.none(abbreviation, name, meaning)) }
end

-- A protocol that crosses UDP: messages by code.
local function protocol(name, abbreviation, title, messages)
    local names = {}
    for code, message in pairs(messages) do
        names[code] = message.name
    end
    return {
        name = name,
        messages = messages,
        field = declare(ProtoField.none(abbreviation, title)),
        code_field = declare(ProtoField.uint8(abbreviation .. ".message_code", "Message code", base.DEC, names)),
    }
end

---------------------------------------------------------------------------------------------------------------------
-- The tables.

--@TABLES@

---------------------------------------------------------------------------------------------------------------------
-- Requests and answers. A message with `asked` is a request: each entry is a list of field names by whose values some
-- answer is matched to it. A message with `answers` lists {request, field names}. Two are one exchange when protocol,
-- request, these values and the pair of QNAs are the same (a request to all, QNA 0.0, is answered by anybody); copies of a
-- forwarded datagram are told apart by the hop.

local link = {
    request_in = declare(ProtoField.framenum("qstack.request_in", "Request in", base.NONE, frametype.REQUEST)),
    response_in = declare(ProtoField.framenum("qstack.response_in", "Response in", base.NONE, frametype.RESPONSE)),
    response_time = declare(ProtoField.relative_time("qstack.response_time", "Response time")),
}

local exchanges = {} -- key -> {requests = {seen frame, ...}, responses = {...}}, in the order of frames

function qstack.init()
    exchanges = {}
end

local function unordered(a, b)
    if a < b then
        return a .. " " .. b
    end
    return b .. " " .. a
end

local TO_ALL = "0.0"

local function exchange_key(packet, ends, protocol_name, request, names)
    local parts = { protocol_name, request, ends }
    for _, name in ipairs(names) do
        parts[#parts + 1] = name .. "=" .. (packet.seen[name] or "")
    end
    return table.concat(parts, "|")
end

local function exchange(...)
    local key = exchange_key(...)
    if not exchanges[key] then
        exchanges[key] = { requests = {}, responses = {} }
    end
    return exchanges[key]
end

local function remember(frames, packet)
    if not packet.visited then
        frames[#frames + 1] = { number = packet.number, time = packet.time, hop = packet.hop }
    end
end

-- The last request before this frame, if possible of the same hop.
local function find_request(frames, packet)
    local any
    for index = #frames, 1, -1 do
        local frame = frames[index]
        if frame.number < packet.number then
            if frame.hop == packet.hop then
                return frame
            end
            any = any or frame
        end
    end
    return any
end

-- The first response after this frame, if possible of the same hop.
local function find_response(frames, packet)
    local any
    for _, frame in ipairs(frames) do
        if frame.number > packet.number then
            if frame.hop == packet.hop then
                return frame
            end
            any = any or frame
        end
    end
    return any
end

local function link_request(packet, tree, protocol_name, message)
    local shown = {}
    local ends = packet.destination == TO_ALL and TO_ALL .. " " .. packet.source or packet.ends
    for _, names in ipairs(message.asked or {}) do
        local found = exchange(packet, ends, protocol_name, message.name, names)
        remember(found.requests, packet)
        local response = find_response(found.responses, packet)
        if response and not shown[response.number] then
            shown[response.number] = true
            tree:add(link.response_in, response.number):set_generated()
        end
    end
end

local function add_response_time(tree, elapsed)
    local seconds = math.floor(math.max(elapsed, 0))
    local nanoseconds = math.floor((math.max(elapsed, 0) - seconds) * 1e9 + 0.5)
    tree:add(link.response_time, NSTime.new(seconds, math.min(nanoseconds, 999999999))):set_generated()
end

local function link_response(packet, tree, protocol_name, message)
    for _, answered in ipairs(message.answers or {}) do
        local direct = exchange(packet, packet.ends, protocol_name, answered[1], answered[2])
        local to_all = exchange(packet, TO_ALL .. " " .. packet.destination, protocol_name, answered[1], answered[2])
        remember(direct.responses, packet)
        remember(to_all.responses, packet)
        local request = find_request(direct.requests, packet) or find_request(to_all.requests, packet)
        if request then
            tree:add(link.request_in, request.number):set_generated()
            add_response_time(tree, packet.time - request.time)
        end
    end
end

---------------------------------------------------------------------------------------------------------------------
-- A datagram.

local HEADER_OCTETS = 40
local SEAL_OCTETS = 16
local ENCRYPTED = 2
local END = 8
local NONE = 0

local whole = {
    tag = declare(ProtoField.bytes("qstack.tag", "Authentication tag", base.NONE, "closes a sealed datagram")),
    end_tag = declare(ProtoField.bytes("qstack.end.tag", "End authentication tag", base.NONE, "closes an end seal")),
    ciphertext = declare(ProtoField.bytes("qstack.ciphertext", "Encrypted payload", base.NONE)),
    payload = declare(ProtoField.bytes("qstack.payload", "Payload", base.NONE)),
    message = declare(ProtoField.string("qstack.message", "Message", base.ASCII, "name of the message")),
    qna = declare(ProtoField.string("qstack.qna", "Source or destination", base.ASCII, "either end of the datagram")),
    as_number = declare(ProtoField.uint32("qstack.as", "Quantum AS", base.DEC, nil, nil, "of either end")),
    end_header = declare(ProtoField.none("qstack.end", "End header")),
}

qstack.fields = all_fields

local function name_of(number_)
    return protocol_names[number_] or string.format("protocol %.0f", number_)
end

local function read_message(packet, root, family, at, limit)
    local tree = root:add(family.field, packet.tvb(at, limit - at))
    tree:set_text(family.name)
    need(packet, tree, { label = "Message code" }, at, 1, limit)
    local code = packet.tvb(at, 1):uint()
    tree:add(family.code_field, packet.tvb(at, 1))
    local message = family.messages[code]
    if not message then
        packet.what = string.format("%s message %.0f", family.name, code)
        stop(tree, "unknown_message", packet.what .. " is not declared")
    end
    packet.what = family.name .. " " .. message.name
    tree:set_text(packet.what)
    tree:add(whole.message, message.name):set_generated()
    packet.seen = {}
    local used = read_fields(message.entries, packet, tree, at + 1, limit)
    if used < limit then
        stop(tree, "malformed", string.format("%.0f octets after the last field", limit - used))
    end
    link_request(packet, tree, family.name, message)
    link_response(packet, tree, family.name, message)
    packet.seen = nil
end

local function is_encrypted(flags_)
    return math.floor(flags_ / ENCRYPTED) % 2 == 1
end

local function add_raw(field, packet, root, at, limit)
    if at < limit then
        root:add(field, packet.tvb(at, limit - at))
    end
end

local function read_payload(packet, root, next_protocol, encrypted, at, limit)
    packet.what = name_of(next_protocol)
    local family = protocols[next_protocol]
    if encrypted then
        packet.what = packet.what .. " encrypted"
        add_raw(whole.ciphertext, packet, root, at, limit)
    elseif family then
        read_message(packet, root, family, at, limit)
    else
        add_raw(whole.payload, packet, root, at, limit)
        if next_protocol == NONE then
            packet.what = packet.acknowledges and "HEADER acknowledgement" or "HEADER alone"
        elseif not protocol_names[next_protocol] then
            root:add_proto_expert_info(experts.unknown_protocol, packet.what .. " is not known")
        end
    end
end

-- Read what lies between `at` and the tag that ends at `limit`, then show the tag, whatever became of what lies before.
local function read_sealed(packet, root, field, at, limit, read)
    local inside = limit - SEAL_OCTETS
    if limit <= packet.captured then
        need(packet, root, { label = "Authentication tag" }, at, SEAL_OCTETS, limit)
    end
    local done, problem = pcall(read, math.max(at, inside))
    if limit <= packet.captured then
        root:add(field, packet.tvb(inside, SEAL_OCTETS))
    end
    if not done then
        error(problem, 0)
    end
end

local function read_end(packet, root, at, limit)
    local tree = root:add(whole.end_header, packet.tvb(at, 0)):set_text("End header")
    packet.what = "END"
    local payload = read_fields(end_header, packet, tree, at, math.min(limit, packet.captured))
    tree:set_len(payload - at)
    local next_protocol = packet.tvb(at, 1):uint()
    if next_protocol == END then
        packet.what = "END in END"
        stop(tree, "malformed", "An end seal inside an end seal")
    end
    local encrypted = is_encrypted(packet.tvb(at + 1, 1):uint())
    read_sealed(packet, root, whole.end_tag, payload, limit, function(after)
        read_payload(packet, root, next_protocol, encrypted, payload, math.min(after, packet.captured))
    end)
end

-- Fields of the header at their fixed places, for what must be known before and beside the tree.
local function peek(tvb)
    return {
        version = math.floor(tvb(0, 1):uint() / 16),
        next_protocol = tvb(1, 1):uint(),
        flags = tvb(3, 1):uint(),
        length = tvb(4, 2):uint(),
        source = qna_text(tvb(6, 8)),
        destination = qna_text(tvb(14, 8)),
        source_as = tvb(6, 4):uint(),
        destination_as = tvb(14, 4):uint(),
        epoch = tvb(26, 4):uint(),
    }
end

local function check_header(packet, tree, header)
    if header.version ~= 1 then
        stop(tree, "malformed", string.format("Header version is %.0f, not 1", header.version))
    end
    if header.length ~= packet.reported then
        stop(tree, "malformed", string.format("Length says %.0f octets, the datagram has %.0f", header.length,
            packet.reported))
    end
end

local function add_ends(tree, tvb, header)
    tree:add(whole.qna, tvb(6, 8), header.source):set_hidden()
    tree:add(whole.qna, tvb(14, 8), header.destination):set_hidden()
    tree:add(whole.as_number, tvb(6, 4)):set_hidden()
    tree:add(whole.as_number, tvb(14, 4)):set_hidden()
end

local function read_body(packet, root, header, at, limit)
    local encrypted = is_encrypted(header.flags)
    if header.next_protocol == END and not encrypted then
        read_end(packet, root, at, limit)
    else
        read_payload(packet, root, header.next_protocol, encrypted, at, math.min(limit, packet.captured))
    end
end

local function read_datagram(packet, root)
    local tvb = packet.tvb
    packet.what = "datagram"
    need(packet, root, { label = "Header" }, 0, HEADER_OCTETS, packet.captured)
    local header = peek(tvb)
    packet.between = " " .. header.source .. " -> " .. header.destination
    packet.source = header.source
    packet.destination = header.destination
    packet.ends = unordered(header.source, header.destination)
    root:append_text(packet.between)
    local payload = read_fields(datagram_header, packet, root, 0, packet.captured)
    add_ends(root, tvb, header)
    check_header(packet, root, header)
    if header.epoch ~= 0 then
        read_sealed(packet, root, whole.tag, payload, header.length, function(limit)
            read_body(packet, root, header, payload, limit)
        end)
    else
        if not may_be_unsealed[header.next_protocol] then
            root:add_proto_expert_info(experts.unsealed, name_of(header.next_protocol) .. " must be sealed")
        end
        read_body(packet, root, header, payload, header.length)
    end
    if packet.is_cut then
        root:add_proto_expert_info(experts.cut, "The capture holds only the start of this datagram")
    end
end

local function look_at(tvb, pinfo)
    return {
        tvb = tvb,
        captured = tvb:captured_len(),
        reported = tvb:reported_len(),
        is_cut = tvb:captured_len() < tvb:reported_len(),
        number = pinfo.number,
        visited = pinfo.visited,
        time = pinfo.rel_ts,
        hop = unordered(tostring(pinfo.src) .. ":" .. tostring(pinfo.src_port),
            tostring(pinfo.dst) .. ":" .. tostring(pinfo.dst_port)),
        what = "",
        between = "",
    }
end

function qstack.dissector(tvb, pinfo, tree)
    if tvb:captured_len() == 0 then
        return 0
    end
    pinfo.cols.protocol = "QSTACK"
    local root = tree:add(qstack, tvb())
    local packet = look_at(tvb, pinfo)
    local done, problem = pcall(read_datagram, packet, root)
    local mark = ""
    if not done then
        mark = packet.is_cut and " [cut]" or " [malformed]"
        if problem ~= STOP then
            root:add_proto_expert_info(experts.failure, tostring(problem))
        end
    end
    pinfo.cols.info = packet.what .. packet.between .. mark
    return tvb:captured_len()
end

-- Whether a datagram on any port is ours: version, a known protocol, no unknown flag, sealed or allowed not to be, and a
-- length that is exactly the datagram's.
local function looks_like_ours(tvb)
    if tvb:captured_len() < HEADER_OCTETS then
        return false
    end
    local header = peek(tvb)
    return header.version == 1 and header.length == tvb:reported_len() and protocol_names[header.next_protocol] ~= nil
        and header.flags < 4 and (header.epoch ~= 0 or may_be_unsealed[header.next_protocol] == true)
end

local function guess(tvb, pinfo, tree)
    local done, ours = pcall(looks_like_ours, tvb)
    if not (done and ours) then
        return false
    end
    qstack.dissector(tvb, pinfo, tree)
    return true
end

qstack:register_heuristic("udp", guess)

local udp_ports = DissectorTable.get("udp.port")
local port = UDP_PORT
qstack.prefs.port = Pref.uint("UDP port", UDP_PORT, "Port of the quantum packet header; 0 leaves it to the heuristic")
udp_ports:add(port, qstack)

function qstack.prefs_changed()
    if qstack.prefs.port == port then
        return
    end
    if port ~= 0 then
        udp_ports:remove(port, qstack)
    end
    port = qstack.prefs.port
    if port ~= 0 then
        udp_ports:add(port, qstack)
    end
end
