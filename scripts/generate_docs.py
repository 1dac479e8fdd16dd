"""Generates what must not drift from the code: pages of settings, metrics, elements and collectors, the files that
teach collectors our names, and the sample configuration.

`python scripts/generate_docs.py` writes them; with `--check` it changes nothing and exits 1 naming what drifted.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from consumer.config import Settings
from consumer.encode.catalogue import elements_markdown
from consumer.telemetry.metrics import DECLARED, LIMITED_LABELS, NAMES_LIMIT, OTHER
from consumer.telemetry.reasons import DROPPED, PAYLOADS, QUARANTINED
from scripts.collector_pages import collector_pages

ROOT = Path(__file__).resolve().parent.parent


def metrics_page() -> str:
    """docs/metrics.md"""
    lines = ["# Metrics", "", "At `/metrics` of the telemetry address, for Prometheus.", ""]
    names = ", ".join(f"`{label}`" for label in sorted(LIMITED_LABELS))
    lines += [
        f"Of each of the labels {names} the first {NAMES_LIMIT:,} values are told. What comes later is `{OTHER}`:",
        "counters added up, gauges the highest. A value that is gone makes room.",
        "",
    ]
    lines += ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    for item in DECLARED:
        labels = ", ".join(f"`{label}`" for label in item.labels) or "–"
        lines.append(f"| `{item.name}` | {item.kind.__name__.lower()} | {labels} | {item.help} |")
    lines += [
        "",
        "## Reasons",
        "",
        "Why lines and payloads were not exported: the label `reason` of three metrics,",
        "and what `replay` and `backfill` say.",
        "",
    ]
    for name, reasons in (("dropped_lines", DROPPED), ("quarantined_lines", QUARANTINED), ("payloads", PAYLOADS)):
        lines += [f"| `vpcflow_{name}_total` | Meaning |", "|---|---|"]
        lines += [*(f"| `{reason}` | {meaning} |" for reason, meaning in reasons.items()), ""]
    return "\n".join(lines)


def _sections() -> Iterator[tuple[str, bool, type[BaseModel]]]:
    """Every section of the file: name, whether it is a list (`[[name]]`), and its settings class."""
    for name, info in Settings.model_fields.items():
        (model,) = _models(info.annotation)
        yield name, get_origin(info.annotation) is tuple, model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_origin(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _range(info: FieldInfo) -> str:
    if isinstance(info.json_schema_extra, dict) and "range" in info.json_schema_extra:
        return str(info.json_schema_extra["range"])
    if get_origin(info.annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(info.annotation))
    least = next(
        (rule.ge if hasattr(rule, "ge") else rule.gt for rule in info.metadata if _has(rule, "ge", "gt")), None
    )
    most = next((rule.le if hasattr(rule, "le") else rule.lt for rule in info.metadata if _has(rule, "le", "lt")), None)
    if least is None and most is None:
        return _type_name(info.annotation)
    return f"{'' if least is None else least:}–{'' if most is None else most:}"


def _has(rule: object, *names: str) -> bool:
    return any(hasattr(rule, name) for name in names)


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _type_name(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(_type_name(part) for part in get_args(annotation))
    names = {
        str: "text",
        bool: "true or false",
        int: "number",
        float: "number",
        Path: "path",
        tuple: "list",
        dict: "table",
    }
    return names.get(get_origin(annotation) or annotation, "text")


def _default(info: FieldInfo) -> str | None:
    """The default as TOML; None = there is none (required)."""
    if info.is_required():
        return None
    if info.default_factory is not None:
        made = info.get_default(call_default_factory=True, validated_data={})
        return "{}" if made == {} else '""' if isinstance(made, Path) else json.dumps(made)
    if isinstance(info.default, tuple):
        return json.dumps(list(info.default))
    return json.dumps(info.default)


def settings_page() -> str:
    """docs/settings.md"""
    lines = [
        "# Settings",
        "",
        "One TOML file (`vpcflow run -c FILE`). Any setting can be overridden by environment:",
        "`VPCFLOW__SECTION__KEY=value`, list positions as numbers: `VPCFLOW__COLLECTORS__0__RATE=5000`.",
        "All faults are reported at once.",
        "Endpoints and credentials follow the SDK's own variables (`AWS_ENDPOINT_URL`, `AWS_PROFILE`, …).",
    ]
    for name, is_list, model in _sections():
        lines += ["", f"## `{'[[' if is_list else '['}{name}{']]' if is_list else ']'}`", ""]
        lines += ["| Setting | Range | Default | Meaning |", "|---|---|---|---|"]
        for key, info in model.model_fields.items():
            default = _default(info)
            shown = "required" if default is None else "empty" if default == '""' else f"`{default}`"
            lines.append(f"| `{key}` | {_range(info)} | {shown} | {_cell(info.description)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


SAMPLE_VALUES = {
    "collectors": {"name": '"main"', "address": '"127.0.0.1:4739"'},
    "streams": {"name": '"vpc-flow-logs"', "region": '"eu-west-1"'},
}
"""What the sample sets; everything else stands there commented out with its default."""


def example_file() -> str:
    """vpcflow.example.toml: runs as it stands, given a stream of that name."""
    lines = [
        "# vpcflow: a sample configuration. Every setting is here; those commented out show their default.",
        "# Check it by starting it: all faults are reported at once, with the fix.",
    ]
    for name, is_list, model in _sections():
        chosen = SAMPLE_VALUES.get(name, {})
        prefix = "" if chosen or not is_list else "# "
        header = f"[[{name}]]" if is_list else f"[{name}]"
        lines += ["", prefix + header]
        for key, info in model.model_fields.items():
            words = f"{info.description} ({_range(info).replace('`', '')})"
            lines += textwrap.wrap(words, 110, initial_indent="# ", subsequent_indent="# ")
            value = chosen.get(key)
            lines.append(f"{key} = {value}" if value else f"# {key} = {_default(info) or _REQUIRED[key]}")
    return "\n".join(lines) + "\n"


_REQUIRED = {
    "log_group": '"/vpc/flow-logs"',
    "format": '"${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${bytes}"',
    "name": '"flow-logs"',
    "region": '"eu-west-1"',
    "queue": '"arn:aws:sqs:eu-west-1:123456789012:flow-logs"',
}
"""What stands in the sample for a setting that has no default."""


PAGES = {
    "docs/metrics.md": metrics_page,
    "docs/settings.md": settings_page,
    "docs/elements.md": elements_markdown,
    "vpcflow.example.toml": example_file,
    **collector_pages(ROOT),
}


def main(arguments: list[str]) -> int:
    """Write, or with --check compare."""
    drifted = []
    for name, make in PAGES.items():
        file, text = ROOT / name, make()
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        drifted.append(name)
        if "--check" not in arguments:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    if "--check" in arguments and drifted:
        print(f"drifted from the code: {', '.join(drifted)}; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
