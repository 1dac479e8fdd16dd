"""Asking EC2 what one account has in one region.

Belongs here: which calls, and what happens when one fails. Does not: shapes of answers (estate/values.py), several
targets (keeper.py). One call at a time per target: EC2 throttles by account, region and action.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from consumer.aws import operations
from consumer.aws.operations import Operation
from consumer.aws.paging import items
from consumer.aws.roles import Target
from consumer.aws.sessions import Sessions
from consumer.discovery.estate import routes as estate_routes
from consumer.discovery.estate import values as estate
from consumer.discovery.estate.past import past_of
from consumer.discovery.estate.problem import Problem
from consumer.discovery.estate.routes import GatewayTable, PrefixList
from consumer.discovery.estate.values import Part
from consumer.discovery.inventory.places import is_kept
from consumer.discovery.inventory.routing import PEERINGS
from consumer.discovery.inventory.service import SERVICE_TAGS
from consumer.errors import PermissionDeniedError, RefusedError, VpcflowError

Read = Callable[[Any], Iterator[Any]]
READINGS: Mapping[str, tuple[Operation, Read]] = {
    "subnets": (operations.DESCRIBE_SUBNETS, estate.subnets_in),  # first: it tells whether a region is used at all
    "vpcs": (operations.DESCRIBE_VPCS, estate.vpcs_in),
    "interfaces": (operations.DESCRIBE_NETWORK_INTERFACES, estate.interfaces_in),
    "instances": (operations.DESCRIBE_INSTANCES, estate.instances_in),
    "nat_gateways": (operations.DESCRIBE_NAT_GATEWAYS, estate.nat_gateways_in),
    "peerings": (operations.DESCRIBE_VPC_PEERING_CONNECTIONS, estate.peerings_in),
    "flow_logs": (operations.DESCRIBE_FLOW_LOGS, estate.flow_logs_in),
    "transit_gateways": (operations.DESCRIBE_TRANSIT_GATEWAYS, estate.transit_gateways_in),
    "attachments": (operations.DESCRIBE_TRANSIT_GATEWAY_ATTACHMENTS, estate.attachments_in),
    "route_tables": (operations.DESCRIBE_ROUTE_TABLES, estate_routes.route_tables_in),
    "endpoints": (operations.DESCRIBE_VPC_ENDPOINTS, estate_routes.endpoints_in),
    "elastic_addresses": (operations.DESCRIBE_ADDRESSES, estate_routes.elastic_addresses_in),
}
"""Field of a part, the call that fills it, and how one item of the answer is read."""


Names = Collection[str]


def read_part(
    sessions: Sessions,
    target: Target,
    old: Part | None,
    now: float,
    *,
    may_be_unused: bool = False,
    owner_tags: Names = (),
) -> tuple[Part | None, list[Problem]]:
    """What `target` has now, and what could not be read. Blocks for seconds; never raises for a failing target.

    A denied call costs what it would have told (its old answer stays); anything else that fails keeps the whole old
    part, because the next call would only wait for the same time-out. `may_be_unused`: nobody named this region, so
    one call decides: without a subnet that somebody made or uses, nothing in it can send or receive. `owner_tags`:
    keys of tags to remember besides those that names are made of.
    """
    try:
        account = sessions.account(target.access)
        if old is not None and old.account != account:  # other credentials than those of the last run
            old = None
        sessions.client("ec2", target)  # a role that cannot be assumed is one problem, not one of every call
        reading = _Reading(sessions, target, old, frozenset((*owner_tags, *SERVICE_TAGS)))
        reading.read_all("subnets")
        if may_be_unused and not reading.problems and not any(one.is_used for one in reading.fields["subnets"]):
            part = Part(account, target.region, now, is_unused=True)
            return replace(part, past=past_of(old, part, now)), []
        for name in list(READINGS)[1:]:
            reading.read_all(name)
        if len(reading.problems) == len(READINGS):
            return old, reading.problems
        reading.follow_gateways()
        reading.follow_prefix_lists()
    except VpcflowError as error:
        return old, [Problem.of(target.label(), error, old.taken_at if old else 0.0)]
    fields = reading.fields
    fields["flow_logs"] = tuple(replace(one, account=account, region=target.region) for one in fields["flow_logs"])
    part = Part(account, target.region, now, **fields, unread=frozenset(reading.unread))
    return replace(part, past=past_of(old, part, now)), reading.problems


def read_interfaces(sessions: Sessions, target: Target, part: Part, ids: list[str], *, owner_tags: Names = ()) -> Part:
    """`part` with these interfaces, as far as AWS knows them, and the instances they are attached to.

    One call or two; `part` itself when nothing was found. Raises VpcflowError when AWS cannot be asked.
    """
    reading = _Reading(sessions, target, part, frozenset((*owner_tags, *SERVICE_TAGS)))
    interfaces = reading.some("interfaces", "network-interface-id", ids)
    if not interfaces:
        return part
    known = {one.id for one in part.instances}
    wanted = sorted({one.instance_id for one in interfaces if one.instance_id} - known)
    instances = reading.some("instances", "instance-id", wanted) if wanted else ()
    found = {one.id for one in interfaces}
    kept = tuple(one for one in part.interfaces if one.id not in found)
    return replace(part, interfaces=kept + interfaces, instances=part.instances + instances)


class _Reading:
    """One part being read: fields so far, and what was denied."""

    def __init__(self, sessions: Sessions, target: Target, old: Part | None, tags: Names) -> None:
        self._sessions = sessions
        self._target = target
        self._old = old
        self._tags = tags
        self.fields: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.unread: set[str] = set()

    def read_all(self, name: str) -> None:
        """One field, by its one call."""
        operation, read = READINGS[name]
        self._try(name, lambda: tuple(map(self._slim, self._items(operation, read))))

    def some(self, name: str, filtered_by: str, values: list[str]) -> tuple[Any, ...]:
        """What EC2 finds under these values; what is wrong is raised."""
        operation, read = READINGS[name]
        found = self._items(operation, read, Filters=[{"Name": filtered_by, "Values": values}])
        return tuple(map(self._slim, found))

    def follow_gateways(self) -> None:
        """Routes of every transit gateway's tables, and where its peerings lead; nobody but the owner is shown them."""
        attachments = self.fields["attachments"]
        has_gateways = self.fields["transit_gateways"] or attachments
        self._try("gateway_tables", lambda: tuple(self._gateway_tables()) if has_gateways else ())
        has_peerings = any(one.kind in PEERINGS for one in attachments)
        peerings = operations.DESCRIBE_TRANSIT_GATEWAY_PEERING_ATTACHMENTS
        read = estate_routes.gateway_peerings_in
        self._try("gateway_peerings", lambda: tuple(self._items(peerings, read)) if has_peerings else ())

    def follow_prefix_lists(self) -> None:
        """Networks of the prefix lists that a route names; the others matter to nobody."""
        routes = (route for table in self.fields["route_tables"] for route in table.routes)
        ids = sorted({route.destination for route in routes if route.destination.startswith("pl-")})
        self._try("prefix_lists", lambda: tuple(map(self._prefix_list, ids)))

    def _gateway_tables(self) -> Iterator[GatewayTable]:
        tables = operations.DESCRIBE_TRANSIT_GATEWAY_ROUTE_TABLES
        for table in tuple(self._items(tables, estate_routes.gateway_tables_in)):
            routes = self._items(
                operations.SEARCH_TRANSIT_GATEWAY_ROUTES,
                estate_routes.gateway_routes_in,
                TransitGatewayRouteTableId=table.id,
                Filters=[{"Name": "state", "Values": ["active", "blackhole"]}],  # one filter is mandatory
            )
            yield replace(table, routes=tuple(routes))

    def _prefix_list(self, name: str) -> PrefixList:
        read = estate_routes.prefix_list_networks_in
        found = self._items(operations.GET_MANAGED_PREFIX_LIST_ENTRIES, read, PrefixListId=name)
        return PrefixList(name, tuple(found))

    def _try(self, name: str, read: Callable[[], tuple[Any, ...]]) -> None:
        old = self._old
        try:
            self.fields[name] = read()
        except (PermissionDeniedError, RefusedError) as error:
            self.fields[name] = getattr(old, name) if old else ()
            self.problems.append(Problem.of(self._target.label(), error, old.taken_at if old else 0.0))
            if old is None or name in old.unread:
                self.unread.add(name)

    def _items(self, operation: Operation, read: Read, **parameters: Any) -> Iterator[Any]:
        """Every item, read; an answer of a shape that EC2 does not document is refused as a whole."""
        for raw in self._raw_items(operation, parameters):
            try:
                yield from read(raw)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise RefusedError(operation.action, "UnknownShape", f"{type(error).__name__}: {error}") from error

    def _raw_items(self, operation: Operation, parameters: Mapping[str, Any]) -> Iterable[Any]:
        if operation is operations.DESCRIBE_ADDRESSES:  # EC2 does not page this one
            answer = self._sessions.call(operation, self._target)
            return list(answer.get("Addresses", ()))
        return items(self._sessions, operation, self._target, **parameters)

    def _slim(self, item: Any) -> Any:
        """Without the tags that nothing is made of: an estate has millions."""
        tags = getattr(item, "tags", None)
        if not tags or all(is_kept(key, self._tags) for key in tags):
            return item
        return replace(item, tags={key: value for key, value in tags.items() if is_kept(key, self._tags)})
