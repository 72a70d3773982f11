-- SPDX-License-Identifier: BSD-3-Clause
-- Wireshark dissector of vfring's wire protocol, version 4 (docs/wire-protocol.md).
-- To use it: wireshark -X lua_script:vfring.lua, or copy it to the personal
-- plugins folder (Help, About Wireshark, Folders).

local vfring = Proto("vfring", "vfring")

local types = { [1] = "DATA", [2] = "ACK", [3] = "BYE", [4] = "GONE" }
local kinds = { [0] = "active message", [1] = "PLACE", [2] = "GET", [3] = "probe", [4] = "FIRST", [5] = "MORE", [6] = "LAST" }
local f = {
    version = ProtoField.uint8("vfring.version", "Version"),
    type = ProtoField.uint8("vfring.type", "Type", base.DEC, types),
    payload_bytes = ProtoField.uint16("vfring.payload_bytes", "Payload bytes"),
    tag = ProtoField.uint8("vfring.tag", "Tag", base.HEX),
    flags = ProtoField.uint8("vfring.flags", "Flags", base.HEX),
    crc_payload = ProtoField.bool("vfring.flags.crc_payload", "Checksum covers all of the payload", 8, nil, 0x01),
    unordered = ProtoField.bool("vfring.flags.unordered", "May be handed up before its turn", 8, nil, 0x02),
    ask = ProtoField.bool("vfring.flags.ask", "Asks whether this lane works", 8, nil, 0x04),
    echo = ProtoField.bool("vfring.flags.echo", "Answers such a question", 8, nil, 0x08),
    key = ProtoField.uint32("vfring.key", "Receiver's key (GONE: the source's)", base.HEX),
    src = ProtoField.uint32("vfring.src", "Source id"),
    seq = ProtoField.uint32("vfring.seq", "Sequence number"),
    ack = ProtoField.uint32("vfring.ack", "Acknowledged before"),
    credit = ProtoField.uint16("vfring.credit", "Credit"),
    dst = ProtoField.uint32("vfring.dst", "Receiver's id"),
    dups = ProtoField.uint16("vfring.dups", "Had twice"),
    reserved = ProtoField.uint32("vfring.reserved", "Reserved", base.HEX),
    sack = ProtoField.uint64("vfring.sack", "Selectively acknowledged", base.HEX),
    crc = ProtoField.uint32("vfring.crc", "CRC32C", base.HEX),
    msg = ProtoField.uint32("vfring.msg", "Message kind", base.DEC, kinds, 0xff),
    own_key = ProtoField.uint32("vfring.own_key", "Sender's own key", base.HEX),
    left = ProtoField.uint32("vfring.left", "Bytes of the message from here on", base.DEC, nil, 0xffffff00),
    place_index = ProtoField.uint32("vfring.place.index", "Region"),
    place_nonce = ProtoField.uint64("vfring.place.nonce", "Nonce", base.HEX),
    place_address = ProtoField.uint64("vfring.place.address", "Address", base.HEX),
    get_source_index = ProtoField.uint32("vfring.get.source_index", "Source region"),
    get_target_index = ProtoField.uint32("vfring.get.target_index", "Target region"),
    get_source_address = ProtoField.uint64("vfring.get.source_address", "Source address", base.HEX),
    get_target_address = ProtoField.uint64("vfring.get.target_address", "Target address", base.HEX),
    get_bytes = ProtoField.uint64("vfring.get.bytes", "Bytes"),
    payload = ProtoField.bytes("vfring.payload", "Payload"),
    padding = ProtoField.bytes("vfring.padding", "Padding"),
}
vfring.fields = f

local short = ProtoExpert.new("vfring.short", "Frame shorter than its header or its payload",
    expert.group.MALFORMED, expert.severity.ERROR)
local unknown = ProtoExpert.new("vfring.unknown", "Another version: the fields may mean something else",
    expert.group.UNDECODED, expert.severity.WARN)
local odd = ProtoExpert.new("vfring.odd", "A receiver drops this as malformed",
    expert.group.PROTOCOL, expert.severity.WARN)
vfring.experts = { short, unknown, odd }

local HEADER = 42 -- behind the Ethernet header

