"""Deploys our templates into an emulated CloudFormation, and deletes them again.

moto (5.2) lacks four kinds of resource, and one of them in a stack breaks describe_stack_resources. So they are taken
out of the template and made by API, from the properties that CloudFormation would have worked out.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import boto3

from tests.support.templates import Template

BY_API = ("AWS::Logs::SubscriptionFilter", "AWS::Logs::Destination", "AWS::CloudWatch::Alarm", "AWS::SQS::QueuePolicy")
"""What moto's CloudFormation lacks."""


class Deployment:
    """One stack. Construction deploys nothing; `create` and `delete` block."""

    def __init__(self, session: boto3.Session, endpoint: str, template: Template, name: str) -> None:
        self._session = session
        self._endpoint = endpoint
        self.template = template
        self.name = name
        template.values["AWS::StackName"] = name
        template.values["AWS::Region"] = session.region_name

    def client(self, service: str) -> Any:
        """Any: which client it is depends on the argument."""
        return self._session.client(service, endpoint_url=self._endpoint)  # type: ignore[call-overload]

    def create(self) -> None:
        body = dict(self.template.body)
        by_api = self.template.of_kind(*BY_API)
        body["Resources"] = {name: one for name, one in body["Resources"].items() if one["Type"] not in BY_API}
        body.pop("Rules", None)
        outputs = self.template.outputs()  # moto works out those as well whose condition does not hold
        body["Outputs"] = {name: one for name, one in body["Outputs"].items() if name in outputs}
        given = self.template.parameters
        self.client("cloudformation").create_stack(
            StackName=self.name,
            TemplateBody=json.dumps(body),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        self._learn()
        for name in self.template.of_kind("AWS::Kinesis::Stream"):
            self._encrypt(self.template.properties(name))
        for name, resource in by_api.items():
            self._make(resource["Type"], self.template.properties(name))

    def _encrypt(self, stream: dict[str, Any]) -> None:
        """moto leaves out what a template says about encryption."""
        self.client("kinesis").start_stream_encryption(StreamName=stream["Name"], **stream["StreamEncryption"])

    def delete(self) -> None:
        for name, resource in self.template.of_kind(*BY_API).items():
            self._unmake(resource["Type"], self.template.properties(name))
        self._detach_policies()
        self.client("cloudformation").delete_stack(StackName=self.name)

    def _detach_policies(self) -> None:
        """AWS deletes a policy before the role it names; moto takes them as they come and then refuses."""
        iam = self.client("iam")
        for name in self.template.of_kind("AWS::IAM::ManagedPolicy"):
            arn = self.template.physical.get(name, {}).get("Ref", "")
            if arn:
                attached = iam.list_entities_for_policy(PolicyArn=arn)
                for role in attached["PolicyRoles"]:
                    iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
                for user in attached["PolicyUsers"]:
                    iam.detach_user_policy(UserName=user["UserName"], PolicyArn=arn)

    def status(self) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return str(stack["StackStatus"])

    def outputs(self) -> dict[str, str]:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}

    def kinds(self) -> dict[str, str]:
        """Logical id → kind of what the emulator says it made."""
        return {one["LogicalResourceId"]: one["ResourceType"] for one in self._made()}

    def _made(self) -> list[dict[str, Any]]:
        """moto lists a resource whose condition does not hold as an entry without a name."""
        found = self.client("cloudformation").describe_stack_resources(StackName=self.name)["StackResources"]
        return [one for one in found if "ResourceType" in one]

    def _learn(self) -> None:
        """What Ref and Arn of the resources became."""
        region, account = self._session.region_name, self.template.values["AWS::AccountId"]
        arns = {
            "AWS::Kinesis::Stream": f"arn:aws:kinesis:{region}:{account}:stream/{{}}",
            "AWS::IAM::Role": f"arn:aws:iam::{account}:role/{{}}",
        }
        for one in self._made():
            ref = one["PhysicalResourceId"]
            arn = arns.get(one["ResourceType"], "{}").format(ref)
            self.template.physical[one["LogicalResourceId"]] = {"Ref": ref, "Arn": arn}

    def _make(self, kind: str, properties: dict[str, Any]) -> None:
        if kind == "AWS::Logs::SubscriptionFilter":
            names = ("logGroupName", "filterName", "filterPattern", "destinationArn", "roleArn", "distribution")
            self.client("logs").put_subscription_filter(**{name: properties[_upper(name)] for name in names})
        elif kind == "AWS::Logs::Destination":
            logs = self.client("logs")
            name = properties["DestinationName"]
            logs.put_destination(destinationName=name, targetArn=properties["TargetArn"], roleArn=properties["RoleArn"])
            logs.put_destination_policy(destinationName=name, accessPolicy=properties["DestinationPolicy"])
        elif kind == "AWS::CloudWatch::Alarm":
            self.client("cloudwatch").put_metric_alarm(**_numbers(properties))
        else:
            raise NotImplementedError(kind)

    def _unmake(self, kind: str, properties: dict[str, Any]) -> None:
        if kind == "AWS::Logs::SubscriptionFilter":
            with suppress(self.client("logs").exceptions.ResourceNotFoundException):
                self.client("logs").delete_subscription_filter(
                    logGroupName=properties["LogGroupName"], filterName=properties["FilterName"]
                )
        elif kind == "AWS::Logs::Destination":
            self.client("logs").delete_destination(destinationName=properties["DestinationName"])
        elif kind == "AWS::CloudWatch::Alarm":
            self.client("cloudwatch").delete_alarms(AlarmNames=[properties["AlarmName"]])


def _upper(name: str) -> str:
    return name[0].upper() + name[1:]


def _numbers(properties: dict[str, Any]) -> dict[str, Any]:
    """Parameters are text in a template; the API wants numbers."""
    whole = {"Period", "EvaluationPeriods", "DatapointsToAlarm"}
    return {
        name: int(value) if name in whole else float(value) if name == "Threshold" else value
        for name, value in properties.items()
    }
