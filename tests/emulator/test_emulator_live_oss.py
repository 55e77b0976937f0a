"""The official SDK of OSS, unchanged, against the emulator's buckets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import alibabacloud_oss_v2 as oss
import pytest

from emulator.live import LiveInThread, Remote


def client(address: str, secret: str) -> oss.Client:
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider("dev", secret)
    config.region, config.endpoint = "cn-shanghai", address
    config.use_path_style = True
    config.retry_max_attempts = 1
    return oss.Client(config)


@pytest.fixture
def address() -> Iterator[str]:
    with LiveInThread() as running:
        yield running.address


@pytest.fixture
def there(address: str) -> oss.Client:
    return client(address, "dev-secret")


def refused(error: pytest.ExceptionInfo[oss.exceptions.OperationError]) -> str:
    cause = error.value.unwrap()
    assert isinstance(cause, oss.exceptions.ServiceError)
    return str(cause.code)


def expiring(days: int) -> oss.PutBucketLifecycleRequest:
    expiration = oss.LifecycleRuleExpiration(days=days)
    rule = oss.LifecycleRule(id="x", prefix="", status="Enabled", expiration=expiration)
    rules = oss.LifecycleConfiguration(rules=[rule])
    return oss.PutBucketLifecycleRequest(bucket="dev-bucket", lifecycle_configuration=rules)


def test_a_bucket_tells_where_it_is(there: oss.Client) -> None:
    answer = there.get_bucket_info(oss.GetBucketInfoRequest(bucket="dev-bucket"))
    assert answer.bucket_info.extranet_endpoint == "oss-cn-shanghai.aliyuncs.com"


def test_one_that_is_not_there_is_told_from_one_that_is(there: oss.Client) -> None:
    with pytest.raises(oss.exceptions.OperationError) as error:
        there.get_bucket_info(oss.GetBucketInfoRequest(bucket="gone"))
    assert refused(error) == "NoSuchBucket"


def test_a_wrong_secret_is_refused(address: str) -> None:
    with pytest.raises(oss.exceptions.OperationError) as error:
        client(address, "another").get_bucket_info(oss.GetBucketInfoRequest(bucket="dev-bucket"))
    assert refused(error) == "SignatureDoesNotMatch"


def test_what_deletes_in_a_bucket_can_be_set_read_and_taken_away(there: oss.Client) -> None:
    there.put_bucket_lifecycle(expiring(3))
    answer = there.get_bucket_lifecycle(oss.GetBucketLifecycleRequest(bucket="dev-bucket"))
    assert answer.lifecycle_configuration.rules[0].expiration.days == 3
    there.delete_bucket_lifecycle(oss.DeleteBucketLifecycleRequest(bucket="dev-bucket"))
    with pytest.raises(oss.exceptions.OperationError) as error:
        there.get_bucket_lifecycle(oss.GetBucketLifecycleRequest(bucket="dev-bucket"))
    assert refused(error) == "NoSuchLifecycle"


def test_permission_for_one_action_can_be_missing(there: oss.Client, address: str) -> None:
    Remote(address).fail(code="AccessDenied", status=403, action="GetBucketInfo")
    with pytest.raises(oss.exceptions.OperationError) as error:
        there.get_bucket_info(oss.GetBucketInfoRequest(bucket="dev-bucket"))
    assert refused(error) == "AccessDenied"


def test_a_bucket_that_was_made_is_recorded_into(there: oss.Client, address: str) -> None:
    there.put_bucket(oss.PutBucketRequest(bucket="new-bucket"))
    there.delete_bucket(oss.DeleteBucketRequest(bucket="dev-bucket"))
    answer = there.get_bucket_info(oss.GetBucketInfoRequest(bucket="new-bucket"))
    assert answer.bucket_info.name == "new-bucket"
    assert [call["action"] for call in Remote(address).calls()["calls"]][-1] == "GetBucketInfo"


def test_objects_are_listed_by_their_beginning_and_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "dev-bucket" / "record"
    folder.mkdir(parents=True)
    for name in ("a 1.flv", "a 2.flv", "b.flv"):
        (folder / name).write_bytes(b"x")
    with LiveInThread(buckets=tmp_path) as running:
        there = client(running.address, "dev-secret")
        for _ in range(2):  # also one that is not there
            there.delete_object(oss.DeleteObjectRequest(bucket="dev-bucket", key="record/a 1.flv"))
        request = oss.ListObjectsV2Request(bucket="dev-bucket", prefix="record/a ")
        assert [each.key for each in there.list_objects_v2(request).contents] == ["record/a 2.flv"]
