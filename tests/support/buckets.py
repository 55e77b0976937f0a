"""More buckets of the emulator than those that its account has from the beginning."""

from __future__ import annotations


def add_bucket(address: str, name: str) -> None:
    """Make a bucket with the account's key. The SDK is imported here, so that collecting the tests
    does not load it."""
    import alibabacloud_oss_v2 as oss

    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider("dev", "dev-secret")
    config.region, config.endpoint, config.use_path_style = "cn-shanghai", address, True
    oss.Client(config).put_bucket(oss.PutBucketRequest(bucket=name))
