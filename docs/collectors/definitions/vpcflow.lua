-- Names of vpcflow's information elements, enterprise number 32473.
-- Made by: vpcflow elements --for tshark --pen 32473
-- 32473 is the number for documentation and trials (RFC 5612): --pen takes your own.
--
-- tshark -X lua_script:FILE -r CAPTURE -V
-- tshark -X lua_script:FILE -r CAPTURE -T fields -e vpcflow.source_name -e vpcflow.destination_name
-- Wireshark: put it into the personal Lua plugin folder (Help > About > Folders). Filter: vpcflow.vpc_id == "vpc-1"

local ENTERPRISE_NUMBER = 32473
local ELEMENTS = {
    [1001] = {"uint8", "vpc_flow_log_version", "vpcFlowLogVersion"},
    [1002] = {"string", "aws_account_id", "awsAccountId"},
    [1003] = {"string", "aws_interface_id", "awsInterfaceId"},
    [1004] = {"string", "vpc_action", "vpcAction"},
    [1005] = {"string", "vpc_log_status", "vpcLogStatus"},
    [1006] = {"string", "vpc_id", "vpcId"},
    [1007] = {"string", "vpc_subnet_id", "vpcSubnetId"},
    [1008] = {"string", "ec2_instance_id", "ec2InstanceId"},
    [1009] = {"string", "vpc_traffic_type", "vpcTrafficType"},
    [1010] = {"ipv4", "pkt_source_ipv4_address", "pktSourceIPv4Address"},
    [1011] = {"ipv4", "pkt_destination_ipv4_address", "pktDestinationIPv4Address"},
    [1012] = {"ipv6", "pkt_source_ipv6_address", "pktSourceIPv6Address"},
    [1013] = {"ipv6", "pkt_destination_ipv6_address", "pktDestinationIPv6Address"},
    [1014] = {"string", "aws_region", "awsRegion"},
    [1015] = {"string", "aws_az_id", "awsAzId"},
    [1016] = {"string", "vpc_sublocation_type", "vpcSublocationType"},
    [1017] = {"string", "vpc_sublocation_id", "vpcSublocationId"},
    [1018] = {"string", "pkt_source_aws_service", "pktSourceAwsService"},
    [1019] = {"string", "pkt_destination_aws_service", "pktDestinationAwsService"},
    [1020] = {"uint8", "vpc_traffic_path", "vpcTrafficPath"},
    [1021] = {"string", "ecs_cluster_arn", "ecsClusterArn"},
    [1022] = {"string", "ecs_cluster_name", "ecsClusterName"},
    [1023] = {"string", "ecs_container_instance_arn", "ecsContainerInstanceArn"},
    [1024] = {"string", "ecs_container_instance_id", "ecsContainerInstanceId"},
    [1025] = {"string", "ecs_container_id", "ecsContainerId"},
    [1026] = {"string", "ecs_second_container_id", "ecsSecondContainerId"},
    [1027] = {"string", "ecs_service_name", "ecsServiceName"},
    [1028] = {"string", "ecs_task_definition_arn", "ecsTaskDefinitionArn"},
    [1029] = {"string", "ecs_task_arn", "ecsTaskArn"},
    [1030] = {"string", "ecs_task_id", "ecsTaskId"},
    [1031] = {"string", "vpc_reject_reason", "vpcRejectReason"},
    [1032] = {"string", "aws_resource_id", "awsResourceId"},
    [1033] = {"uint8", "vpc_encryption_status", "vpcEncryptionStatus"},
    [1034] = {"string", "ec2_instance_tag", "ec2InstanceTag"},
    [1035] = {"string", "ec2_instance_tag2", "ec2InstanceTag2"},
    [1036] = {"string", "aws_interface_tag", "awsInterfaceTag"},
    [1037] = {"string", "aws_interface_tag2", "awsInterfaceTag2"},
    [1038] = {"string", "asg_tag", "asgTag"},
    [1039] = {"string", "asg_tag2", "asgTag2"},
    [1040] = {"string", "aws_interface_type", "awsInterfaceType"},
    [1041] = {"string", "next_hop_interface_id", "nextHopInterfaceId"},
    [1042] = {"string", "next_hop_subnet_id", "nextHopSubnetId"},
    [1043] = {"string", "next_hop_az_id", "nextHopAzId"},
    [1044] = {"string", "next_hop_vpc_id", "nextHopVpcId"},
    [1045] = {"string", "next_hop_interface_type", "nextHopInterfaceType"},
    [1046] = {"string", "other_fields", "otherFields"},
    [1047] = {"string", "observed_instance_type", "observedInstanceType"},
    [1048] = {"string", "observed_tags", "observedTags"},
    [1051] = {"string", "observed_interface_name", "observedInterfaceName"},
    [1052] = {"string", "observed_instance_name", "observedInstanceName"},
    [1053] = {"string", "observed_subnet_name", "observedSubnetName"},
    [1054] = {"string", "observed_vpc_name", "observedVpcName"},
    [1055] = {"string", "observed_service", "observedService"},
    [1056] = {"uint8", "flow_path", "flowPath"},
    [1057] = {"string", "observed_owner", "observedOwner"},
    [1058] = {"string", "observed_site", "observedSite"},
    [1059] = {"string", "observed_group", "observedGroup"},
    [1060] = {"string", "observed_cluster", "observedCluster"},
    [1061] = {"string", "tgw_resource_type", "tgwResourceType"},
    [1062] = {"string", "tgw_id", "tgwId"},
    [1063] = {"string", "tgw_attachment_id", "tgwAttachmentId"},
    [1064] = {"string", "tgw_source_vpc_account_id", "tgwSourceVpcAccountId"},
    [1065] = {"string", "tgw_destination_vpc_account_id", "tgwDestinationVpcAccountId"},
    [1066] = {"string", "tgw_source_vpc_id", "tgwSourceVpcId"},
    [1067] = {"string", "tgw_destination_vpc_id", "tgwDestinationVpcId"},
    [1068] = {"string", "tgw_source_subnet_id", "tgwSourceSubnetId"},
    [1069] = {"string", "tgw_destination_subnet_id", "tgwDestinationSubnetId"},
    [1070] = {"string", "tgw_source_interface_id", "tgwSourceInterfaceId"},
    [1071] = {"string", "tgw_destination_interface_id", "tgwDestinationInterfaceId"},
    [1072] = {"string", "tgw_source_az_id", "tgwSourceAzId"},
    [1073] = {"string", "tgw_destination_az_id", "tgwDestinationAzId"},
    [1074] = {"string", "tgw_pair_attachment_id", "tgwPairAttachmentId"},
    [1075] = {"uint64", "tgw_packets_lost_no_route", "tgwPacketsLostNoRoute"},
    [1076] = {"uint64", "tgw_packets_lost_blackhole", "tgwPacketsLostBlackhole"},
    [1077] = {"uint64", "tgw_packets_lost_mtu_exceeded", "tgwPacketsLostMtuExceeded"},
    [1078] = {"uint64", "tgw_packets_lost_ttl_expired", "tgwPacketsLostTtlExpired"},
    [1101] = {"string", "source_name", "sourceName"},
    [1102] = {"string", "source_subnet_name", "sourceSubnetName"},
    [1103] = {"string", "source_vpc_name", "sourceVpcName"},
    [1104] = {"string", "source_service", "sourceService"},
    [1105] = {"string", "source_az_id", "sourceAzId"},
    [1106] = {"string", "source_instance_id", "sourceInstanceId"},
    [1107] = {"string", "source_interface_id", "sourceInterfaceId"},
    [1108] = {"string", "source_subnet_id", "sourceSubnetId"},
    [1109] = {"string", "source_vpc_id", "sourceVpcId"},
    [1110] = {"string", "source_account_id", "sourceAccountId"},
    [1111] = {"string", "source_region", "sourceRegion"},
    [1112] = {"string", "source_instance_name", "sourceInstanceName"},
    [1113] = {"string", "source_owner", "sourceOwner"},
    [1114] = {"string", "source_site", "sourceSite"},
    [1115] = {"string", "source_tags", "sourceTags"},
    [1116] = {"string", "source_group", "sourceGroup"},
    [1117] = {"string", "source_cluster", "sourceCluster"},
    [1151] = {"string", "destination_name", "destinationName"},
    [1152] = {"string", "destination_subnet_name", "destinationSubnetName"},
    [1153] = {"string", "destination_vpc_name", "destinationVpcName"},
    [1154] = {"string", "destination_service", "destinationService"},
    [1155] = {"string", "destination_az_id", "destinationAzId"},
    [1156] = {"string", "destination_instance_id", "destinationInstanceId"},
    [1157] = {"string", "destination_interface_id", "destinationInterfaceId"},
    [1158] = {"string", "destination_subnet_id", "destinationSubnetId"},
    [1159] = {"string", "destination_vpc_id", "destinationVpcId"},
    [1160] = {"string", "destination_account_id", "destinationAccountId"},
    [1161] = {"string", "destination_region", "destinationRegion"},
    [1162] = {"string", "destination_instance_name", "destinationInstanceName"},
    [1163] = {"string", "destination_owner", "destinationOwner"},
    [1164] = {"string", "destination_site", "destinationSite"},
    [1165] = {"string", "destination_tags", "destinationTags"},
    [1166] = {"string", "destination_group", "destinationGroup"},
    [1167] = {"string", "destination_cluster", "destinationCluster"},
}

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
local fields = {}
for number, element in pairs(ELEMENTS) do
    fields[number] = ProtoField[element[1]]("vpcflow." .. element[2], element[3])
end
vpcflow.fields = fields

local udp_payload = Field.new("udp.payload")
local templates = {}

function vpcflow.init()
    templates = {}
end

-- Field list of one template record at `position`, and where it ends. A field: {number, length, is_ours, is_iana}.
local function read_template(message, position)
    local list = {has_ours = false, smallest = 0}
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
        list[#list + 1] = {number, length, is_ours, enterprise == 0}
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
    local first, ends = position, {}
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
    local session = table.concat({
        tostring(pinfo.src), tostring(pinfo.src_port), tostring(pinfo.dst), tostring(pinfo.dst_port),
    }, " ")
    for _, payload in ipairs({udp_payload()}) do
        local message = payload.range:tvb()
        local is_ipfix = message:len() >= HEADER_BYTES and message(0, 2):uint() == 10
        if is_ipfix and message(2, 2):uint() == message:len() then
            -- A read beyond the end raises: a broken message then shows what came before the break.
            pcall(read_message, message, session, tree)
        end
    end
end

register_postdissector(vpcflow)