-- Numbers behind `ack` that the bits of an ACK's payload stand for.
local function sacked(ack, range, tree)
    local names = {}
    for at = 0, range:len() - 8, 8 do
        local word = range(at, 8):le_uint64()
        tree:add_le(f.sack, range(at, 8))
        for i = 0, 63 do
            if word:rshift(i):band(1):tonumber() == 1 then
                names[#names + 1] = string.format("%d", (ack + 1 + 8 * at + i) % 0x100000000)
            end
        end
    end
    return table.concat(names, " ")
end

local function body(kind, range, tree)
    if (kind == 1 or kind == 6) and range:len() >= 24 then
        tree:add_le(f.place_index, range(0, 4))
        tree:add_le(f.place_nonce, range(8, 8))
        tree:add_le(f.place_address, range(16, 8))
    elseif kind == 2 and range:len() == 48 then
        tree:add_le(f.get_source_index, range(0, 4))
        tree:add_le(f.get_target_index, range(4, 4))
        tree:add_le(f.get_source_address, range(24, 8))
        tree:add_le(f.get_target_address, range(32, 8))
        tree:add_le(f.get_bytes, range(40, 8))
    end
end

function vfring.dissector(buffer, pinfo, root)
    local length = buffer:len()
    local tree = root:add(vfring, buffer())
    pinfo.cols.protocol = "vfring"
    if length < HEADER then
        tree:add_proto_expert_info(short)
        return
    end
    tree:add_le(f.version, buffer(0, 1))
    tree:add_le(f.type, buffer(1, 1))
    tree:add_le(f.payload_bytes, buffer(2, 2))
    tree:add_le(f.tag, buffer(4, 1))
    local flags = tree:add_le(f.flags, buffer(5, 1))
    flags:add(f.crc_payload, buffer(5, 1))
    flags:add(f.unordered, buffer(5, 1))
    if buffer(1, 1):uint() == 2 then
        flags:add(f.ask, buffer(5, 1))
        flags:add(f.echo, buffer(5, 1))
    end
    tree:add_le(f.src, buffer(6, 4))
    tree:add_le(f.key, buffer(10, 4))
    tree:add_le(f.dst, buffer(14, 4))
    tree:add_le(f.seq, buffer(18, 4))
    tree:add_le(f.ack, buffer(22, 4))
    tree:add_le(f.credit, buffer(26, 2))
    tree:add_le(f.dups, buffer(28, 2))
    tree:add_le(f.reserved, buffer(30, 4))
    local ack = buffer(22, 4):le_uint()
    local list = ""
    tree:add_le(f.crc, buffer(34, 4))
    local message = buffer(38, 1):uint()
    if buffer(1, 1):uint() == 3 then
        tree:add_le(f.own_key, buffer(38, 4))
        message = 0
    else
        tree:add_le(f.msg, buffer(38, 4))
    end
    if message == 4 or message == 5 then
        tree:add_le(f.left, buffer(38, 4))
    end
    if buffer(0, 1):uint() ~= 4 then
        tree:add_proto_expert_info(unknown)
    end
    local kind, bytes = buffer(1, 1):uint(), buffer(2, 2):le_uint()
    if not types[kind] or buffer(30, 4):uint() ~= 0 or buffer(5, 1):uint() > (buffer(1, 1):uint() == 2 and 15 or 3) or (kind ~= 1 and (bytes > 64 or bytes % 8 > 0)) then
        tree:add_proto_expert_info(odd)
    end
    if bytes > length - HEADER then
        tree:add_proto_expert_info(short)
        bytes = length - HEADER
    end
    if bytes > 0 then
        local range = buffer(HEADER, bytes)
        local payload = tree:add(f.payload, range)
        if kind ~= 1 then
            list = sacked(ack, range, payload)
        else
            body(buffer(38, 4):le_uint(), range, payload)
        end
    end
    if length > HEADER + bytes then
        tree:add(f.padding, buffer(HEADER + bytes))
    end
    pinfo.cols.info = string.format("%s id %u seq %u ack %u%s, %u bytes", types[kind] or "?",
        buffer(6, 4):le_uint(), buffer(18, 4):le_uint(), ack, list ~= "" and " sack " .. list or "", bytes)
end

DissectorTable.get("ethertype"):add(0x88B5, vfring)
