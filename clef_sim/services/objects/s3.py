"""S3, as boto3's client shows it: the calls that the adapters make, in memory.

Reads and listings are strong, as the service has promised since 2020. Left out, and refused by name: versions of
objects, multipart uploads, copies, ranges, conditions other than `IfNoneMatch='*'`, metadata, ACLs and encryption.
Left out without a word: checksums and ETags, the rules for buckets' names, and the limits of a prefix's request rate.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from botocore.response import StreamingBody
from botocore.utils import parse_timestamp

from clef_sim.services.objects.store import NAME_BYTES, Bucket, Object
from clef_sim.services.sdk import METADATA, Answer, Exceptions, Malformed, Refusal, Request, Unmodelled, operation

OBJECT_BYTES = 5 * 2**30
"""The service's limit for one PutObject."""

PAGE_MAX = 1000
"""The most objects in one answer of ListObjectsV2."""


class S3:
    """An in-memory account.

    Args:
        clock_now: epoch seconds.
    """

    def __init__(self, clock_now: Callable[[], float]) -> None:
        self._now = clock_now
        self._buckets: dict[str, Bucket] = {}
        self.exceptions = Exceptions()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Unmodelled(f"S3.{name} is not modelled")

    def bucket(self, name: str) -> Bucket:
        """For the simulator. Raises KeyError."""
        return self._buckets[name]

    @operation("CreateBucket", required=("Bucket",), optional=("CreateBucketConfiguration",))
    def create_bucket(self, request: Request) -> Answer:
        name = request["Bucket"]
        if name in self._buckets:
            words = "Your previous request to create the named bucket succeeded and you already own it."
            raise Refusal("BucketAlreadyOwnedByYou", words, status=409)
        self._buckets[name] = Bucket()
        return {"Location": f"/{name}", "ResponseMetadata": METADATA}

    @operation("PutObject", required=("Bucket", "Key", "Body"), optional=("ContentType", "IfNoneMatch"))
    def put_object(self, request: Request) -> Answer:
        """Stores the object whole, replacing what is there; with `IfNoneMatch='*'` only where there is none."""
        name, body, condition = _name(request), request["Body"], request.get("IfNoneMatch", "")
        if not isinstance(body, bytes | bytearray):
            raise Unmodelled(f"PutObject: a Body of type {type(body).__name__} is not modelled; give bytes")
        if condition not in ("", "*"):
            raise Unmodelled(f"PutObject: IfNoneMatch={condition!r} is not modelled; it can be '*'")
        bucket = self._bucket(request)
        if len(name.encode()) > NAME_BYTES:
            raise Refusal("KeyTooLongError", "Your key is too long")
        if len(body) > OBJECT_BYTES:
            raise Refusal("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        if condition and bucket.get(name) is not None:
            words = "At least one of the pre-conditions you specified did not hold"
            raise Refusal("PreconditionFailed", words, status=412)
        content_type = request.get("ContentType", "binary/octet-stream")
        bucket.put(name, Object(bytes(body), content_type, self._now()))
        return {"ResponseMetadata": METADATA}

    @operation("GetObject", required=("Bucket", "Key"))
    def get_object(self, request: Request) -> Answer:
        bucket, name = self._bucket(request), _name(request)
        found = bucket.get(name)
        if found is None:
            raise Refusal("NoSuchKey", "The specified key does not exist.", status=404)
        size = len(found.body)
        return {
            "Body": StreamingBody(io.BytesIO(found.body), size),
            "ContentLength": size,
            "ContentType": found.content_type,
            "LastModified": _second(found.written_s),
            "ResponseMetadata": METADATA,
        }

    @operation("DeleteObject", required=("Bucket", "Key"))
    def delete_object(self, request: Request) -> Answer:
        """Succeeds where there is none."""
        self._bucket(request).delete(_name(request))
        return {"ResponseMetadata": METADATA}

    @operation("ListObjectsV2", required=("Bucket",), optional=("ContinuationToken", "MaxKeys", "Prefix"))
    def list_objects_v2(self, request: Request) -> Answer:
        """A page in the order of the keys' bytes. A token is the last key of the page before."""
        bucket, prefix = self._bucket(request), request.get("Prefix", "")
        most = min(request.get("MaxKeys", PAGE_MAX), PAGE_MAX)
        after = request.get("ContinuationToken", "")
        names = bucket.names(prefix, f"{after}\0" if after else "", most + 1)
        more, names = len(names) > most > 0, names[:most]
        answer: Answer = {
            "IsTruncated": more,
            "Name": request["Bucket"],
            "Prefix": prefix,
            "MaxKeys": most,
            "KeyCount": len(names),
            "ResponseMetadata": METADATA,
        }
        if names:
            answer["Contents"] = [_listed(name, bucket.get(name)) for name in names]
        if more:
            answer["NextContinuationToken"] = names[-1]
        return answer

    def _bucket(self, request: Request) -> Bucket:
        found = self._buckets.get(request["Bucket"])
        if found is None:
            raise Refusal(
                "NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=request["Bucket"]
            )
        return found


def _name(request: Request) -> str:
    name: str = request["Key"]
    if not name:
        raise Malformed("Invalid length for parameter Key, value: 0, valid min length: 1")
    return name


def _listed(name: str, found: Object | None) -> Answer:
    assert found is not None  # it was listed a moment ago
    return {
        "Key": name,
        "LastModified": _second(found.written_s),
        "Size": len(found.body),
        "StorageClass": "STANDARD",
    }


def _second(epoch_s: float) -> Any:
    """Times are in whole seconds."""
    return parse_timestamp(int(epoch_s))
