"""CloudFormation templates as tests read them: parsed, with parameters and conditions worked out.

`Template` holds one file; `resolved` gives the properties a deployment would see, given the parameters and what the
other resources turned out to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

FOLDER = Path(__file__).resolve().parents[2] / "cloudformation"
FILES = tuple(sorted(FOLDER.glob("*.yaml")))

_ABSENT = object()
"""AWS::NoValue."""


def plain(value: Any) -> Any:
    """cfn-lint's nodes as ordinary dicts, lists and strings; intrinsic functions are in their long form."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, str) else value


@dataclass
class Template:
    """One template with the parameters of one deployment. `physical` names what AWS made: logical id → Ref, Arn …"""

    file: Path
    parameters: dict[str, str] = field(default_factory=dict)
    physical: dict[str, dict[str, str]] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.body: dict[str, Any] = plain(cfn_yaml.load(str(self.file)))
        defaults = {name: one["Default"] for name, one in self.body["Parameters"].items() if "Default" in one}
        self.values: dict[str, Any] = {
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::Region": "us-east-1",
            "AWS::AccountId": "123456789012",
            "AWS::StackName": "a-stack",
            "AWS::NoValue": _ABSENT,
            **defaults,
            **self.parameters,
        }

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Those that would be made: without those whose condition does not hold."""
        return {name: one for name, one in self.body["Resources"].items() if self._holds(one.get("Condition"))}

    def of_kind(self, *kinds: str) -> dict[str, dict[str, Any]]:
        return {name: one for name, one in self.resources.items() if one["Type"] in kinds}

    def properties(self, name: str) -> dict[str, Any]:
        """Properties of a resource as AWS would be given them."""
        found: dict[str, Any] = self.resolved(self.body["Resources"][name].get("Properties", {}))
        return found

    def outputs(self) -> dict[str, str]:
        return {
            name: self.resolved(one["Value"])
            for name, one in self.body.get("Outputs", {}).items()
            if self._holds(one.get("Condition"))
        }

    def resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(self.resolved, value) if each is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            function = self._functions().get(name)
            if function is not None:
                return function(argument)
        items = ((key, self.resolved(each)) for key, each in value.items())
        return {key: each for key, each in items if each is not _ABSENT}

    def _functions(self) -> Mapping[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Fn::Sub": self._sub,
            "Fn::GetAtt": self._attribute,
            "Fn::If": lambda parts: self.resolved(parts[1] if self._holds(parts[0]) else parts[2]),
            "Fn::Join": lambda parts: parts[0].join(self.resolved(parts[1])),
            "Fn::Split": lambda parts: str(self.resolved(parts[1])).split(parts[0]),
            "Fn::Select": lambda parts: self.resolved(parts[1])[int(parts[0])],
            "Fn::Equals": lambda parts: str(self.resolved(parts[0])) == str(self.resolved(parts[1])),
            "Fn::Not": lambda parts: not self._truth(parts[0]),
            "Fn::And": lambda parts: all(map(self._truth, parts)),
            "Fn::Or": lambda parts: any(map(self._truth, parts)),
            "Fn::ImportValue": lambda name: self.exports.get(self.resolved(name), f"<export {self.resolved(name)}>"),
        }

    def _truth(self, value: Any) -> bool:
        if isinstance(value, dict) and set(value) == {"Condition"}:
            return self._holds(value["Condition"])
        return bool(self.resolved(value))

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self._truth(self.body["Conditions"][condition])

    def _ref(self, name: str) -> Any:
        if name in self.values:
            value = self.values[name]
            if self.body["Parameters"].get(name, {}).get("Type", "").startswith(("CommaDelimitedList", "List<")):
                return str(value).split(",")
            return value
        return self.physical.get(name, {}).get("Ref", f"<{name}>")

    def _attribute(self, path: Any) -> str:
        name, attribute = path if isinstance(path, list) else path.split(".", 1)
        return self.physical.get(name, {}).get(attribute, f"<{name}.{attribute}>")

    def _sub(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in given:
                return str(self.resolved(given[name]))
            return str(self._attribute(name) if "." in name and "::" not in name else self._ref(name))

        return re.sub(r"\$\{([^!][^}]*)\}", one, text)


@dataclass(frozen=True)
class Statement:
    """One statement of a policy; `place` names template, resource and Sid."""

    place: str
    resource_name: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Any]
    is_trust: bool


def statements(template: Template) -> Iterator[Statement]:
    """Every statement of every policy, also of those whose condition does not hold."""
    for name, resource in template.body["Resources"].items():
        for document, is_trust in _documents(template, resource):
            for one in document["Statement"]:
                yield Statement(
                    f"{template.file.name}: {name}: {one.get('Sid', 'no Sid')}",
                    name,
                    tuple(_many(one["Action"])),
                    tuple(_many(one.get("Resource", []))),
                    one.get("Condition", {}),
                    is_trust,
                )


def _documents(template: Template, resource: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    properties = resource.get("Properties", {})
    trust = properties.get("AssumeRolePolicyDocument")
    if trust:
        for statement in _branches(trust["Statement"]):
            yield {"Statement": [template.resolved(statement)]}, True
    documents = [properties.get("PolicyDocument")]
    for policy in _branches(properties.get("Policies", [])):
        documents.append(policy["PolicyDocument"])
    for document in documents:
        if document:
            for statement in _branches(document["Statement"]):
                yield {"Statement": [template.resolved(statement)]}, False


def _branches(value: Any) -> Iterator[dict[str, Any]]:
    """The mappings in a list, whatever branches of Fn::If they are in."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict) and "Fn::If" in one:
            yield from _branches([part for part in one["Fn::If"][1:] if part != {"Ref": "AWS::NoValue"}])
        elif isinstance(one, dict):
            yield one


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
