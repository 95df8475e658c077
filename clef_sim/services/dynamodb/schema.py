"""create_table's request, and describe_table's answer."""

from __future__ import annotations

from clef_sim.services.dynamodb.rates import Limits
from clef_sim.services.dynamodb.table import Schema, Table
from clef_sim.services.dynamodb.values import invalid
from clef_sim.services.sdk import Answer, Request

ACCOUNT = "123456789012"
REGION = "us-east-1"


def schema_from(request: Request, limits: Limits, now: float) -> tuple[Schema, Limits]:
    """The table that is asked for; a provisioned one has its own rates.

    Raises:
        Refusal: keys that do not fit the definitions, or a billing mode without its throughput.
    """
    kinds = {each["AttributeName"]: each["AttributeType"] for each in request["AttributeDefinitions"]}
    keys = request["KeySchema"]
    names = [each["AttributeName"] for each in keys]
    roles = [each["KeyType"] for each in keys]
    if roles not in (["HASH"], ["HASH", "RANGE"]):
        raise invalid(
            "1 validation error detected: Invalid KeySchema: the first KeySchemaElement is not a HASH key type, "
            "or the second is not a RANGE key type"
        )
    if set(names) != kinds.keys():
        raise invalid(
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly "
            "match number of attributes defined in AttributeDefinitions"
        )
    on_demand = request.get("BillingMode", "PROVISIONED") == "PAY_PER_REQUEST"
    if not on_demand:
        provisioned = request.get("ProvisionedThroughput")
        if provisioned is None:
            raise invalid(
                "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both "
                "be specified when BillingMode is PROVISIONED"
            )
        limits = Limits(
            limits.partition_wru_s,
            limits.partition_rru_s,
            provisioned["WriteCapacityUnits"],
            provisioned["ReadCapacityUnits"],
        )
    sk_name = names[1] if len(names) == 2 else None
    schema = Schema(
        name=request["TableName"],
        pk_name=names[0],
        pk_kind=kinds[names[0]],
        sk_name=sk_name,
        sk_kind=kinds[sk_name] if sk_name else "S",
        on_demand=on_demand,
        created_at=now,
    )
    return schema, limits


def describe(table: Table) -> Answer:
    schema = table.schema
    kinds = (schema.pk_kind, schema.sk_kind)
    return {
        "TableName": schema.name,
        "TableStatus": "ACTIVE",
        "TableArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{schema.name}",
        "KeySchema": [
            {"AttributeName": name, "KeyType": role}
            for name, role in zip(schema.key_names, ("HASH", "RANGE"), strict=False)
        ],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in zip(schema.key_names, kinds, strict=False)
        ],
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST" if schema.on_demand else "PROVISIONED"},
        "ItemCount": table.rows.count,
        "TableSizeBytes": table.rows.bytes,
    }
