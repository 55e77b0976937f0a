"""certifi's roots lie under the names that OpenSSL looks them up by."""

from __future__ import annotations

import certifi
import pytest

from cli.packaging.roots import by_name

BUNDLE = certifi.contents().encode("ascii")
PEM = "-----BEGIN CERTIFICATE-----"


@pytest.fixture(scope="module")
def roots() -> dict[str, bytes]:
    return by_name(BUNDLE)


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("062cdee6.0", "GlobalSign Root CA - R3"),
        ("4042bcee.0", "ISRG Root X1"),
        ("607986c7.0", "DigiCert Global Root G2"),
    ],
)
def test_a_root_has_the_name_that_openssl_rehash_gives_it(
    roots: dict[str, bytes], name: str, subject: str
) -> None:
    labelled = BUNDLE.decode("ascii").partition(f'# Label: "{subject}"')[2]
    assert (
        roots[name].decode("ascii")
        == PEM + labelled.partition(PEM)[2].partition("\n\n")[0].rstrip() + "\n"
    )


def test_no_root_is_left_out(roots: dict[str, bytes]) -> None:
    assert len(roots) == BUNDLE.count(PEM.encode())


def test_roots_of_one_name_are_numbered() -> None:
    root = by_name(BUNDLE)["4042bcee.0"]
    assert by_name(root + root) == {"4042bcee.0": root, "4042bcee.1": root}
