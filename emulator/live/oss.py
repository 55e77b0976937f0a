"""Object Storage Service, as far as recording needs it: buckets, lifecycle rules, lists of names.

The official SDK calls this module at Live's address with the bucket in the path, signed with
version 4. It must not serve objects; object_server.py does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from emulator.live.account import OSS_ENDPOINT, Bucket
from emulator.live.backend import Live
from emulator.live.clock import real_ms
from emulator.live.streams import utc

CLAIM = re.compile(
    r"OSS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/]*)/oss/aliyun_v4_request,"
    r"\s*(?:AdditionalHeaders=([^,]*),\s*)?Signature=([0-9a-f]{64})"
)
SIGNED = ("content-type", "content-md5")
ERRORS = {
    "AccessDenied": (403, "You have no right to access this object."),
    "InvalidAccessKeyId": (403, "The OSS Access Key Id you provided does not exist."),
    "SignatureDoesNotMatch": (403, "The request signature we calculated does not match."),
    "NoSuchKey": (404, "The specified key does not exist."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchLifecycle": (404, "No Row found in Lifecycle Table."),
    "NoSuchCORSConfiguration": (404, "The CORS Configuration does not exist."),
    "BucketAlreadyExists": (409, "The requested bucket name is not available."),
    "MalformedXML": (400, "The XML you provided was not well-formed."),
    "MethodNotAllowed": (405, "The specified method is not allowed against this resource."),
}


class Denied(Exception):
    def __init__(self, code: str, status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status or ERRORS.get(code, (403, ""))[0]


class Buckets:
    def __init__(self, live: Live) -> None:
        self._live = live

    def add_routes(self, application: web.Application) -> None:
        for path in ("/{bucket}", "/{bucket}/"):
            application.router.add_route("*", path, self._serve)

    async def _serve(self, request: web.Request) -> web.Response:
        if "Authorization" not in request.headers and not self._has_bucket(request):
            raise web.HTTPNotFound  # no call of OSS, only an unknown path
        action = _action(request)
        call = self._live.calls.add_call(self._live.clock.now_ms())
        call.action = action
        try:
            sent = (await request.read()).decode("utf-8", "replace")
            body = self._answer(request, action, sent or request.query.get("prefix", ""))
            call.status = 200
            return _reply(200, body)
        except Denied as denied:
            call.status, call.code = denied.status, denied.code
            return error_reply(denied, request)

    def _answer(self, request: web.Request, action: str, body: str) -> ET.Element | None:
        name = request.match_info["bucket"]
        if not self._has_bucket(request) and action != "PutBucket":
            raise Denied("NoSuchBucket")
        admit(self._live, request, f"/{name}/")
        fault = self._live.plan.fault_for(action, None, "")
        if fault is not None:
            raise Denied(fault.code or "AccessDenied", fault.status)
        act = ACTIONS.get(action)
        if act is None:
            raise Denied("MethodNotAllowed")
        return act(self._live, name, body)

    def _has_bucket(self, request: web.Request) -> bool:
        return request.match_info["bucket"] in self._live.buckets


def admit(live: Live, request: web.Request, resource: str) -> None:
    """Raise Denied unless the headers sign the request; `resource` is the path as signed."""
    claim = CLAIM.fullmatch(request.headers.get("Authorization", ""))
    if claim is None:
        raise Denied("AccessDenied")
    access_key, day, region, additional, signature = claim.groups()
    credential = live.account.credential(access_key)
    if credential is None:
        raise Denied("InvalidAccessKeyId")
    key = b"aliyun_v4" + credential.secret.encode()
    for part in (day, region, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = _string_to_sign(
        request, resource, f"{day}/{region}/oss/aliyun_v4_request", additional or ""
    )
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature):
        raise Denied("SignatureDoesNotMatch")


def _string_to_sign(request: web.Request, resource: str, scope: str, additional: str) -> str:
    sent = request.rel_url.raw_query_string
    query = "&".join(sorted(part.rstrip("=") for part in sent.split("&")))
    extra = [name for name in additional.split(";") if name]
    headers = {name.lower(): value.strip() for name, value in request.headers.items()}
    lines = [
        f"{name}:{headers[name]}\n"
        for name in sorted(headers)
        if name in SIGNED or name in extra or name.startswith("x-oss-")
    ]
    payload = headers.get("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
    wanted = [request.method, resource, query, "".join(lines), ";".join(extra), payload]
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    return f"OSS4-HMAC-SHA256\n{headers.get('x-oss-date', '')}\n{scope}\n{digest}"


SUBRESOURCES = ("bucketInfo", "lifecycle", "cors", "list-type")
NAMES = {
    ("GET", "bucketInfo"): "GetBucketInfo",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", "lifecycle"): "GetBucketLifecycle",
    ("PUT", "lifecycle"): "PutBucketLifecycle",
    ("DELETE", "lifecycle"): "DeleteBucketLifecycle",
    ("GET", "cors"): "GetBucketCors",
    ("PUT", "cors"): "PutBucketCors",
    ("DELETE", "cors"): "DeleteBucketCors",
    ("PUT", ""): "PutBucket",
    ("DELETE", ""): "DeleteBucket",
}


def _action(request: web.Request) -> str:
    subresource = next((name for name in SUBRESOURCES if name in request.query), "")
    return NAMES.get((request.method, subresource), request.method)


def _get_info(live: Live, name: str, _body: str) -> ET.Element:
    endpoint = live.buckets[name].endpoint
    place = endpoint.partition(".")[0]
    info = {
        "Name": name,
        "Location": place,
        "ExtranetEndpoint": endpoint,
        "IntranetEndpoint": endpoint.replace(place, f"{place}-internal", 1),
        "CreationDate": utc(real_ms(), "%Y-%m-%dT%H:%M:%S.000Z"),
        "StorageClass": "Standard",
    }
    root = ET.Element("BucketInfo")
    bucket = ET.SubElement(root, "Bucket")
    for tag, text in info.items():
        ET.SubElement(bucket, tag).text = text
    return root


def _list_objects(live: Live, name: str, prefix: str) -> ET.Element:
    """List every object whose name begins with `prefix`; nothing is paged."""
    objects = live.recorded_files.objects
    root = ET.Element("ListBucketResult")
    for tag, text in {"Name": name, "Prefix": prefix, "IsTruncated": "false"}.items():
        ET.SubElement(root, tag).text = text
    for key in objects.keys(name, prefix) if objects else ():
        ET.SubElement(ET.SubElement(root, "Contents"), "Key").text = key
    return root


def _get_lifecycle(live: Live, name: str, _body: str) -> ET.Element:
    days = live.buckets[name].expires_days
    if days is None:
        raise Denied("NoSuchLifecycle")
    root = ET.Element("LifecycleConfiguration")
    rule = ET.SubElement(root, "Rule")
    for tag, text in {"ID": "expire", "Prefix": "", "Status": "Enabled"}.items():
        ET.SubElement(rule, tag).text = text
    ET.SubElement(ET.SubElement(rule, "Expiration"), "Days").text = str(days)
    return root


def _put_lifecycle(live: Live, name: str, body: str) -> None:
    """Keep the shortest expiry of all rules."""
    found = re.findall(r"<Days>\s*(\d{1,5})\s*</Days>", body)
    if not found:
        raise Denied("MalformedXML")
    live.buckets[name] = replace(live.buckets[name], expires_days=min(map(int, found)))


def _delete_lifecycle(live: Live, name: str, _body: str) -> None:
    live.buckets[name] = replace(live.buckets[name], expires_days=None)


def _get_cors(live: Live, name: str, _body: str) -> ET.Element:
    origins = live.buckets[name].cors_origins
    if not origins:
        raise Denied("NoSuchCORSConfiguration")
    root = ET.Element("CORSConfiguration")
    rule = ET.SubElement(root, "CORSRule")
    for origin in origins:
        ET.SubElement(rule, "AllowedOrigin").text = origin
    ET.SubElement(rule, "AllowedMethod").text = "GET"
    return root


def _put_cors(live: Live, name: str, body: str) -> None:
    """Keep the origins of all rules that allow to read."""
    rules = re.findall(r"<CORSRule>.*?</CORSRule>", body, re.DOTALL)
    if not rules:
        raise Denied("MalformedXML")
    readers = [rule for rule in rules if "<AllowedMethod>GET</AllowedMethod>" in rule]
    found = re.findall(r"<AllowedOrigin>\s*([^<]*?)\s*</AllowedOrigin>", "".join(readers))
    live.buckets[name] = replace(live.buckets[name], cors_origins=tuple(found))


def _delete_cors(live: Live, name: str, _body: str) -> None:
    live.buckets[name] = replace(live.buckets[name], cors_origins=())


def _put_bucket(live: Live, name: str, _body: str) -> None:
    if name in live.buckets:
        raise Denied("BucketAlreadyExists")
    live.buckets[name] = Bucket(name, OSS_ENDPOINT, cors_origins=())


def _delete_bucket(live: Live, name: str, _body: str) -> None:
    del live.buckets[name]


ACTIONS: dict[str, Callable[[Live, str, str], ET.Element | None]] = {
    "GetBucketInfo": _get_info,
    "ListObjectsV2": _list_objects,
    "GetBucketLifecycle": _get_lifecycle,
    "PutBucketLifecycle": _put_lifecycle,
    "DeleteBucketLifecycle": _delete_lifecycle,
    "GetBucketCors": _get_cors,
    "PutBucketCors": _put_cors,
    "DeleteBucketCors": _delete_cors,
    "PutBucket": _put_bucket,
    "DeleteBucket": _delete_bucket,
}


def error_reply(denied: Denied, request: web.Request) -> web.Response:
    """Return the error as a document; for a HEAD request, also in the header that the SDKs read."""
    reply = _reply(denied.status, _error(denied.code, request))
    if request.method == "HEAD" and isinstance(reply.body, bytes):
        reply.headers["x-oss-err"] = base64.b64encode(reply.body).decode()
    return reply


def _error(code: str, request: web.Request) -> ET.Element:
    root = ET.Element("Error")
    fields = {"Code": code, "Message": ERRORS.get(code, (0, code))[1], "HostId": request.host}
    for tag, text in fields.items():
        ET.SubElement(root, tag).text = text
    return root


def _reply(status: int, body: ET.Element | None) -> web.Response:
    text = b"" if body is None else ET.tostring(body, encoding="utf-8", xml_declaration=True)
    headers = {"x-oss-request-id": uuid.uuid4().hex[:24].upper()}
    return web.Response(status=status, body=text, content_type="application/xml", headers=headers)
