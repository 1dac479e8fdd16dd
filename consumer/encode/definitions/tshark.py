"""Wireshark and tshark: a post-dissector in Lua (`-X lua_script:FILE`).

Belongs here: the script, run with tshark 4.0.17. Does not: anything of other collectors.

Wireshark compiles its table of enterprise numbers in, and shows ours as bytes without saying which string is which
(empty ones are left out). So the script reads the message again, templates included, and adds fields of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from consumer.encode.catalogue import Entry
from consumer.encode.definitions.parts import enterprise_number, heading, own, snake_case

_TYPES = {
    "string": "string",
    "unsigned8": "uint8",
    "unsigned16": "uint16",
    "unsigned32": "uint32",
    "unsigned64": "uint64",
    "ipv4Address": "ipv4",
    "ipv6Address": "ipv6",
}
"""IANA's type → the constructor of Lua's ProtoField."""


def write(entries: Sequence[Entry]) -> str:
    """The whole script; empty when Wireshark knows every element."""
    elements = own(entries)
    if not elements:
        return ""
    head = "\n".join(f"-- {line}" for line in heading("tshark", entries))
    table = "\n".join(
        f'    [{entry.number}] = {{"{_TYPES[entry.type]}", "{snake_case(entry.name)}", "{entry.name}"}},'
        for entry in elements
    )
    return _SCRIPT.format(head=head, number=enterprise_number(entries), table=table)


_SCRIPT = """\
{head}
--
-- tshark -X lua_script:FILE -r CAPTURE -V
-- tshark -X lua_script:FILE -r CAPTURE -T fields -e vpcflow.source_name -e vpcflow.destination_name
-- Wireshark: put it into the personal Lua plugin folder (Help > About > Folders). Filter: vpcflow.vpc_id == "vpc-1"

local ENTERPRISE_NUMBER = {number}
local ELEMENTS = {{
{table}
}}

local HEADER_BYTES, SET_HEADER_BYTES, VARIABLE_LENGTH, ENTERPRISE_BIT = 16, 4, 65535, 32768
local TEMPLATE_SET, FIRST_DATA_SET = 2, 256

-- Wireshark's own dissector takes templates of 60 fields at most unless told otherwise; formats with the fields of ECS
-- or of tags have more. Where a script cannot raise the limit, nothing changes.
pcall(function()
    local limit = get_preference("cflow.max_template_fields")
    if limit > 0 and limit < 256 then
        set_preference("cflow.max_template_fields", 256)
        apply_preferences()
    end
end)

local vpcflow = Proto("vpcflow", "VPC flow names")
local fields = {{}}
for number, element in pairs(ELEMENTS) do
    fields[number] = ProtoField[element[1]]("vpcflow." .. element[2], element[3])
end
vpcflow.fields = fields

local udp_payload = Field.new("udp.payload")
local templates = {{}}

function vpcflow.init()
    templates = {{}}
end

-- Field list of one template record at `position`, and where it ends. A field: {{number, length, is_ours, is_iana}}.
local function read_template(message, position)
    local list = {{has_ours = false, smallest = 0}}
    local count = message(position + 2, 2):uint()
    position = position + 4
    for _ = 1, count do
        local number, length, enterprise = message(position, 2):uint(), message(position + 2, 2):uint(), 0
        position = position + 4
        if number >= ENTERPRISE_BIT then
            number, enterprise = number - ENTERPRISE_BIT, message(position, 4):uint()
            position = position + 4
        end
        local is_ours = enterprise == ENTERPRISE_NUMBER and ELEMENTS[number] ~= nil
        list[#list + 1] = {{number, length, is_ours, enterprise == 0}}
        list.has_ours = list.has_ours or is_ours
        list.smallest = list.smallest + (length == VARIABLE_LENGTH and 1 or length)
    end
    return list, position
end

-- Where the value at `position` begins and how long it is.
local function value_bounds(message, position, length)
    if length ~= VARIABLE_LENGTH then
        return position, length
    end
    length = message(position, 1):uint()
    if length < 255 then
        return position + 1, length
    end
    return position + 3, message(position + 1, 2):uint()
end

local function add_value(tree, number, range)
    if ELEMENTS[number][1] == "string" then
        tree:add(fields[number], range, range:string(ENC_UTF_8))
    else
        tree:add(fields[number], range)
    end
end

-- Adds the names of one record below `tree`; returns where it ends. What names a flow is put into the label.
local function add_record(message, position, template, tree)
    local first, ends = position, {{}}
    local record = tree:add(vpcflow, message(position), "Flow")
    for _, field in ipairs(template) do
        local number, length, is_ours, is_iana = field[1], field[2], field[3], field[4]
        position, length = value_bounds(message, position, length)
        if length > 0 then
            local range = message(position, length)
            if is_ours then
                add_value(record, number, range)
            elseif is_iana and (number == 8 or number == 12) then
                ends[number] = tostring(range:ipv4())
            elseif is_iana and (number == 27 or number == 28) then
                ends[number] = "[" .. tostring(range:ipv6()) .. "]"
            elseif is_iana and (number == 7 or number == 11) then
                ends[number] = ":" .. range:uint()
            end
        end
        position = position + length
    end
    record:set_len(position - first)
    local source, destination = ends[8] or ends[27] or "?", ends[12] or ends[28] or "?"
    record:set_text("Flow " .. source .. (ends[7] or "") .. " -> " .. destination .. (ends[11] or ""))
    return position
end

local function read_message(message, session, tree)
    session = session .. " " .. message(12, 4):uint() .. " "
    local position = HEADER_BYTES
    while position + SET_HEADER_BYTES <= message:len() do
        local set_id, set_length = message(position, 2):uint(), message(position + 2, 2):uint()
        local set_end = position + set_length
        if set_length < SET_HEADER_BYTES or set_end > message:len() then
            return
        end
        position = position + SET_HEADER_BYTES
        if set_id == TEMPLATE_SET then
            while position + 4 <= set_end do
                local template_id = message(position, 2):uint()
                templates[session .. template_id], position = read_template(message, position)
            end
        elseif set_id >= FIRST_DATA_SET then
            local template = templates[session .. set_id]
            if template and template.has_ours then
                local names = tree:add(vpcflow, message(position, set_end - position), "VPC flow names")
                while position + template.smallest <= set_end do
                    position = add_record(message, position, template, names)
                end
            end
        end
        position = set_end
    end
end

function vpcflow.dissector(_, pinfo, tree)
    local session = table.concat({{
        tostring(pinfo.src), tostring(pinfo.src_port), tostring(pinfo.dst), tostring(pinfo.dst_port),
    }}, " ")
    for _, payload in ipairs({{udp_payload()}}) do
        local message = payload.range:tvb()
        local is_ipfix = message:len() >= HEADER_BYTES and message(0, 2):uint() == 10
        if is_ipfix and message(2, 2):uint() == message:len() then
            -- A read beyond the end raises: a broken message then shows what came before the break.
            pcall(read_message, message, session, tree)
        end
    end
end

register_postdissector(vpcflow)
"""
